// Package report writes a ranking of sources of hard negatives as one HTML page
// that says which source to train on and why.
//
// The page needs nothing but itself: no request leaves it, styles and plots are
// inline, and without script everything can be read. The same data gives the
// same bytes.
package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"strings"
	"unicode"

	"example.com/eci"
)

// Data is what a page shows. Ranking must hold at least one source; everything
// else may be empty, and its section is then left out.
type Data struct {
	// Title heads the page; empty means a general one.
	Title string
	// Date is shown in the footer as it stands; empty, the default, keeps the page
	// the same from run to run.
	Date string

	Ranking *eci.Ranking
	// Hybrids are those of Ranking.Hybrids, best first; the page shows ten.
	Hybrids []eci.Hybrid
	Mixture *eci.Mixture
	// Mixes are mixtures with forecasts, best first, of a ranking by Lookahead.
	Mixes []Mix
	// Distributions has one entry for each source.
	Distributions []Distribution
	// Lint is what a linter found; nil leaves the section out.
	Lint *eci.LintReport
	// Sweeps has one entry for each source, all with the same thresholds.
	Sweeps []*eci.MarginSweep
	// Suspects are triples whose negative may answer the query, in the order to
	// show them.
	Suspects []SuspectRow
	// Targets are the rankings of the same sources for several targets, the first of
	// which is Ranking; nil leaves the table out.
	Targets []*eci.Ranking
	// Settings are shown as they stand, in this order.
	Settings []Setting
}

// Setting is a setting of the run in words.
type Setting struct{ Name, Value string }

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

//go:embed script.js
var scriptText string

var page = template.Must(template.New("page").Funcs(functions).Parse(pageText))

// Write writes the page to w. It fails when w does, and for a Ranking without
// sources or with a matrix that cannot be factorized.
func Write(w io.Writer, data Data) error {
	v, err := newView(data)
	if err != nil {
		return err
	}
	hash := sha256.Sum256([]byte(scriptText))
	v.Style, v.Script = template.CSS(styleText), template.JS(scriptText)
	v.ScriptHash = base64.StdEncoding.EncodeToString(hash[:])
	var text bytes.Buffer
	if err := page.Execute(&text, v); err != nil {
		return err
	}
	// Whatever way a text of the data took, no invisible character of it arrives.
	_, err = w.Write(bytes.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && invisible(r) {
			return ' '
		}
		return r
	}, text.Bytes()))
	return err
}

// invisible reports whether a character has no shape of its own but changes what
// is seen: it moves the cursor, turns the direction of the text, breaks the line
// or hides. Joiners are not among them, because words and emoji need them, nor
// Arabic signs that are seen.
func invisible(r rune) bool {
	switch r {
	case '\u200c', '\u200d':
		return false
	case '\u2028', '\u2029':
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// Clean makes a text of the data safe to show on one line, of a page or of a
// terminal: characters that are not seen but change what is become blanks.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if invisible(r) {
			return ' '
		}
		return r
	}, s)
}
