//go:build unix

package wholefile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestThrough: devices and FIFOs stay what they are.
func TestThrough(t *testing.T) {
	if err := Write(t.Context(), os.DevNull, 0o640, put("gone")); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode()&fs.ModeDevice == 0 {
		t.Fatalf("%s is no device any more: %v, error %v", os.DevNull, info.Mode(), err)
	}
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(os.DevNull, link); err != nil {
		t.Fatal(err)
	}
	if err := Write(t.Context(), link, 0o640, put("gone")); err != nil {
		t.Error(err)
	}
	if to, err := os.Readlink(link); to != os.DevNull {
		t.Errorf("the link leads to %q, error %v", to, err)
	}
	if _, err := os.Stat("/dev/full"); err == nil {
		if err := Write(t.Context(), "/dev/full", 0o640, put("lost")); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("a full device: error %v", err)
		}
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	text := strings.Repeat("more than a pipe holds", 1<<16)
	read := make(chan string)
	go func() {
		time.Sleep(30 * time.Millisecond) // the writer waits for a reader
		got, _ := os.ReadFile(pipe)
		read <- string(got)
	}()
	if err := Write(t.Context(), pipe, 0o640, put(text)); err != nil {
		t.Error(err)
	}
	if got := <-read; got != text {
		t.Errorf("%d bytes of %d through the pipe", len(got), len(text))
	}
	if info, err := os.Lstat(pipe); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		t.Errorf("the pipe is gone: %v, error %v", info.Mode(), err)
	}
}

// TestThroughCanceled: neither a FIFO without a reader nor one whose reader
// does not read keeps a run that was canceled.
func TestThroughCanceled(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, cancel)
	if err := Write(ctx, pipe, 0o640, put("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("no reader: error %v", err)
	}
	reader, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel = context.WithCancel(t.Context())
	err = Write(ctx, pipe, 0o640, func(w io.Writer) error {
		time.AfterFunc(30*time.Millisecond, cancel)
		return put(strings.Repeat("x", 1<<22))(w)
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a reader that does not read: error %v", err)
	}
}
