// Package disk is the part of a file system that stored forms are written with.
// It stands between them and package os, so that a test can fail each call.
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
	OpenFile(path string, flag int, mode fs.FileMode) (File, error)
	Remove(path string) error
}

// File is an open file. Its methods are those of *os.File.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
}

// OS is the file system of the machine.
var OS FS = machine{}

type machine struct{}

func (machine) MkdirAll(path string, mode fs.FileMode) error { return os.MkdirAll(path, mode) }
func (machine) ReadDir(path string) ([]fs.DirEntry, error)   { return os.ReadDir(path) }
func (machine) Remove(path string) error                     { return os.Remove(path) }

func (machine) OpenFile(path string, flag int, mode fs.FileMode) (File, error) {
	return file(os.OpenFile(path, flag, mode))
}

// file keeps a nil pointer from becoming an interface that is not nil.
func file(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}
