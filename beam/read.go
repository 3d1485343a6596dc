package ecibeam

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/fileio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/parquetio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"example.com/eci"
	"example.com/eci/internal/fault"
)

func init() {
	beam.RegisterDoFn(&readFn{})
	register.DoFn4x1[context.Context, eci.Record, func(eci.Record), func(DeadRow), error](&checkFn{})
	register.DoFn5x1[context.Context, eci.Record, int, func(eci.Record), func(DeadRow), error](&checkMostFn{})
	register.DoFn2x0[eci.Record, func(string, counts)](&dimensionsFn{})
	beam.RegisterDoFn(&mostFn{})
	register.Emitter1[int]()
	beam.RegisterDoFn(&parquetFn{})
	register.Emitter1[DeadRow]()
	beam.RegisterType(reflect.TypeFor[DeadRow]())
	beam.RegisterType(reflect.TypeFor[ParquetRow]())
}

// DeadRow is a row that was set aside.
type DeadRow struct {
	// Source, File and Row (1-based; 0 if unknown) say where it is.
	Source, File string
	Row          int
	// Rows is the number of rows that it stands for; 0 means 1. Rows of a file that give
	// no triple are counted together.
	Rows int
	// Reason is the word under which a ranking counts it. Error gives details.
	Reason, Error string
}

// ReadFiles reads the files that match a pattern, on any file system that Beam knows,
// in the formats that [eci.Files] finds from their content. It decompresses .gz. A
// file is read by one worker, so that a row's position is known; split the data into
// many files. A source has the name of its file up to the first dot, or up to a "-"
// and digits before it (bm25-00017.jsonl.gz is a part of bm25), or the name in its
// rows.
//
// It returns a PCollection of [eci.Record] and one of [DeadRow] for rows that do not
// parse. Unless skip allows such rows, they fail the pipeline. Rows without a positive
// or without a negative give no triple and never fail it: one DeadRow counts those of a
// file, as [eci.Source.Barren] does.
func ReadFiles(s beam.Scope, glob string, skip eci.Skip) (rows, bad beam.PCollection) {
	s = s.Scope("eci.ReadFiles")
	files := beam.Reshuffle(s, fileio.MatchFiles(s, glob, fileio.MatchEmptyDisallow()))
	return beam.ParDo2(s, &readFn{Skip: skip}, files)
}

type readFn struct{ Skip eci.Skip }

func (fn *readFn) ProcessElement(ctx context.Context, file fileio.FileMetadata, emit func(eci.Record), bad func(DeadRow)) error {
	name := path.Base(strings.ReplaceAll(file.Path, "\\", "/"))
	sources, err := (&eci.Files{FS: oneFile{ctx, file, name}}).Sources(name)
	if err != nil {
		return fmt.Errorf("%s: %w", file.Path, err)
	}
	for _, source := range sources {
		title := partOf(source.Name, name)
		for t, err := range source.Triples {
			if err != nil {
				at := &eci.RowError{Source: title, File: file.Path, Err: err}
				if found := (*eci.RowError)(nil); errors.As(err, &found) {
					at.Row, at.Err = found.Row, found.Err
				}
				if err := setAside(ctx, fn.Skip, at, bad); err != nil {
					return err
				}
				continue
			}
			r, ok := t.(*eci.Record)
			if !ok {
				return fmt.Errorf("%s: %w: a row of type %T", file.Path, eci.ErrFormat, t)
			}
			out := *r
			out.SourceName, out.File = title, file.Path
			out.QueryVector, out.PositiveVector, out.NegativeVector = clone(r.QueryVector), clone(r.PositiveVector), clone(r.NegativeVector)
			read.Inc(ctx, 1)
			emit(out)
		}
		barren(ctx, source, DeadRow{Source: title, File: file.Path}, bad)
	}
	return nil
}

// barren counts the rows of a file that gave no triple.
func barren(ctx context.Context, source eci.Source, at DeadRow, bad func(DeadRow)) {
	withoutPositive, withoutNegative := source.Barren()
	for _, lack := range [...]struct {
		rows   int
		reason string
	}{{withoutPositive, "no positive"}, {withoutNegative, "no negative"}} {
		if lack.rows > 0 {
			at.Rows, at.Reason, at.Error = lack.rows, lack.reason, fmt.Sprintf("%s in %d rows, which give no triple", lack.reason, lack.rows)
			dead.Inc(ctx, int64(lack.rows))
			bad(at)
		}
	}
}

func clone(v []float32) []float32 { return append([]float32(nil), v...) }

