package vecfile

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/quote"
)

// CheckFolder returns an error if a path is not a folder, which says what it is. A path
// that does not exist is for the reader to report.
func CheckFolder(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.IsDir() {
		return nil
	}
	return fmt.Errorf("eci: %s: %w: it is %s, not a folder; want the folder with the vectors of queries and of documents: queries.npy and corpus.npy (or .npz, .safetensors, .jsonl), each with .ids, one id a line, or .txt, one text a line", path, fault.Format, kindOfFile(path))
}

// CheckTexts returns an error if a folder has no texts or IDs of vectors. A caller that
// names a folder for them wants them used.
func CheckTexts(path string) error {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		if err != nil {
			return fmt.Errorf("eci: %w", err)
		}
		return fmt.Errorf("eci: %s: %w: it is %s, not a folder; want the folder with queries.txt and corpus.txt, one text a line", path, fault.Format, kindOfFile(path))
	}
	for _, stem := range []string{"queries", "corpus"} {
		for _, extension := range sideFiles {
			if _, err := os.Stat(filepath.Join(path, stem+extension)); err == nil {
				return nil
			}
		}
	}
	return fmt.Errorf("eci: %s: %w: want queries.txt and corpus.txt, one text a line, or queries.json and corpus.json, one JSON list each%s", path, fs.ErrNotExist, has(os.DirFS(path)))
}

// kindOfFile says what a file is, by its first bytes.
func kindOfFile(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "a file"
	}
	defer f.Close()
	head := make([]byte, 512)
	n, _ := io.ReadFull(f, head) // what there is of it
	head = head[:n]
	text := bytes.TrimSpace(head)
	extension := strings.ToLower(filepath.Ext(path))
	switch {
	case bytes.HasPrefix(head, []byte("\x93NUMPY")):
		return "an .npy array"
	case extension == ".safetensors":
		return "a .safetensors file"
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return "an archive"
	case bytes.HasPrefix(head, []byte("PAR1")):
		return "a Parquet file"
	case len(text) > 0 && (text[0] == '{' || text[0] == '['):
		return "a JSON file"
	case bytes.IndexByte(head, 0) >= 0:
		return "a binary file"
	}
	return "a text file"
}

// has lists what there is in a folder, for a message about what is not.
func has(fsys fs.FS) string {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return ""
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if len(names) == 0 {
		return "; the folder is empty"
	}
	slices.Sort(names)
	return "; the folder has " + quote.Names(names)
}
