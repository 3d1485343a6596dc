package eci

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci/internal/disk"
	"example.com/eci/internal/vecstore"
)

// openFaulty opens a cache on a file system that fails.
func openFaulty(t testing.TB, files *faults, dir string, e Embedder) *DiskCache {
	t.Helper()
	c, err := DiskCacheConfig{Dir: dir, Embedder: e, Identity: "x", MaxBytes: 1 << 20}.open(files)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestDiskCacheIsPrivate: vectors give away their texts.
func TestDiskCacheIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes are those of Unix")
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	mustEmbed(t, openCache(t, dir, new(countingEncoder), "x"), someTexts(3))
	for _, path := range append(segmentFiles(t, dir), dir, filepath.Dir(dir)) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			t.Errorf("%s has mode %v", path, mode)
		}
	}
}

// TestDiskCacheUnreadable: a file that cannot be read is left out, and the
// others are used.
func TestDiskCacheUnreadable(t *testing.T) {
	for _, op := range []string{"open", "read"} {
		dir := t.TempDir()
		texts := someTexts(30)
		for i := range 3 {
			c := openCache(t, dir, new(countingEncoder), "x")
			mustEmbed(t, c, texts[10*i:10*i+10])
			c.Close()
		}
		bad := segmentFiles(t, dir)[1]
		files := &faults{FS: disk.OS, fail: func(_ int, did, path string) error {
			if did == op && path == bad {
				return &fs.PathError{Op: op, Path: path, Err: syscall.EACCES}
			}
			return nil
		}}
		e := new(countingEncoder)
		c := openFaulty(t, files, dir, e)
		if diff := cmp.Diff(vectorsOf("", texts), mustEmbed(t, c, texts)); diff != "" {
			t.Errorf("%s: %s", op, diff)
		}
		want := DiskCacheStats{Hits: 20, Misses: 10, Vectors: 30, Unreadable: 1}
		if diff := cmp.Diff(want, c.Stats()); diff != "" || e.texts.Load() != 10 {
			t.Errorf("%s: %s", op, diff)
		}
		if err := c.Close(); err != nil || files.open != 0 {
			t.Errorf("%s: %v, %d files are open", op, err, files.open)
		}
	}
}

// TestDiskCacheFull: a full disk costs no vector, and what is written once there
// is room again is whole.
func TestDiskCacheFull(t *testing.T) {
	dir := t.TempDir()
	full := false
	files := &faults{FS: disk.OS, fail: func(_ int, op, path string) error {
		if full && op == "write" {
			return &fs.PathError{Op: op, Path: path, Err: syscall.ENOSPC}
		}
		return nil
	}}
	e := new(countingEncoder)
	c := openFaulty(t, files, dir, e)
	texts := someTexts(40)
	for i := range 4 {
		full = i == 1 || i == 2
		if diff := cmp.Diff(vectorsOf("", texts[10*i:10*i+10]), mustEmbed(t, c, texts[10*i:10*i+10])); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff(DiskCacheStats{Misses: 40, Vectors: 20, Unwritten: 20}, c.Stats()); diff != "" {
		t.Error(diff)
	}
	err := c.Close()
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "20 vectors could not be written") {
		t.Errorf("Close: %v", err)
	}
	if c.Close() != nil {
		t.Error("closed again, it repeats the error")
	}
	c = openCache(t, dir, e, "x")
	if diff := cmp.Diff(vectorsOf("", texts), mustEmbed(t, c, texts)); diff != "" || e.texts.Load() != 60 {
		t.Errorf("%d embedded\n%s", e.texts.Load(), diff)
	}
	// If not even a file can be created, nothing is left over.
	full = true
	dir = t.TempDir()
	c = openFaulty(t, files, dir, e)
	mustEmbed(t, c, texts)
	if n := c.Stats().Unwritten; n != 40 || len(segmentFiles(t, dir)) != 0 {
		t.Errorf("%d unwritten, files %v", n, segmentFiles(t, dir))
	}
	c.Close()
}

// TestDiskCacheReadOnly: a directory that can only be read is of use.
func TestDiskCacheReadOnly(t *testing.T) {
	dir := t.TempDir()
	texts := someTexts(20)
	c := openCache(t, dir, new(countingEncoder), "x")
	mustEmbed(t, c, texts[:10])
	c.Close()
	files := &faults{FS: disk.OS, fail: func(_ int, op, path string) error {
		if op == "create" || op == "write" || op == "remove" {
			return &fs.PathError{Op: op, Path: path, Err: syscall.EROFS}
		}
		return nil
	}}
	e := new(countingEncoder)
	c = openFaulty(t, files, dir, e)
	if diff := cmp.Diff(vectorsOf("", texts), mustEmbed(t, c, texts)); diff != "" || e.texts.Load() != 10 {
		t.Errorf("%d embedded\n%s", e.texts.Load(), diff)
	}
	if err := c.Close(); !errors.Is(err, syscall.EROFS) {
		t.Errorf("Close: %v", err)
	}
}

