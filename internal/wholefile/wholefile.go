// Package wholefile writes files completely or not at all.
package wholefile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"example.com/eci/internal/ctxerr"
)

// Write calls write with a writer and puts the output at path. Until everything is
// written, the new file has a name of its own in the same folder, and the file at path
// is unchanged. It stays unchanged if write or anything else fails, or if ctx ends.
// Several writers do not interfere with each other either. A symbolic link is kept,
// and the file that it points to is replaced. A replaced file keeps its mode. A new
// one has perm less the umask.
//
// Write writes directly to what is not a regular file, such as a device or a FIFO. It
// waits until a FIFO has a reader.
func Write(ctx context.Context, path string, perm fs.FileMode, write func(io.Writer) error) error {
	info, err := os.Stat(path)
	switch {
	case path == "":
		return err
	case errors.Is(err, fs.ErrNotExist):
		info = nil
	case err != nil:
		return err
	case info.IsDir():
		return &fs.PathError{Op: "write", Path: path, Err: errors.New("is a directory")}
	case !info.Mode().IsRegular() || isDescriptor(path):
		return through(ctx, path, info.Mode(), write)
	default:
		perm = info.Mode().Perm()
	}
	if path, err = follow(path); err != nil {
		return err
	}
	return replace(ctx, path, perm, info != nil, write)
}

// isDescriptor reports whether a path names an open file of a process. It may be a
// regular file that others continue to write to.
func isDescriptor(path string) bool {
	path = filepath.ToSlash(path)
	return strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/proc/")
}

// follow returns where a chain of symbolic links leads. The target need not exist.
func follow(path string) (string, error) {
	for range 40 { // the most that Linux follows
		dir, base := filepath.Split(path)
		if dir == "" {
			dir = "."
		}
		dir, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return "", err
		}
		path = filepath.Join(dir, base)
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink == 0 {
			return path, nil
		}
		if err != nil {
			return "", err
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if path = to; !filepath.IsAbs(to) {
			path = dir + string(filepath.Separator) + to // not cleaned: a folder in it may be a link
		}
	}
	return "", &fs.PathError{Op: "write", Path: path, Err: errors.New("too many symbolic links")}
}

// replace writes a new file and renames it to the old one.
func replace(ctx context.Context, path string, perm fs.FileMode, keep bool, write func(io.Writer) error) (err error) {
	f, err := create(path, perm)
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if keep { // the umask may have removed bits
		if err := f.Chmod(perm); err != nil {
			return err
		}
	}
	b := bufio.NewWriterSize(f, 1<<16)
	if err := write(b); err != nil {
		return err
	}
	if err := b.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := ctxerr.Of(ctx); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// create creates a file with a unique name in the folder of path.
func create(path string, perm fs.FileMode) (*os.File, error) {
	dir, base := filepath.Split(path)
	for {
		name := fmt.Sprintf("%.200s.%08x.partial", base, rand.Uint32())
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// through writes to an existing file.
func through(ctx context.Context, path string, mode fs.FileMode, write func(io.Writer) error) error {
	f, err := open(ctx, path, mode)
	if err != nil {
		return err
	}
	// Where the system allows it, a write that waits ends with the context.
	stop := context.AfterFunc(ctx, func() { f.SetWriteDeadline(time.Unix(1, 0)) })
	b := bufio.NewWriterSize(f, 1<<16)
	err = write(b)
	if err == nil {
		err = b.Flush()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if !stop() && ctx.Err() != nil {
		return ctxerr.Of(ctx)
	}
	return err
}

// open opens an existing file for writing, a FIFO as soon as it has a reader.
func open(ctx context.Context, path string, mode fs.FileMode) (*os.File, error) {
	if mode&fs.ModeNamedPipe == 0 {
		return os.OpenFile(path, os.O_WRONLY, 0)
	}
	for {
		f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if !errors.Is(err, syscall.ENXIO) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, ctxerr.Of(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
