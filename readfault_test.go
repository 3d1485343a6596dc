package eci_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"example.com/eci"
)

var errDisk = errors.New("the disk is gone")

// faultyFS is a file system of which one call fails: the at-th of Open, Read and
// ReadAt, and all after it unless once is set. Reads are short, so that there are
// many of them.
type faultyFS struct {
	fstest.MapFS
	at, calls int
	once      bool
	open      int // files that are not closed
}

func (f *faultyFS) fail() error {
	f.calls++
	if f.calls == f.at || f.calls > f.at && f.at > 0 && !f.once {
		return errDisk
	}
	return nil
}

func (f *faultyFS) Open(name string) (fs.File, error) {
	if err := f.fail(); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	file, err := f.MapFS.Open(name)
	if err != nil {
		return nil, err
	}
	f.open++
	return &faultyFile{file, f}, nil
}

// ReadFile is not that of MapFS, which cannot fail.
func (f *faultyFS) ReadFile(name string) ([]byte, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

type faultyFile struct {
	fs.File
	of *faultyFS
}

const shortRead = 97

func (f *faultyFile) Read(p []byte) (int, error) {
	if err := f.of.fail(); err != nil {
		return 0, err
	}
	return f.File.Read(p[:min(len(p), shortRead)])
}

func (f *faultyFile) ReadAt(p []byte, at int64) (int, error) {
	if err := f.of.fail(); err != nil {
		return 0, err
	}
	return f.File.(io.ReaderAt).ReadAt(p, at)
}

func (f *faultyFile) Seek(offset int64, whence int) (int64, error) {
	return f.File.(io.Seeker).Seek(offset, whence)
}

func (f *faultyFile) Close() error {
	f.of.open--
	return f.File.Close()
}

// readSources reads all sources of a file until the first error.
func readSources(files eci.Files, path string) (triples []string, err error) {
	sources, err := files.Sources(path)
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		for t, err := range s.Triples {
			if err != nil {
				return triples, err
			}
			triples = append(triples, fmt.Sprintf("%s: %s | %s | %s", s.Name, t.Query(), t.Positive(), t.Negative()))
		}
	}
	return triples, nil
}

// TestReadFaults fails every opening and reading of a file in turn, for good and
// once. The fault comes out as it was, with the file; what came before it are
// the first triples; no file stays open and no goroutine runs on.
func TestReadFaults(t *testing.T) {
	files := make(fstest.MapFS)
	err := filepath.WalkDir(samples, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(samples, path)
		files[filepath.ToSlash(name)] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	goroutines := runtime.NumGoroutine()
	faults := 0
	for name := range files {
		settings := eci.Files{}
		switch base := strings.SplitN(name, ".", 2)[0]; {
		case strings.Contains(name, "/"), base == "collection", base == "queries", base == "qrels":
			continue
		case name == "bm25.run", name == "tevatron-ids.jsonl", base == "record":
			settings.BEIR = "beir"
		case base == "multi-source", base == "qidpidtriples":
			settings.Corpus, settings.Queries = "collection.tsv", "queries.tsv"
		case name == "triplet.tsv":
			settings.Format = eci.FormatTriplet
		}
		t.Run(name, func(t *testing.T) {
			sound := &faultyFS{MapFS: files}
			settings.FS = sound
			want, err := readSources(settings, name)
			if err != nil || len(want) == 0 || sound.open != 0 {
				t.Fatalf("%d triples, %d files open, error %v", len(want), sound.open, err)
			}
			for _, once := range []bool{false, true} {
				for at := 1; at <= sound.calls; at++ {
					disk := &faultyFS{MapFS: files, at: at, once: once}
					settings.FS = disk
					got, err := readSources(settings, name)
					faults++
					switch {
					case err == nil && once && slices.Equal(got, want):
						// It was read again, and nothing was lost.
					case !errors.Is(err, errDisk) || !strings.HasPrefix(err.Error(), "eci: ") || strings.Count(err.Error(), "eci: ") != 1:
						t.Errorf("call %d, once %v: error %v", at, once, err)
					case len(got) > len(want) || !slices.Equal(got, want[:len(got)]):
						t.Errorf("call %d, once %v: %d triples, not the first of %d", at, once, len(got), len(want))
					}
					if disk.open != 0 {
						t.Errorf("call %d, once %v: %d files stay open", at, once, disk.open)
					}
				}
			}
		})
	}
	for i := 0; runtime.NumGoroutine() > goroutines; i++ {
		if i == 100 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), goroutines)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("%d faults", faults)
}

// TestVectorReadFaults is the same for vectors.
func TestVectorReadFaults(t *testing.T) {
	lines := `{"id":"q1","vector":[1,2]}` + "\n" + `{"id":"q2","vector":[3,4]}` + "\n"
	array := npy(1, dict("<f2", "(3, 2)"), []uint16{0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600})
	tensor := safetensors(`{"embeddings":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}`, f32(1, 2, 3, 4)...)
	faults := 0
	for name, files := range map[string]fstest.MapFS{
		"npy and jsonl":       {"queries.jsonl": {Data: []byte(lines)}, "corpus.npy": {Data: array}, "corpus.ids": {Data: []byte("d1\nd2\nd3\n")}},
		"safetensors and npy": {"queries.safetensors": {Data: tensor}, "queries.ids": {Data: []byte("q1\nq2\n")}, "corpus.npy": {Data: array}, "corpus.ids": {Data: []byte("d1\nd2\nd3\n")}},
	} {
		sound := &faultyFS{MapFS: files}
		if _, err := eci.ReadVectors(sound); err != nil || sound.open != 0 {
			t.Fatalf("%s: %d files open, error %v", name, sound.open, err)
		}
		for at := 1; at <= sound.calls; at++ {
			disk := &faultyFS{MapFS: files, at: at}
			faults++
			if v, err := eci.ReadVectors(disk); !errors.Is(err, errDisk) || !strings.HasPrefix(err.Error(), "eci: ") || v != nil || disk.open != 0 {
				t.Errorf("%s, call %d: %d files open, error %v", name, at, disk.open, err)
			}
		}
	}
	for name, data := range map[string][]byte{"npy": array, "safetensors": tensor} {
		read := func(r io.ReaderAt) ([]float32, error) {
			var a eci.VectorArray
			var err error
			if name == "npy" {
				a, err = eci.NewNPY("x", r, int64(len(data)))
			} else {
				a, err = eci.NewSafetensors("x", r, int64(len(data)))
			}
			if err != nil {
				return nil, err
			}
			return a.AppendRow([]float32{7}, 1)
		}
		sound := &failingAt{Reader: bytes.NewReader(data)}
		if row, err := read(sound); err != nil || len(row) != 3 {
			t.Fatalf("%v, error %v", row, err)
		}
		for at := 1; at <= sound.calls; at++ {
			faults++
			if row, err := read(&failingAt{Reader: bytes.NewReader(data), at: at}); !errors.Is(err, errDisk) || len(row) > 1 {
				t.Errorf("%s, call %d: %v, error %v", name, at, row, err)
			}
		}
	}
	t.Logf("%d faults", faults)
}

// failingAt fails one call of ReadAt, after half of it.
type failingAt struct {
	*bytes.Reader
	at, calls int
}

func (f *failingAt) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.Reader.ReadAt(p, at)
	if f.calls++; f.calls == f.at {
		return n / 2, errDisk
	}
	return n, err
}
