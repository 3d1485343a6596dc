package eci_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
)

func TestFilesRelevant(t *testing.T) {
	formats := filepath.Join("testdata", "formats")
	want := map[string][]string{"q1": {"d1"}, "q2": {"d4"}}
	for _, test := range []struct {
		why   string
		files eci.Files
		want  map[string][]string
	}{
		{"TREC's four columns, grade 0 left out", eci.Files{Qrels: filepath.Join(formats, "qrels.txt")}, want},
		{"a folder in BEIR's layout", eci.Files{BEIR: filepath.Join(formats, "beir")}, want},
		{"no judgments", eci.Files{}, nil},
	} {
		got, err := test.files.Relevant()
		if err != nil {
			t.Errorf("%s: %v", test.why, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", test.why, diff)
		}
	}
	missing := eci.Files{Qrels: filepath.Join(formats, "none.txt")}
	if _, err := missing.Relevant(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
