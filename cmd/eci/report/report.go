// Package report writes a ranking of sources of hard negatives as one HTML page
// that says which source to train on and why.
//
// The page needs nothing but itself: no request leaves it, styles and plots are
// inline, and without script everything can be read. The same data gives the
// same bytes.
package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"

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
	// Distributions has one entry for each source.
	Distributions []Distribution
	// Lint is what a linter found; nil leaves the section out.
	Lint *eci.LintReport
	// Sweeps has one entry for each source, all with the same thresholds.
	Sweeps []*eci.MarginSweep
	// Suspects are triples whose negative may answer the query, in the order to
	// show them.
	Suspects []SuspectRow
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
// sources or with a matrix that cannot be factorised.
func Write(w io.Writer, data Data) error {
	v, err := newView(data)
	if err != nil {
		return err
	}
	hash := sha256.Sum256([]byte(scriptText))
	v.Style, v.Script = template.CSS(styleText), template.JS(scriptText)
	v.ScriptHash = base64.StdEncoding.EncodeToString(hash[:])
	return page.Execute(w, v)
}
