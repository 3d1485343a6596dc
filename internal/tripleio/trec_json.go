package tripleio

import (
	"fmt"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/textfile"
)

// runEntries reads a run that is one JSON object. For each query it has an object of
// scores by document, or a list of documents, best first.
func runEntries(s *textfile.Stream) runLines {
	return func(yield func(line int, r runLine, err error) bool) {
		jsonrow.Entries(s.Reader, func(row int, query string, value []byte, err error) bool {
			if err != nil {
				return yield(row, runLine{}, err)
			}
			if end, err := jsonrow.SkipValue(value, 0, 1); err != nil || end != len(value) {
				return yield(row, runLine{}, fmt.Errorf("%w: query %q: %w", fault.Malformed, quote.Clip(query), err))
			}
			more := true
			give := func(r runLine, err error) error {
				if more = yield(row, r, err); more {
					return nil
				}
				return errStopped
			}
			if value[0] == '[' {
				err = jsonrow.EachElement(value, func(k int, raw []byte) error { return give(runLine{query, idOf(raw), -float64(k)}, nil) })
			} else {
				err = jsonrow.EachField(value, func(name, raw []byte) error { return give(runLineOf([]byte(query), name, raw, byScore)) })
			}
			if more && err != nil {
				return yield(row, runLine{}, fmt.Errorf("%w: query %q: %w", fault.Malformed, quote.Clip(query), err))
			}
			return more
		})
	}
}
