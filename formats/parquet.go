package formats

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/parquet-go/parquet-go"
)

// Parquet returns the rows of a parquet file as JSONL, one object for each row with
// the columns as fields. Texts, numbers, lists and groups become their JSON
// counterparts. r must be the file itself, an io.ReaderAt with a Stat or a Size
// method; then only the current pages are in memory. A reader that cannot read at
// random is read whole, up to 1 GB.
func Parquet(r io.Reader) (io.ReadCloser, error) {
	data, size, err := randomAccess(r)
	if err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	p := &parquetReader{check: checker{data: data, size: size}}
	err = guard(func() (err error) {
		if err := checkFooter(data, size); err != nil {
			return err
		}
		p.file, err = parquet.OpenFile(data, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
		return err
	})
	if err != nil {
		return nil, err
	}
	p.json = json.NewEncoder(&p.ready)
	p.json.SetEscapeHTML(false)
	return p, nil
}

const maxInMemory = 1 << 30

func randomAccess(r io.Reader) (io.ReaderAt, int64, error) {
	if at, ok := r.(io.ReaderAt); ok {
		switch r := r.(type) {
		case interface{ Size() int64 }:
			return at, r.Size(), nil
		case interface{ Stat() (fs.FileInfo, error) }:
			info, err := r.Stat()
			if err != nil {
				return nil, 0, err
			}
			return at, info.Size(), nil
		}
	}
	data, err := io.ReadAll(io.LimitReader(r, maxInMemory+1))
	if err == nil && len(data) > maxInMemory {
		err = fmt.Errorf("more than %d MB that cannot be read at random", maxInMemory>>20)
	}
	return bytes.NewReader(data), int64(len(data)), err
}

// guard turns a panic of the parquet package, caused by some damaged files, into an
// error.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("parquet: damaged file: %v", p)
		}
	}()
	if err := f(); err != nil && err != io.EOF {
		return fmt.Errorf("parquet: %w", err)
	} else {
		return err
	}
}

// parquetReader encodes a few rows at a time.
type parquetReader struct {
	file  *parquet.File
	check checker
	next  int                         // the next row group
	rows  *parquet.GenericReader[any] // of the current row group, or nil
	batch [64]any
	ready bytes.Buffer
	json  *json.Encoder
	err   error
}

func (p *parquetReader) Read(b []byte) (int, error) {
	for p.ready.Len() == 0 {
		if p.err != nil {
			return 0, p.err
		}
		p.err = guard(p.fill)
	}
	return p.ready.Read(b)
}

// fill encodes the next rows of the current row group, or moves to the next one.
func (p *parquetReader) fill() error {
	if p.rows == nil {
		groups := p.file.RowGroups()
		if p.next == len(groups) {
			return io.EOF
		}
		if err := p.check.rowGroup(p.file, &p.file.Metadata().RowGroups[p.next]); err != nil {
			return fmt.Errorf("row group %d: %w", p.next+1, err)
		}
		p.rows = parquet.NewGenericRowGroupReader[any](groups[p.next])
		p.next++
	}
	clear(p.batch[:])
	n, err := p.rows.Read(p.batch[:])
	if n == 0 && err == nil {
		err = io.ErrNoProgress
	}
	for _, row := range p.batch[:n] {
		if err := p.json.Encode(texts(row)); err != nil {
			return errors.Join(err, errors.New("is there a NaN in a column?"))
		}
	}
	if err == io.EOF {
		err, p.rows = p.rows.Close(), nil
	}
	return err
}

// texts turns byte strings into texts. Old writers do not mark them as text.
func texts(v any) any {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case []any:
		for i := range v {
			v[i] = texts(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = texts(v[name])
		}
	}
	return v
}

// Close releases the pages.
func (p *parquetReader) Close() error {
	if p.rows == nil {
		return nil
	}
	return guard(p.rows.Close)
}
