package tripleio

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/textfile"
)

// corpusLines is a corpus of n documents, some longer than a read, with its
// texts as they are to be found.
func corpusLines(n int) (string, map[string]string) {
	var b strings.Builder
	want := make(map[string]string, n)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		id, title := fmt.Sprint("doc", i), []string{"", "Title", "é \"quoted\""}[i%3]
		text := strings.Repeat("words and \\ escapes\n", random.IntN(8))
		if i%97 == 5 {
			text = strings.Repeat("a text of many kilobytes ", 900)
		}
		row, _ := json.Marshal(map[string]any{"_id": id, "title": title, "text": text + fmt.Sprint(i)})
		b.Write(row)
		b.WriteString([]string{"\n", "\r\n", "\n\n"}[i%3])
		want[id] = strings.TrimPrefix(title+" ", " ") + text + fmt.Sprint(i)
	}
	return b.String(), want
}

// open opens a file of the machine as a corpus.
func open(path string, query bool) (*textFile, error) {
	config := &Config{Opener: textfile.Opener{OpenFile: func(name string) (fs.File, error) { return os.Open(name) }}}
	return config.openTexts(path, query)
}

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCorpusAgainstMap: the index over a plain file, and the same file
// compressed and loaded, give the texts of a map.
func TestCorpusAgainstMap(t *testing.T) {
	data, want := corpusLines(500)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write([]byte(data))
	w.Close()
	for name, content := range map[string][]byte{
		"plain.jsonl": []byte(data), "packed.gz": packed.Bytes(), "no-end.jsonl": []byte(strings.TrimSpace(data)), "mark.jsonl": []byte("\xef\xbb\xbf" + data),
	} {
		t.Run(name, func(t *testing.T) {
			file, err := open(writeFile(t, name, content), false)
			if err != nil {
				t.Fatal(err)
			}
			if indexed := file.loaded == nil; indexed == strings.HasSuffix(name, ".gz") || indexed && len(file.index) != len(want) {
				t.Errorf("indexed %v, %d entries", indexed, len(file.index))
			}
			reader, err := file.reader()
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			for range 3 { // the later passes find some in the cache
				for id, text := range want {
					if got, err := reader.text(id); err != nil || got != text {
						t.Fatalf("%s: %.50q, error %v; want %.50q", id, got, err, text)
					}
				}
			}
			if _, err := reader.text("doc500"); !errors.Is(err, fault.MissingField) || !strings.Contains(err.Error(), name) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestCorpusCollisions: ids that share a hash are distinguished by their lines.
func TestCorpusCollisions(t *testing.T) {
	data, want := corpusLines(60)
	file, err := open(writeFile(t, "c.jsonl", []byte(data)), false)
	if err != nil {
		t.Fatal(err)
	}
	// Give every entry the hash of one id, as if all had collided.
	for id, text := range want {
		hash := textHash(id)
		for i := range file.index {
			file.index[i].hash = hash
		}
		if err := file.sort(); err != nil {
			t.Fatal("different ids of one hash:", err)
		}
		reader, err := file.reader()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := reader.text(id); err != nil || got != text {
			t.Errorf("%s: %.50q, error %v", id, got, err)
		}
		reader.Close()
	}
}

func TestCorpusChanged(t *testing.T) {
	data, _ := corpusLines(10)
	path := writeFile(t, "c.jsonl", []byte(data))
	file, err := open(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data[3:]), 0o666); err != nil {
		t.Fatal(err)
	}
	reader, err := file.reader()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := reader.text("doc3"); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("error %v", err)
	}
	os.Remove(path)
	if _, err := file.reader(); err == nil {
		t.Error("no error for a corpus that is gone")
	}
}

// TestCorpusHeaders: TSV with a header, as DPR's psgs_w100.tsv.
func TestCorpusHeaders(t *testing.T) {
	for _, test := range []struct{ reason, data, id, want string }{
		{"DPR's order", "id\ttext\ttitle\n1\t\"a \"\"b\"\"\"\tT\n", "1", "T a \"b\""},
		{"without a title", "text\tpid\nx\t7\n", "7", "x"},
		{"a tab in a text without a header", "7\tx\n8\ty\tz\n", "8", "y\tz"},
		{"a title without a text", `{"docid":1,"title":"T","text":""}`, "1", "T"},
		{"other names", `{"pid":"1","contents":"x"}`, "1", "x"},
	} {
		file, err := open(writeFile(t, "c", []byte(test.data)), false)
		if err != nil {
			t.Fatal(test.reason, err)
		}
		reader, err := file.reader()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := reader.text(test.id); err != nil || got != test.want {
			t.Errorf("%s: %q, error %v", test.reason, got, err)
		}
		reader.Close()
	}
}

// BenchmarkCorpus reads texts of a plain corpus at random.
func BenchmarkCorpus(b *testing.B) {
	data, _ := corpusLines(20000)
	file, err := open(writeFile(b, "c.jsonl", []byte(data)), false)
	if err != nil {
		b.Fatal(err)
	}
	reader, err := file.reader()
	if err != nil {
		b.Fatal(err)
	}
	defer reader.Close()
	random := rand.New(rand.NewPCG(5, 6))
	for b.Loop() {
		if _, err := reader.text(fmt.Sprint("doc", random.IntN(20000))); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzCorpus: a corpus that is read in place and one that is loaded, because it
// is compressed, have the same texts, or the same error.
func FuzzCorpus(f *testing.F) {
	for _, text := range []string{
		"1\ta\n2\tb\n", `{"_id":"1","title":"T","text":"a"}` + "\n" + `{"_id":2,"text":"b"}`, "id\ttext\ttitle\n1\t\"a \"\"b\"\"\"\tT\n", "\xef\xbb\xbf1\ta\r\n\r\n2\tb",
		"1\ta\n1\tb\n", "1\n", "{}\n", `{"_id":"1","text":"a"}` + "\n{", "", "\n\n1\ta", "id\ttext\n\n\t\n1",
	} {
		f.Add([]byte(text), true)
		f.Add([]byte(text), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, query bool) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write(data)
		w.Close()
		files := &Config{Opener: textfile.Opener{FS: fstest.MapFS{"plain": {Data: data}, "packed": {Data: b.Bytes()}}}}
		plain, err := files.openTexts("plain", query)
		loaded, err2 := files.openTexts("packed", query)
		if textfile.Compressed(data) {
			return // twice
		}
		if (err == nil) != (err2 == nil) {
			t.Fatalf("read in place: error %v; loaded: %v", err, err2)
		}
		if err != nil {
			return
		}
		reader, err := plain.reader()
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		for id, want := range loaded.loaded {
			if text, err := reader.text(id); err != nil || text != want {
				t.Errorf("%q: %q, error %v; loaded %q", id, text, err, want)
			}
		}
		ids := make(map[uint64]bool) // an id may be there twice, with one text
		for _, entry := range plain.index {
			ids[entry.hash] = true
		}
		if len(ids) != len(loaded.loaded) {
			t.Errorf("%d ids, loaded %d", len(ids), len(loaded.loaded))
		}
	})
}
