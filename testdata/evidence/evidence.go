// Package evidence holds the numbers for docs/evidence.md: forecasts and other
// measures of sources of negatives, and what training on each was measured to be
// worth. README.md says what each field is.
package evidence

import "embed"

// Files holds the numbers, under the paths of this directory.
//
//go:embed *.json
var Files embed.FS
