package eci

import (
	"errors"
	"io/fs"
	"os"
	"sync"

	"example.com/eci/internal/disk"
)

// faults is a file system that fails where a test wants it to. Its calls are
// counted, those of its files included.
type faults struct {
	disk.FS
	fail func(call int, op, path string) error // nil: the call is made

	mutex sync.Mutex
	calls int
	open  int // files
	ops   map[string]int
}

var errFault = errors.New("the disk says no")

// failing fails the calls for which at returns true.
func failing(at func(call int) bool) *faults {
	return &faults{FS: disk.OS, fail: func(call int, op, path string) error {
		if at(call) {
			return &fs.PathError{Op: op, Path: path, Err: errFault}
		}
		return nil
	}}
}

func (f *faults) check(op, path string) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.ops == nil {
		f.ops = make(map[string]int)
	}
	f.ops[op]++
	f.calls++
	if f.fail == nil {
		return nil
	}
	return f.fail(f.calls, op, path)
}

func (f *faults) opened(by int) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.open += by
}

func (f *faults) MkdirAll(path string, mode fs.FileMode) error {
	if err := f.check("mkdir", path); err != nil {
		return err
	}
	return f.FS.MkdirAll(path, mode)
}

func (f *faults) ReadDir(path string) ([]fs.DirEntry, error) {
	if err := f.check("readdir", path); err != nil {
		return nil, err
	}
	return f.FS.ReadDir(path)
}

func (f *faults) ReadFile(path string) ([]byte, error) {
	if err := f.check("readfile", path); err != nil {
		return nil, err
	}
	return f.FS.ReadFile(path)
}

func (f *faults) Rename(from, to string) error {
	if err := f.check("rename", to); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

func (f *faults) CreateTemp(dir, pattern string) (disk.File, error) {
	if err := f.check("create", dir); err != nil {
		return nil, err
	}
	file, err := f.FS.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	f.opened(1)
	return &faultyFile{file, f, file.Name()}, nil
}

func (f *faults) Remove(path string) error {
	if err := f.check("remove", path); err != nil {
		return err
	}
	return f.FS.Remove(path)
}

func (f *faults) OpenFile(path string, flag int, mode fs.FileMode) (disk.File, error) {
	op := "open"
	if flag&os.O_CREATE != 0 {
		op = "create"
	}
	if err := f.check(op, path); err != nil {
		return nil, err
	}
	file, err := f.FS.OpenFile(path, flag, mode)
	if err != nil {
		return nil, err
	}
	f.opened(1)
	return &faultyFile{file, f, path}, nil
}

// faultyFile does half of a read or write that fails.
type faultyFile struct {
	disk.File
	faults *faults
	path   string
}

func (f *faultyFile) ReadAt(p []byte, offset int64) (int, error) {
	if err := f.faults.check("read", f.path); err != nil {
		n, _ := f.File.ReadAt(p[:len(p)/2], offset)
		return n, err
	}
	return f.File.ReadAt(p, offset)
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if err := f.faults.check("write", f.path); err != nil {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, err
	}
	return f.File.Write(p)
}

func (f *faultyFile) WriteAt(p []byte, offset int64) (int, error) {
	if err := f.faults.check("write", f.path); err != nil {
		n, _ := f.File.WriteAt(p[:len(p)/2], offset)
		return n, err
	}
	return f.File.WriteAt(p, offset)
}

func (f *faultyFile) Sync() error {
	if err := f.faults.check("sync", f.path); err != nil {
		return err
	}
	return f.File.Sync()
}

// Close closes the file even if it fails, as systems do.
func (f *faultyFile) Close() error {
	defer f.faults.opened(-1)
	if err := f.faults.check("close", f.path); err != nil {
		return errors.Join(err, f.File.Close())
	}
	return f.File.Close()
}
