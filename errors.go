package eci

import (
	"errors"
	"fmt"
	"strings"

	"example.com/eci/internal/quote"
	"example.com/eci/internal/spool"
)

// The kinds of failure, for errors.Is. Every error of this package that comes
// from data wraps one of them, with the source, file and row in a [RowError]
// where there is one.
var (
	ErrMalformed      = errors.New("malformed row")
	ErrMissingField   = errors.New("missing field")
	ErrEmptyText      = errors.New("empty text")
	ErrMissingVector  = errors.New("no vector")
	ErrNotFinite      = errors.New("vector with a NaN or infinite component")
	ErrZeroVector     = errors.New("zero vector")
	ErrDimension      = errors.New("vector of another dimension")
	ErrRowCount       = errors.New("ids and rows differ in number")
	ErrFormat         = errors.New("unreadable file format")
	ErrEmbedder       = errors.New("embedder failed")
	ErrEmbedderCount  = errors.New("embedder returned the wrong number of vectors")
	ErrEmptySource    = errors.New("source has no triples")
	ErrUnstableSource = errors.New("source changed between two readings")
	ErrNoSources      = errors.New("no sources")
	ErrSourceName     = errors.New("bad source name")
	ErrNoSpread       = errors.New("no spread to calibrate on")
	ErrNotCalibrated  = errors.New("not calibrated")
	ErrIncompatible   = errors.New("incompatible")
	ErrWeight         = errors.New("component weight outside [0, 1]")
	ErrScore          = errors.New("a scorer's result makes no sense")
	ErrLookahead      = errors.New("nothing to look ahead on")
	ErrMemory         = errors.New("more memory than allowed")
	ErrSettings       = errors.New("invalid settings")
	ErrSingular       = errors.New("matrix is not positive definite")
)

// RowError says where in the data an error arose. Source is the name of the
// source, File the file it was read from (empty where there is none), Row the
// 1-based line, record or triple (0 where the error is of no single row).
// Goroutines may share one that none of them changes.
type RowError struct {
	Source string
	File   string
	Row    int
	Err    error
}

// Error gives place and cause on one line.
func (e *RowError) Error() string {
	var where []string
	if e.Source != "" {
		where = append(where, fmt.Sprintf("source %q", quote.Clip(e.Source)))
	}
	switch e.File {
	case "":
	case spool.Stdin:
		where = append(where, "standard input")
	default:
		where = append(where, e.File)
	}
	if e.Row > 0 {
		where = append(where, fmt.Sprintf("row %d", e.Row))
	}
	cause := strings.TrimPrefix(e.Err.Error(), "eci: ") // once is enough, and so is the file
	if e.File != "" {
		cause = strings.TrimPrefix(cause, e.File+": ")
	}
	if len(where) == 0 {
		return "eci: " + cause
	}
	return "eci: " + strings.Join(where, ", ") + ": " + cause
}

// Unwrap returns the cause.
func (e *RowError) Unwrap() error { return e.Err }

// Skip names the bad rows that a run leaves out instead of failing on. Rows
// left out are counted in [Score.Skipped]. The zero value leaves out nothing.
// Vectors that an Embedder returns are never skipped: an encoder that returns
// NaN is broken.
// It is a value, which goroutines may share.
type Skip uint8

const (
	// SkipMalformed leaves out rows that do not parse or lack a field.
	SkipMalformed Skip = 1 << iota
	// SkipEmptyText leaves out triples with an empty query, positive or negative.
	SkipEmptyText
	// SkipMissingVector leaves out triples with an id that has no vector.
	SkipMissingVector
	// SkipBadVector leaves out triples with a NaN, infinite or zero vector.
	SkipBadVector
)

// skipReason returns the policy that would let a run leave out a row with this
// error and the word for it in the report, or 0.
func skipReason(err error) (Skip, string) {
	switch {
	case errors.Is(err, ErrEmbedder): // a broken encoder, whatever it returned
		return 0, ""
	case errors.Is(err, ErrMalformed), errors.Is(err, ErrMissingField):
		return SkipMalformed, "malformed"
	case errors.Is(err, ErrEmptyText):
		return SkipEmptyText, "empty text"
	case errors.Is(err, ErrMissingVector):
		return SkipMissingVector, "missing vector"
	case errors.Is(err, ErrNotFinite), errors.Is(err, ErrZeroVector):
		return SkipBadVector, "bad vector"
	}
	return 0, ""
}
