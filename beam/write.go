package ecibeam

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
)

func init() {
	beam.RegisterDoFn(&writeFn{})
	beam.RegisterDoFn(&lineFn{})
}

// WriteSummary writes what [RankSources] returned to a path on any file system that
// Beam knows. The file is complete or [ReadSummary] rejects it, for example if a
// worker is stopped while it writes.
func WriteSummary(s beam.Scope, path string, pieces beam.PCollection) {
	filesystem.ValidateScheme(path)
	s = s.Scope("eci.WriteSummary")
	beam.ParDo0(s, &writeFn{path}, beam.GroupByKey(s, beam.AddFixedKey(s, pieces)))
}

type writeFn struct{ Path string }

func (fn *writeFn) ProcessElement(ctx context.Context, _ int, next func(*piece) bool) error {
	var pieces []piece
	for p := (piece{}); next(&p); p = (piece{}) {
		pieces = append(pieces, p)
	}
	return writeFile(ctx, fn.Path, storePieces(summaryMagic, pieces))
}

func writeFile(ctx context.Context, path string, data []byte) error {
	system, err := filesystem.New(ctx, path)
	if err != nil {
		return err
	}
	defer system.Close()
	file, err := system.OpenWrite(ctx, path)
	if err != nil {
		return err
	}
	if _, err = file.Write(data); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

func readFile(ctx context.Context, path string) ([]byte, error) {
	system, err := filesystem.New(ctx, path)
	if err != nil {
		return nil, err
	}
	defer system.Close()
	file, err := system.OpenRead(ctx, path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// ReadSummary reads what [WriteSummary] wrote.
func ReadSummary(ctx context.Context, path string) (*Summary, error) {
	raw, err := readFile(ctx, path)
	if err != nil {
		return nil, err
	}
	s := new(Summary)
	if err := s.UnmarshalBinary(raw); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Lines makes a line of text from every row that was set aside: source, file, row and
// error, separated by tabs.
func Lines(s beam.Scope, bad beam.PCollection) beam.PCollection {
	return beam.ParDo(s.Scope("eci.Lines"), &lineFn{}, bad)
}

type lineFn struct{}

func (lineFn) ProcessElement(d DeadRow, emit func(string)) {
	emit(fmt.Sprintf("%s\t%s\t%d\t%s", d.Source, d.File, d.Row, d.Error))
}
