//go:build unix

package spool

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	return path
}

// feed writes to a FIFO when a reader comes.
func feed(path, text string) {
	go func() {
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return
		}
		io.WriteString(w, text)
		w.Close()
	}()
}

// TestOpen reads a pipe several times, at random too.
func TestOpen(t *testing.T) {
	path, text := fifo(t), strings.Repeat("a line\n", 1<<15)
	s := &Store{Dir: t.TempDir(), MaxBytes: 1 << 20}
	feed(path, text)
	for range 3 {
		f, err := s.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(f); string(got) != text || err != nil {
			t.Errorf("%d bytes of %d, error %v", len(got), len(text), err)
		}
		at := make([]byte, 4)
		if _, err := f.(io.ReaderAt).ReadAt(at, 9); string(at) != "line" {
			t.Errorf("%q at 9, error %v", at, err)
		}
		if info, err := f.Stat(); err != nil || info.Size() != int64(len(text)) || !info.Mode().IsRegular() {
			t.Errorf("size %v, error %v", info, err)
		}
		f.Close()
	}
	if left, _ := os.ReadDir(s.Dir); len(left) != 0 {
		t.Errorf("a name is left while the copy is in use: %v", left)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Open(t.Context(), path); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed: error %v", err)
	}
}

func TestOpenRegular(t *testing.T) {
	s, path := &Store{MaxBytes: 1}, filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("more than the limit of pipes"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := s.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, ok := f.(*os.File); !ok {
		t.Errorf("%T: a regular file is read in place", f)
	}
	if _, err := s.Open(t.Context(), path+"-"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// TestLimit: what was read of a pipe is gone, so it fails for good.
func TestLimit(t *testing.T) {
	path := fifo(t)
	s := &Store{Dir: t.TempDir(), MaxBytes: 100}
	defer s.Close()
	feed(path, strings.Repeat("x", 101))
	for range 2 {
		if _, err := s.Open(t.Context(), path); !errors.Is(err, ErrTooLarge) {
			t.Errorf("error %v", err)
		}
	}
	if _, err := s.Open(t.Context(), "/dev/zero"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a device without an end: error %v", err)
	}
}

// TestCanceled: neither a FIFO that nobody writes to nor one whose writer is
// silent keeps a run that was canceled, and no goroutine stays.
func TestCanceled(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, silent := range []bool{false, true} {
		path := fifo(t)
		if silent {
			w, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(w, "half")
			defer w.Close()
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("the cause")
		time.AfterFunc(30*time.Millisecond, func() { cancel(cause) })
		s := &Store{Dir: t.TempDir(), MaxBytes: 1 << 20}
		for range 2 { // the second finds half of it gone
			if _, err := s.Open(ctx, path); !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
				t.Errorf("silent %v: error %v", silent, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(s.Dir); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}