// partOf returns the source that a file is a part of. Sources that are named in rows
// keep their names.
func partOf(source, file string) string {
	stem, _, _ := strings.Cut(file, ".")
	if source != stem {
		return source
	}
	if at := strings.LastIndexByte(stem, '-'); at > 0 && at < len(stem)-1 && strings.Trim(stem[at+1:], "0123456789") == "" {
		return stem[:at]
	}
	return stem
}

// setAside lets a bad row pass to the dead letters, or returns the error.
func setAside(ctx context.Context, skip eci.Skip, at *eci.RowError, bad func(DeadRow)) error {
	policy, word := fault.Reason(at)
	if errors.Is(at, eci.ErrDimension) {
		policy, word = fault.SkipBadVector, "other dimension"
	}
	if eci.Skip(policy)&skip == 0 {
		return at
	}
	dead.Inc(ctx, 1)
	bad(DeadRow{Source: at.Source, File: at.File, Row: at.Row, Reason: word, Error: at.Error()})
	return nil
}

// oneFile is a file system that holds one file of Beam's.
type oneFile struct {
	ctx  context.Context
	file fileio.FileMetadata
	name string
}

func (f oneFile) Open(name string) (fs.File, error) {
	if name != f.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	system, err := filesystem.New(f.ctx, f.file.Path)
	if err != nil {
		return nil, err
	}
	content, err := system.OpenRead(f.ctx, f.file.Path)
	if err != nil {
		return nil, errors.Join(err, system.Close())
	}
	return &openFile{content, system, f}, nil
}

type openFile struct {
	io.ReadCloser
	system filesystem.Interface
	of     oneFile
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *openFile) Close() error               { return errors.Join(f.ReadCloser.Close(), f.system.Close()) }
func (f *openFile) Name() string               { return f.of.name }
func (f *openFile) Size() int64                { return f.of.file.Size }
func (f *openFile) Mode() fs.FileMode          { return 0o444 }
func (f *openFile) ModTime() time.Time         { return f.of.file.LastModified }
func (f *openFile) IsDir() bool                { return false }
func (f *openFile) Sys() any                   { return nil }

// ParquetRow is a row of a Parquet file, with the columns of the library's own
// format.
type ParquetRow struct {
	Source         string    `parquet:"name=source, type=BYTE_ARRAY, convertedtype=UTF8"`
	QueryID        string    `parquet:"name=query_id, type=BYTE_ARRAY, convertedtype=UTF8"`
	Query          string    `parquet:"name=query, type=BYTE_ARRAY, convertedtype=UTF8"`
	PositiveID     string    `parquet:"name=positive_id, type=BYTE_ARRAY, convertedtype=UTF8"`
	Positive       string    `parquet:"name=positive, type=BYTE_ARRAY, convertedtype=UTF8"`
	NegativeID     string    `parquet:"name=negative_id, type=BYTE_ARRAY, convertedtype=UTF8"`
	Negative       string    `parquet:"name=negative, type=BYTE_ARRAY, convertedtype=UTF8"`
	QueryVector    []float32 `parquet:"name=query_vector, type=LIST, valuetype=FLOAT"`
	PositiveVector []float32 `parquet:"name=positive_vector, type=LIST, valuetype=FLOAT"`
	NegativeVector []float32 `parquet:"name=negative_vector, type=LIST, valuetype=FLOAT"`
}

// ReadParquet reads the Parquet files that match a pattern with Beam's own reader.
// That reader gives no positions, so rows must differ in text or ID. Rows have the
// schema of [ParquetRow].
func ReadParquet(s beam.Scope, glob string) beam.PCollection {
	s = s.Scope("eci.ReadParquet")
	return beam.ParDo(s, &parquetFn{}, parquetio.Read(s, glob, reflect.TypeFor[ParquetRow]()))
}

type parquetFn struct{}

func (parquetFn) ProcessElement(p ParquetRow, emit func(eci.Record)) {
	emit(eci.Record{
		SourceName: p.Source, QueryID: p.QueryID, QueryText: p.Query, PositiveID: p.PositiveID, PositiveText: p.Positive,
		NegativeID: p.NegativeID, NegativeText: p.Negative,
		QueryVector: p.QueryVector, PositiveVector: p.PositiveVector, NegativeVector: p.NegativeVector,
	})
}

