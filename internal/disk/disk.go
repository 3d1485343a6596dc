// Package disk is an interface to the part of a file system that stored forms are
// written with. A test can replace package os with it and make each call fail.
package disk

import (
	"io"
	"io/fs"
	"os"
)

// FS is a file system. Its methods are those of package os.
type FS interface {
	MkdirAll(path string, mode fs.FileMode) error
	ReadDir(path string) ([]fs.DirEntry, error)
	ReadFile(path string) ([]byte, error)
	OpenFile(path string, flag int, mode fs.FileMode) (File, error)
	CreateTemp(dir, pattern string) (File, error)
	Rename(from, to string) error
	Remove(path string) error
}

// File is an open file. Its methods are those of *os.File.
type File interface {
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Closer
	Name() string
	Sync() error
}

// OS is the file system of the machine.
var OS FS = machine{}

type machine struct{}

func (machine) MkdirAll(path string, mode fs.FileMode) error { return os.MkdirAll(path, mode) }
func (machine) ReadDir(path string) ([]fs.DirEntry, error)   { return os.ReadDir(path) }
func (machine) ReadFile(path string) ([]byte, error)         { return os.ReadFile(path) }
func (machine) Rename(from, to string) error                 { return os.Rename(from, to) }
func (machine) Remove(path string) error                     { return os.Remove(path) }

func (machine) OpenFile(path string, flag int, mode fs.FileMode) (File, error) {
	return file(os.OpenFile(path, flag, mode))
}

func (machine) CreateTemp(dir, pattern string) (File, error) {
	return file(os.CreateTemp(dir, pattern))
}

// file keeps a nil pointer from becoming an interface that is not nil.
func file(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}
