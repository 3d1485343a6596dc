package formats_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/eci"
	"example.com/eci/formats"
)

// TestSaveToDisk: what save_to_disk of Hugging Face datasets leaves, a Dataset or a
// DatasetDict, is one source called like its folder, also where a shell lists the files.
func TestSaveToDisk(t *testing.T) {
	rows := arrowStream(t, 3)
	files := fstest.MapFS{}
	put := func(name string, data string) { files[name] = &fstest.MapFile{Data: []byte(data)} }
	for _, name := range []string{"mined/data-00000-of-00002.arrow", "mined/data-00001-of-00002.arrow", "all/train/data-00000-of-00001.arrow", "all/test/data-00000-of-00001.arrow"} {
		put(name, string(rows))
	}
	put("mined/cache-0f3a.arrow", string(rows))
	for _, folder := range []string{"mined/", "all/train/", "all/test/"} {
		put(folder+"state.json", "{\n  \"_data_files\": [\n    {\n      \"filename\": \"data-00000-of-00001.arrow\"\n    }\n  ],\n  \"_fingerprint\": \"0f3a\"\n}")
		put(folder+"dataset_info.json", "{\n  \"citation\": \"\",\n  \"features\": {\n    \"anchor\": {\n      \"dtype\": \"string\"\n    }\n  }\n}")
	}
	put("all/dataset_dict.json", `{"splits": ["train", "test"]}`)
	for _, test := range []struct {
		reason string
		paths  []string
		want   string
	}{
		{"folders", []string{"mined", "all"}, "mined 6, all 3"},
		{"listed by a shell", []string{"mined/data-00000-of-00002.arrow", "mined/data-00001-of-00002.arrow", "mined/dataset_info.json", "mined/state.json"}, "mined 6"},
		{"a pattern", []string{"mined/[ds]*"}, "mined 6"},
		{"a name", []string{"x=mined"}, "x 6"},
		{"one shard", []string{"all/train/data-00000-of-00001.arrow"}, "all 3"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			f := eci.Files{FS: files, Decoders: formats.Decoders()}
			sources, err := f.Sources(test.paths...)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range sources {
				n := 0
				for _, err := range s.Triples {
					if err != nil {
						t.Fatal(err)
					}
					n++
				}
				got = append(got, fmt.Sprint(s.Name, " ", n))
			}
			if said := strings.Join(got, ", "); said != test.want {
				t.Errorf("%s, want %s", said, test.want)
			}
		})
	}
}