// CheckRows sets aside rows with an empty text, without a vector, or with a vector
// that is zero, not finite or of another dimension, if skip allows it. Otherwise they
// fail the pipeline, with source, file and row. A vector of another dimension comes from
// another encoder; here [eci.SkipBadVector] covers it. All rows must pass CheckRows
// before they are ranked.
//
// dimension is that of the encoder. If it is 0 and skip has SkipBadVector, it is the one
// that most rows have, among those with three good vectors of one dimension; of two that
// equally many rows have, the smaller. That does not depend on the order or division of
// the rows, but all must be seen before the first is checked: a runner keeps them or
// reads them twice. If it is 0 otherwise, only the three vectors of each row are
// compared, and [ScoreSources] fails at a row that differs from the calibration.
func CheckRows(s beam.Scope, rows beam.PCollection, dimension int, skip eci.Skip) (good, bad beam.PCollection) {
	s = s.Scope("eci.CheckRows")
	if dimension != 0 || skip&eci.SkipBadVector == 0 {
		return beam.ParDo2(s, &checkFn{Dimension: dimension, Skip: skip}, rows)
	}
	votes := beam.CombinePerKey(s, &countsFn{}, beam.ParDo(s, &dimensionsFn{}, rows))
	most := beam.ParDo(s, &mostFn{}, beam.Impulse(s), beam.SideInput{Input: votes})
	return beam.ParDo2(s, &checkMostFn{Skip: skip}, rows, beam.SideInput{Input: most})
}

type checkFn struct {
	Dimension int
	Skip      eci.Skip
}

func (fn *checkFn) ProcessElement(ctx context.Context, r eci.Record, emit func(eci.Record), bad func(DeadRow)) error {
	if err := checkRow(&r, fn.Dimension); err != nil {
		return setAside(ctx, fn.Skip, &eci.RowError{Source: r.SourceName, File: r.File, Row: r.Row, Err: err}, bad)
	}
	emit(r)
	return nil
}

// checkMostFn is checkFn with the dimension that most rows have.
type checkMostFn struct{ Skip eci.Skip }

func (fn *checkMostFn) ProcessElement(ctx context.Context, r eci.Record, most int, emit func(eci.Record), bad func(DeadRow)) error {
	return (&checkFn{most, fn.Skip}).ProcessElement(ctx, r, emit, bad)
}

// dimensionsFn counts the dimensions of rows that are good apart from it.
type dimensionsFn struct{ votes counts }

func (fn *dimensionsFn) StartBundle(_ func(string, counts)) { fn.votes = make(counts) }

func (fn *dimensionsFn) ProcessElement(r eci.Record, _ func(string, counts)) {
	if checkRow(&r, 0) == nil {
		fn.votes[strconv.Itoa(len(r.QueryVector))]++
	}
}

func (fn *dimensionsFn) FinishBundle(emit func(string, counts)) {
	if len(fn.votes) > 0 {
		emit("", fn.votes)
	}
	fn.votes = nil
}

// mostFn finds the dimension that most rows have; 0 if no row has one.
type mostFn struct{}

func (mostFn) ProcessElement(_ []byte, votes func(*string, *counts) bool, emit func(int)) error {
	var most int
	var rows int64
	var name string
	for c := (counts)(nil); votes(&name, &c); c = nil {
		for text, n := range c {
			d, err := strconv.Atoi(text)
			if err != nil {
				return fmt.Errorf("eci/beam: %w: a dimension of %q", eci.ErrFormat, text)
			}
			if n > rows || n == rows && d < most {
				most, rows = d, n
			}
		}
	}
	emit(most)
	return nil
}

func checkRow(r *eci.Record, dimension int) error {
	dimension = cmp.Or(dimension, len(r.QueryVector))
	for _, side := range [...]struct {
		name, text string
		vector     []float32
	}{{"query", r.QueryText, r.QueryVector}, {"positive", r.PositiveText, r.PositiveVector}, {"negative", r.NegativeText, r.NegativeVector}} {
		if strings.TrimSpace(side.text) == "" {
			return fmt.Errorf("%w: the %s is empty", eci.ErrEmptyText, side.name)
		}
		square := 0.0
		for _, x := range side.vector {
			square += float64(x) * float64(x)
		}
		switch {
		case len(side.vector) == 0:
			return fmt.Errorf("%s: %w: the row carries none; use JoinVectors or EmbedRows", side.name, eci.ErrMissingVector)
		case math.IsNaN(square) || math.IsInf(square, 0):
			return fmt.Errorf("%s: %w", side.name, eci.ErrNotFinite)
		case square == 0:
			return fmt.Errorf("%s: %w", side.name, eci.ErrZeroVector)
		case len(side.vector) != dimension:
			return fmt.Errorf("%s: %w: %d components, others have %d; were all made with one encoder?", side.name, eci.ErrDimension, len(side.vector), dimension)
		}
	}
	return nil
}
