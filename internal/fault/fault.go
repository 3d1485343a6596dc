// Package fault defines the kinds of failure that readers of data report. The root
// package documents them under its own names.
package fault

//lint:file-ignore ST1012 fault.Malformed reads better than fault.ErrMalformed; the root names them ErrMalformed and so on

import (
	"errors"
	"fmt"
	"strings"

	"example.com/eci/internal/quote"
	"example.com/eci/internal/spool"
)

// The kinds of failure, for errors.Is.
var (
	Malformed     = errors.New("malformed row")
	MissingField  = errors.New("missing field")
	EmptyText     = errors.New("empty text")
	MissingVector = errors.New("no vector")
	NotFinite     = errors.New("vector with a NaN or infinite component")
	ZeroVector    = errors.New("zero vector")
	Dimension     = errors.New("vector of another dimension")
	RowCount      = errors.New("ids and rows differ in number")
	Format        = errors.New("unreadable file format")
	Embedder      = errors.New("embedder failed")
	EmbedderCount = errors.New("embedder returned the wrong number of vectors")
	EmptySource   = errors.New("source has no triples")
	NoSources     = errors.New("no sources")
	SourceName    = errors.New("bad source name")
	Settings      = errors.New("invalid settings")
	TargetQuery   = errors.New("the query is one of the target's")
)

// Nil returns the error for a nil pointer to settings of the named type.
func Nil(name string) error {
	return fmt.Errorf("eci: %w: the %s is nil; use &eci.%s{...}", Settings, name, name)
}

// RowError says where in the data an error occurred.
type RowError struct {
	Source string // the name of the source; "" where there is none
	File   string // the file it was read from; "" where there is none
	Row    int    // the 1-based line, record or triple; 0 where there is none
	Err    error
}

// Error returns place and cause on one line.
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

// Skip is a set of kinds of bad rows that a reader can leave out before it continues.
type Skip uint8

// The kinds of bad rows.
const (
	SkipMalformed Skip = 1 << iota
	SkipEmptyText
	SkipMissingVector
	SkipBadVector
	// SkipTargetQuery covers triples that a run leaves out on demand. They are not
	// bad.
	SkipTargetQuery
)

// Reason returns the kind of bad row that an error reports and its word in reports. It
// returns 0 for an error for which no row can be left out.
func Reason(err error) (Skip, string) {
	switch {
	case errors.Is(err, Embedder): // a broken encoder, whatever it returned
		return 0, ""
	case errors.Is(err, Malformed), errors.Is(err, MissingField):
		return SkipMalformed, "malformed"
	case errors.Is(err, EmptyText):
		return SkipEmptyText, "empty text"
	case errors.Is(err, MissingVector):
		return SkipMissingVector, "missing vector"
	case errors.Is(err, NotFinite), errors.Is(err, ZeroVector):
		return SkipBadVector, "bad vector"
	case errors.Is(err, TargetQuery):
		return SkipTargetQuery, "query of the target"
	}
	return 0, ""
}

// FloatIDs says why an ID with ".0" at its end is not found where one without it is.
const FloatIDs = "pandas writes ids as floats where some are missing; write them as integers"
