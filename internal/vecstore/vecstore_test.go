package vecstore

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci/internal/disk"
)

func openStore(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, MaxBytes: 1 << 20, Files: disk.OS})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestStore: what one store puts another one gets, bit for bit, while both are
// open and afterwards.
func TestStore(t *testing.T) {
	dir := t.TempDir()
	writer, reader := openStore(t, dir), openStore(t, dir)
	keys, want := []Key{{1}, {2}, {3}}, [][]float32{{1, 0.1}, {2, -0.2}, nil}
	if err := writer.Put(keys[:2], want[:2]); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Store{writer, reader, openStore(t, dir)} {
		got := make([][]float32, 3)
		missing, err := s.Get(keys, got)
		if diff := cmp.Diff(want, got); err != nil || diff != "" || !cmp.Equal(missing, []int{2}) {
			t.Errorf("missing %v, %v\n%s", missing, err, diff)
		}
		if counts := s.Counts(); counts != (Counts{Vectors: 2}) {
			t.Errorf("%+v", counts)
		}
	}
	if err := writer.Close(); err != nil {
		t.Error(err)
	}
	if _, err := writer.Get(keys, make([][]float32, 3)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Get of a closed store: %v", err)
	}
	if err := writer.Put(nil, nil); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Put to a closed store: %v", err)
	}
}

// TestStoreOfAnotherKey puts a good record where the index says another one is:
// the whole digest is compared on reading.
func TestStoreOfAnotherKey(t *testing.T) {
	s := openStore(t, t.TempDir())
	keys := []Key{{1}, {2}}
	if err := s.Put(keys, [][]float32{{1}, {2}}); err != nil {
		t.Fatal(err)
	}
	s.index[keys[0].short()] = s.index[keys[1].short()]
	got := make([][]float32, 2)
	missing, err := s.Get(keys, got)
	if err != nil || !cmp.Equal(missing, []int{0}) || !cmp.Equal(got, [][]float32{nil, {2}}) {
		t.Errorf("%v, missing %v, %v", got, missing, err)
	}
}

// TestStoreOpenFiles: a store with many files keeps 64 of them open.
func TestStoreOpenFiles(t *testing.T) {
	dir := t.TempDir()
	keys := make([]Key, mostOpenFiles+20)
	for i := range keys {
		keys[i] = Key{byte(i)}
		s := openStore(t, dir)
		if err := s.Put(keys[i:i+1], [][]float32{{float32(i)}}); err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	s := openStore(t, dir)
	missing, err := s.Get(keys, make([][]float32, len(keys)))
	if err != nil || len(missing) > 0 || s.open > mostOpenFiles {
		t.Errorf("missing %v, %d files are open, %v", missing, s.open, err)
	}
}

// TestFits: a record and the head of its file fit into one file.
func TestFits(t *testing.T) {
	c := Config{MaxBytes: 16 * (int64(len(Magic)) + RecordSize(100))}
	if !c.Fits(100) || c.Fits(101) {
		t.Errorf("100 components: %t, 101: %t", c.Fits(100), c.Fits(101))
	}
	c.MaxBytes = 1 << 40
	if !c.Fits(MostComponents) || c.Fits(MostComponents+1) {
		t.Error("the largest dimension")
	}
}

// FuzzSegment: whatever a file holds, what is found lies inside it, and a vector
// that is read is one that was written.
func FuzzSegment(f *testing.F) {
	good := []byte(Magic)
	for _, vector := range [][]float32{{1, 2, 3}, {-0.5, 4}} {
		good = appendRecord(good, Key{byte(len(good))}, vector)
	}
	f.Add(good)
	f.Add(good[:len(good)-5])
	f.Add([]byte(Magic))
	f.Add([]byte("another file"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		s := new(segment)
		end := int64(len(Magic))
		err := s.scan(bytes.NewReader(content), int64(len(content)), func(key Key, offset int64, components int) {
			if offset != end || offset+RecordSize(components) > int64(len(content)) {
				t.Fatalf("a record of %d components at %d of %d", components, offset, len(content))
			}
			end = offset + RecordSize(components)
			raw := content[offset:end]
			if v, ok := parseRecord(raw, key); ok && !bytes.Equal(appendRecord(nil, key, v), raw) {
				t.Errorf("%x was read as %v", raw, v)
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
}
