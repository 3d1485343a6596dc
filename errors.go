package eci

import (
	"errors"
	"fmt"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/quote"
)

// These are the kinds of failure, for use with errors.Is. Every error of this package
// that comes from data wraps one of them. If source, file and row are known, a
// [RowError] around it holds them.
var (
	ErrMalformed      = fault.Malformed
	ErrMissingField   = fault.MissingField
	ErrEmptyText      = fault.EmptyText
	ErrMissingVector  = fault.MissingVector
	ErrNotFinite      = fault.NotFinite
	ErrZeroVector     = fault.ZeroVector
	ErrDimension      = fault.Dimension
	ErrRowCount       = fault.RowCount
	ErrFormat         = fault.Format
	ErrEmbedder       = fault.Embedder
	ErrEmbedderCount  = fault.EmbedderCount
	ErrEmptySource    = fault.EmptySource
	ErrUnstableSource = errors.New("source changed between two readings")
	ErrNoSources      = fault.NoSources
	ErrSourceName     = fault.SourceName
	ErrNoSpread       = errors.New("no spread to calibrate on")
	ErrNotCalibrated  = errors.New("not calibrated")
	ErrIncompatible   = errors.New("incompatible")
	ErrWeight         = errors.New("component weight outside [0, 1]")
	ErrScore          = errors.New("a scorer's result makes no sense")
	ErrLookahead      = errors.New("nothing to look ahead on")
	ErrMemory         = errors.New("more memory than allowed")
	ErrSettings       = fault.Settings
	ErrSingular       = errors.New("matrix is not positive definite")
)

// RowError says where in the data an error occurred. Its fields are:
//
//	Source string // the name of the source
//	File   string // the file it was read from; empty if there is none
//	Row    int    // the 1-based line, record or triple; 0 if the error is not about one row
//	Err    error  // the cause, which Unwrap returns
//
// Error returns place and cause on one line.
// It is safe for concurrent use as long as no goroutine changes it.
type RowError = fault.RowError

// Skip names the bad rows that a run leaves out instead of failing. [Score.Skipped]
// counts them. The zero value leaves out nothing. Bad vectors returned by an Embedder
// are never skipped, since an encoder that returns NaN may be broken. [Sem.Embeddable]
// finds the texts that an encoder cannot embed.
// It is a plain value and safe for concurrent use.
type Skip uint8

const (
	// SkipMalformed leaves out rows that do not parse or lack a field.
	SkipMalformed = Skip(fault.SkipMalformed)
	// SkipEmptyText leaves out triples with an empty query, positive or negative.
	SkipEmptyText = Skip(fault.SkipEmptyText)
	// SkipMissingVector leaves out triples with an ID that has no vector.
	SkipMissingVector = Skip(fault.SkipMissingVector)
	// SkipBadVector leaves out triples with a NaN, infinite or zero vector.
	SkipBadVector = Skip(fault.SkipBadVector)
)

// TextError is one text that an encoder cannot embed, though it embeds others. It
// wraps ErrEmbedder and Err.
// Goroutines may share one that none of them changes.
type TextError struct {
	// Index is the position of the text in the call, from 0.
	Index int
	// Text is the text, without a prefix.
	Text string
	// Err is the cause, such as a [ServerError].
	Err error
}

// Error returns a message with the beginning of the text, its length, its SHA-256 and
// the cause.
func (e *TextError) Error() string {
	return fmt.Sprintf("eci: %v: text %d, %q, of %d bytes (SHA-256 %s): %v", ErrEmbedder, e.Index+1, quote.Excerpt(e.Text), len(e.Text), quote.Digest(e.Text), bareError{e.Err})
}

// Unwrap returns ErrEmbedder and the cause.
func (e *TextError) Unwrap() []error { return []error{ErrEmbedder, e.Err} }

// bareError is an error without "eci: embedder failed: ", for a sentence that
// says so already.
type bareError struct{ error }

func (e bareError) Error() string {
	return strings.TrimPrefix(strings.TrimPrefix(e.error.Error(), "eci: "), ErrEmbedder.Error()+": ")
}

func (e bareError) Unwrap() error { return e.error }