// TestDiskCacheCannotRemove: a file that cannot be removed takes its room, and
// its vectors are still found.
func TestDiskCacheCannotRemove(t *testing.T) {
	for _, test := range []struct {
		reason string
		stuck  func(path, oldest string) bool
		failed bool
	}{
		{"the oldest file", func(path, oldest string) bool { return path == oldest }, false},
		{"no file", func(path, oldest string) bool { return true }, true},
	} {
		t.Run(test.reason, func(t *testing.T) {
			dir := t.TempDir()
			texts := someTexts(1000) // about twice what fits
			var oldest string
			files := &faults{FS: disk.OS, fail: func(_ int, op, path string) error {
				if op == "remove" && test.stuck(path, oldest) {
					return &fs.PathError{Op: op, Path: path, Err: syscall.EBUSY}
				}
				return nil
			}}
			e := &countingEncoder{components: 500}
			c := openFaulty(t, files, dir, e)
			for start := 0; start < len(texts); start += 10 {
				mustEmbed(t, c, texts[start:start+10])
				found := segmentFiles(t, dir)
				oldest = found[0]
				var total int64
				for _, file := range found {
					info, err := os.Stat(file)
					if err != nil {
						t.Fatal(err)
					}
					total += info.Size()
				}
				if total > 1<<20 {
					t.Fatalf("%d bytes after %d texts", total, start+10)
				}
			}
			mustEmbed(t, c, texts[:10])
			if n := e.texts.Load(); n != 1000 {
				t.Errorf("%d texts of a file that is still there were embedded again", n-1000)
			}
			if err := c.Close(); (c.Stats().Unwritten > 0) != test.failed || errors.Is(err, syscall.EBUSY) != test.failed {
				t.Errorf("%+v, %v", c.Stats(), err)
			}
		})
	}
}

// TestDiskCacheNames: numbers that no cache gives to its files, and files that
// are none, change nothing.
func TestDiskCacheNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"9223372036854775807-00", "99999999999-00", "-5-00", "x", "-", ""} {
		if err := os.WriteFile(filepath.Join(dir, name+vecstore.Suffix), []byte(vecstore.Magic), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "0000000009-00"+vecstore.Suffix), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "0000000008-00"+vecstore.Suffix)); err != nil {
		t.Log(err)
	}
	c := openCache(t, dir, new(countingEncoder), "x")
	mustEmbed(t, c, someTexts(3))
	c.Close()
	if found, _ := filepath.Glob(filepath.Join(dir, "0000000001-*")); len(found) != 1 {
		t.Errorf("the first file is called %v", segmentFiles(t, dir))
	}
	e := new(countingEncoder)
	if mustEmbed(t, openCache(t, dir, e, "x"), someTexts(3)); e.texts.Load() != 0 {
		t.Errorf("%d embedded again", e.texts.Load())
	}
}

// TestDiskCacheRemovedByAnother: files that another process removes, also the one
// that is written to, cost no more than their vectors.
func TestDiskCacheRemovedByAnother(t *testing.T) {
	dir := t.TempDir()
	e := new(countingEncoder)
	c := openCache(t, dir, e, "x")
	texts := someTexts(30)
	mustEmbed(t, c, texts[:10])
	if err := os.Remove(segmentFiles(t, dir)[0]); err != nil {
		t.Skip("this system does not remove open files")
	}
	mustEmbed(t, c, texts[10:20]) // notices, and begins a new file
	mustEmbed(t, c, texts)
	if n := e.texts.Load(); n != 40 {
		t.Errorf("%d embedded, want the 10 of the file twice", n)
	}
	c.Close()
	if mustEmbed(t, openCache(t, dir, e, "x"), texts); e.texts.Load() != 40 {
		t.Errorf("%d embedded after opening again", e.texts.Load())
	}
}

// TestDiskCacheEveryCallFails fails each call of the disk in turn, alone and with
// all after it: every vector is right, and what was written is found later.
func TestDiskCacheEveryCallFails(t *testing.T) {
	texts := someTexts(12)
	want := vectorsOf("", texts)
	tried := make(map[string]int)
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			dir := t.TempDir()
			e := new(countingEncoder)
			first := openCache(t, dir, e, "x")
			mustEmbed(t, first, texts[:4])
			first.Close()
			files := failing(func(call int) bool { return call == n || after && call > n })
			c, err := DiskCacheConfig{Dir: dir, Embedder: e, Identity: "x", MaxBytes: 1 << 20}.open(files)
			unwritten := 0
			if err != nil {
				if !errors.Is(err, errFault) || !strings.HasPrefix(err.Error(), "eci: disk cache: ") {
					t.Errorf("call %d: %v", n, err)
				}
			} else {
				for _, until := range []int{4, 8, 12} {
					got, err := c.EmbedDocuments(t.Context(), texts[:until])
					if diff := cmp.Diff(want[:until], got); err != nil || diff != "" {
						t.Fatalf("call %d: %v\n%s", n, err, diff)
					}
				}
				unwritten = c.Stats().Unwritten
				if err := c.Close(); err != nil && !errors.Is(err, errFault) || unwritten > 0 && err == nil {
					t.Errorf("call %d: %d unwritten, Close: %v", n, unwritten, err)
				}
			}
			if files.open != 0 {
				t.Errorf("call %d: %d files are open", n, files.open)
			}
			before := e.texts.Load()
			whole := openCache(t, dir, e, "x")
			if diff := cmp.Diff(want, mustEmbed(t, whole, texts)); diff != "" {
				t.Fatalf("call %d: %s", n, diff)
			}
			if again := int(e.texts.Load() - before); err == nil && again > unwritten {
				t.Errorf("call %d: %d texts were sent again, %d could not be written", n, again, unwritten)
			}
			whole.Close()
			if files.calls < n {
				t.Logf("%d calls failed in turn, the others after them fail too: %t", n-1, after)
				break
			}
			for op := range files.ops {
				tried[op]++
			}
		}
	}
	for _, op := range []string{"mkdir", "readdir", "open", "create", "read", "write", "sync", "close"} {
		if tried[op] == 0 {
			t.Errorf("no call of %s was tried", op)
		}
	}
}
