package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestInputsOfPeople runs the commands of a folder of inputs that people bring, where
// it is present: each gives what was asked for, or says which flag to add. Our own files
// of the same kinds are in TestKindsOfFiles of the library.
func TestInputsOfPeople(t *testing.T) {
	const cases = "../../../shared/cases"
	if _, err := os.Stat(cases); err != nil {
		t.Skip("the inputs are not here")
	}
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no shell")
	}
	bin := filepath.Dir(binary(t))
	for folder, want := range map[string]struct {
		lines    int // of standard output
		contains string
	}{
		"01-run-msmarco-three-columns":         {3, `"positive_id":"0"`},
		"03-csv-score-column":                  {4, "12 rows, 12 triples"},
		"04-csv-id-column":                     {2, `"query":"how long`},
		"05-tsv-unknown-header":                {1, `"query":"how long`},
		"09-rows-without-positive-or-negative": {0, "4 rows, 6 triples"},
		"10-fields-that-hold-ids":              {2, `"negative_id":"1","negative":"Yeasted`},
		"14-null-instead-of-list":              {0, "4 rows, 9 triples"},
		"15-json-array-lines":                  {24, ""},
		"16-colbert-triples":                   {24, `"negative_id":"1","negative":"Yeasted`},
		"18-ms-swift":                          {24, ""},
		"19-plural-names":                      {3, "12\n12\n12"},
		"21-shards-and-equal-names":            {0, "bm25: 12 rows"},
		"23-json-documents":                    {36, ""},
		"24-vectors-of-texts-without-ids":      {0, "12 triples of each source, 8 dimensions"},
		"26-python-nan":                        {0, "12 rows, 12 triples"},
		"27-convert-drops-fields":              {0, `"neg_scores":[0.5,0.4,0.3]`},
		"30-corpus-with-a-doublet":             {12, ""},
		"33-ragged-n-tuples":                   {0, ""},
	} {
		t.Run(folder, func(t *testing.T) {
			command, err := os.ReadFile(filepath.Join(cases, folder, "cmd"))
			if err != nil {
				t.Skip("this one is not here")
			}
			c := exec.Command(shell, "-c", string(command))
			c.Dir = filepath.Join(cases, folder)
			c.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			out, err := c.Output()
			if err != nil {
				t.Logf("the command: %v", err) // such as a pipe that head closes
			}
			if n := strings.Count(string(out), "\n"); want.lines > 0 && n != want.lines || !strings.Contains(string(out), want.contains) {
				t.Errorf("%d lines, want %d with %q:\n%s", n, want.lines, want.contains, out)
			}
		})
	}
}
