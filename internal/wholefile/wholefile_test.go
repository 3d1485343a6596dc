package wholefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// put writes a text.
func put(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// content returns the files below a folder: text, mode, or where a link leads.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			found[name] = "-> " + to
			return err
		case info.Mode().IsRegular():
			text, err := os.ReadFile(path)
			found[name] = fmt.Sprintf("%s %v", text, info.Mode().Perm())
			return err
		}
		found[name] = info.Mode().Type().String()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestWrite(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes and links are those of Unix")
	}
	for _, test := range []struct {
		why     string
		prepare func(dir string) error
		path    string
		want    map[string]string
	}{
		{"a new file", func(string) error { return nil }, "x", map[string]string{"x": "new -rw-r-----"}},
		{"an old one keeps its mode, which the umask would not allow", func(dir string) error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "x"), []byte("old, and longer"), 0o600), os.Chmod(filepath.Join(dir, "x"), 0o666))
		}, "x", map[string]string{"x": "new -rw-rw-rw-"}},
		{"a private one stays private", func(dir string) error { return os.WriteFile(filepath.Join(dir, "x"), nil, 0o600) }, "x", map[string]string{"x": "new -rw-------"}},
		{"a file of the user's that was called as ours once", func(dir string) error { return os.WriteFile(filepath.Join(dir, "x.partial"), []byte("mine"), 0o600) }, "x",
			map[string]string{"x": "new -rw-r-----", "x.partial": "mine -rw-------"}},
		{"a link to a file", func(dir string) error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "to"), []byte("old"), 0o600), os.Symlink("to", filepath.Join(dir, "x")))
		}, "x", map[string]string{"to": "new -rw-------", "x": "-> to"}},
		{"a link to nothing", func(dir string) error { return os.Symlink("to", filepath.Join(dir, "x")) }, "x", map[string]string{"to": "new -rw-r-----", "x": "-> to"}},
		{"links through a folder that is one", func(dir string) error {
			return errors.Join(os.MkdirAll(filepath.Join(dir, "a", "b"), 0o777), os.Symlink(filepath.Join("a", "b"), filepath.Join(dir, "l")), os.Symlink(filepath.Join("..", "to"), filepath.Join(dir, "a", "b", "x")))
		}, "l/x", map[string]string{filepath.Join("a", "to"): "new -rw-r-----", filepath.Join("a", "b", "x"): "-> " + filepath.Join("..", "to"), "l": "-> " + filepath.Join("a", "b")}},
		{"a name as long as may be", func(string) error { return nil }, strings.Repeat("x", 255), map[string]string{strings.Repeat("x", 255): "new -rw-r-----"}},
	} {
		t.Run(test.why, func(t *testing.T) {
			dir := t.TempDir()
			if err := test.prepare(dir); err != nil {
				t.Fatal(err)
			}
			before := content(t, dir)
			// What fails, and what is canceled, changes nothing.
			failed := errors.New("failed")
			if err := Write(t.Context(), filepath.Join(dir, test.path), 0o640, func(w io.Writer) error {
				io.WriteString(w, strings.Repeat("half", 1<<16))
				return failed
			}); !errors.Is(err, failed) {
				t.Errorf("error %v", err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			if err := Write(ctx, filepath.Join(dir, test.path), 0o640, func(w io.Writer) error {
				cancel(failed)
				return put("half")(w)
			}); !errors.Is(err, context.Canceled) || !errors.Is(err, failed) {
				t.Errorf("error %v", err)
			}
			if after := content(t, dir); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("%v, before the failure %v", after, before)
			}
			if err := Write(t.Context(), filepath.Join(dir, test.path), 0o640, put("new")); err != nil {
				t.Fatal(err)
			}
			if got := content(t, dir); fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Skip(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "loop"), filepath.Join(dir, "none", "x"), ""} {
		if err := Write(t.Context(), path, 0o640, func(io.Writer) error { t.Error("written"); return nil }); err == nil {
			t.Errorf("%q: no error", path)
		}
	}
	if left := content(t, dir); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

// TestTwoWriters: whoever is last has written the file, all of it.
func TestTwoWriters(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	texts := []string{strings.Repeat("a", 1<<20), strings.Repeat("b", 1<<19)}
	var both sync.WaitGroup
	for _, text := range texts {
		both.Go(func() {
			for range 20 {
				if err := Write(t.Context(), path, 0o640, put(text)); err != nil {
					t.Error(err)
				}
				if got, err := os.ReadFile(path); string(got) != texts[0] && string(got) != texts[1] {
					t.Errorf("a mixture of %d bytes, error %v", len(got), err)
				}
			}
		})
	}
	both.Wait()
	if left := content(t, dir); len(left) != 1 {
		t.Errorf("%d files left", len(left))
	}
}
