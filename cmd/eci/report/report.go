// Package report writes a ranking of sources of hard negatives as one HTML page. The
// page says which source to train on and why.
//
// The page is self-contained: it makes no request, and styles and plots are inline.
// Everything can be read without script. The same data gives the same bytes.
package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"unicode"

	"example.com/eci"
)

// Data is what a page shows. Ranking must hold at least one source. Everything else
// may be empty; its section is then left out.
type Data struct {
	// Title is the title of the page. If empty, the page has a general one.
	Title string
	// Date is shown unchanged in the footer. By default it is empty, so that the page
	// is the same from run to run.
	Date string

	Ranking *eci.Ranking
	// Hybrids are those of Ranking.Hybrids, best first. The page shows ten.
	Hybrids []eci.Hybrid
	Mixture *eci.Mixture
	// Mixes are mixtures with forecasts, best first, for a ranking by Lookahead.
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
	// Targets are the rankings of the same sources for several targets. The first of
	// them is Ranking. Nil leaves the table out.
	Targets []*eci.Ranking
	// Settings are shown unchanged, in this order.
	Settings []Setting
}

// Setting describes a setting of the run in words.
type Setting struct{ Name, Value string }

// OfCalibration returns the settings that come from a calibration; none without one.
func OfCalibration(c *eci.Calibration) []Setting {
	if c == nil {
		return nil
	}
	return []Setting{
		{"calibrated on", fmt.Sprintf("%d labeled pairs", c.Pairs)},
		{"spread of margins σₘ", fmt.Sprintf("%.4f", c.MarginScale)},
		{"similarities μ ± σ", fmt.Sprintf("%.4f ± %.4f", c.SimilarityMidpoint, c.SimilarityScale)},
		{"documents counted for the word weights", fmt.Sprint(c.Lexicon.Documents())},
	}
}

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

//go:embed script.js
var scriptText string

var page = template.Must(template.New("page").Funcs(functions).Parse(pageText))

// Write writes the page to w. It returns an error if w does, and for a Ranking without
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
	// However a text of the data got here, none of its invisible characters passes.
	_, err = w.Write(bytes.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && invisible(r) {
			return ' '
		}
		return r
	}, text.Bytes()))
	return err
}

// invisible reports whether a character has no shape of its own but changes what is
// seen. Such characters move the cursor, turn the direction of the text, break the
// line or hide. Joiners are not among them, because words and emoji need them. Nor are
// Arabic signs that can be seen.
func invisible(r rune) bool {
	switch r {
	case '\u200c', '\u200d':
		return false
	case '\u2028', '\u2029':
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// Clean makes a text of the data safe to show on one line of a page or a terminal. It
// replaces invisible characters that change what is seen with blanks.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if invisible(r) {
			return ' '
		}
		return r
	}, s)
}
