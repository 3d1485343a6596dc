package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"example.com/eci/cmd/eci/report"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// output selects the form in which a result is printed.
type output struct {
	json, csv, markdown bool
}

func (o *output) register(flags *pflag.FlagSet) {
	flags.BoolVar(&o.json, "json", false, "print JSON")
	flags.BoolVar(&o.csv, "csv", false, "print the first table as CSV, numbers to 6 digits; all else goes to standard error")
	flags.BoolVar(&o.markdown, "markdown", false, "print Markdown")
}

// number is a table cell that is shown rounded but written to CSV in full.
type number struct {
	value  float64
	digits int
	signed bool
}

func fixed(value float64, digits int) number { return number{value: value, digits: digits} }

func (n number) String() string {
	s := strconv.FormatFloat(n.value, 'f', n.digits, 64)
	if n.signed && !math.Signbit(n.value) {
		s = "+" + s
	}
	return s
}

// sheet is the table of a result. Cells are strings, ints or numbers. Columns of
// anything but strings are aligned to the right.
type sheet struct {
	title  string
	header []string
	rows   [][]any
	best   bool // the first row is the answer
	// spare lists the columns that a narrow terminal can do without, the first to drop
	// first.
	spare []string
}

// without returns the sheet without a column.
func (s sheet) without(name string) sheet {
	at := slices.Index(s.header, name)
	if at < 0 {
		return s
	}
	s.header = slices.Delete(slices.Clone(s.header), at, at+1)
	rows := make([][]any, len(s.rows))
	for i, row := range s.rows {
		rows[i] = slices.Delete(slices.Clone(row), at, at+1)
	}
	s.rows = rows
	return s
}

// result is what a command found out, for every form of output.
type result struct {
	value  any // for JSON
	lead   []string
	sheets []sheet
	notes  []string
}

// print writes a result in the requested form.
func (a *app) print(r result) error {
	a.printed = &r
	switch {
	case a.output.json:
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		return e.Encode(r.value)
	case a.output.csv:
		for _, line := range slices.Concat(r.lead, r.notes) {
			fmt.Fprintln(a.err, report.Clean(line))
		}
		return writeCSV(a.out, r.sheets[0])
	}
	var b strings.Builder
	for _, line := range r.lead {
		b.WriteString(report.Clean(line) + "\n")
	}
	if len(r.lead) > 0 && a.output.markdown {
		b.WriteString("\n")
	}
	for i, s := range r.sheets {
		if i > 0 || a.output.markdown && s.title != "" && len(r.lead) == 0 {
			b.WriteString("\n")
		}
		a.fit(&b, s)
	}
	if len(r.notes) > 0 && a.output.markdown {
		b.WriteString("\n")
	}
	for _, line := range r.notes {
		if a.output.markdown {
			b.WriteString("- ")
		}
		b.WriteString(report.Clean(line) + "\n")
	}
	_, err := io.WriteString(a.out, strings.TrimPrefix(b.String(), "\n"))
	return err
}

// colored reports whether to use color on standard output.
func (a *app) colored() bool {
	switch a.color {
	case "always":
		return true
	case "never":
		return false
	}
	return terminal(a.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// width returns the width of the terminal on standard output, in characters, or 0 if
// there is none.
func (a *app) width() int {
	if a.columns > 0 {
		return a.columns
	}
	if !terminal(a.out) {
		return 0
	}
	width, _, err := term.GetSize(int(a.out.(*os.File).Fd()))
	if err != nil {
		return 0
	}
	return width
}

// fit renders a sheet. On a terminal it leaves out the spare columns that do not fit,
// and names them.
func (a *app) fit(w io.Writer, s sheet) {
	width := a.width()
	var left []string
	for {
		var b strings.Builder
		a.render(&b, s)
		if width == 0 || a.output.markdown || text.LongestLineLen(b.String()) <= width || len(s.spare) == 0 {
			io.WriteString(w, b.String())
			break
		}
		name := s.spare[0]
		if slices.Contains(s.header, name) {
			left = append(left, name)
		}
		s = s.without(name)
		s.spare = s.spare[1:]
	}
	if left != nil {
		fmt.Fprintf(w, "left out on a terminal of %d columns, --csv has them: %s\n", width, strings.Join(left, ", "))
	}
}

func (a *app) render(w io.Writer, s sheet) {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatDefault
	style.Color = table.ColorOptions{}
	t.SetStyle(style)
	header := make(table.Row, len(s.header))
	configs := make([]table.ColumnConfig, len(s.header))
	for i, name := range s.header {
		header[i] = name
		configs[i] = table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight}
		if len(s.rows) > 0 {
			if _, words := s.rows[0][i].(string); words {
				configs[i].Align, configs[i].AlignHeader = text.AlignLeft, text.AlignLeft
			}
		}
	}
	t.SetColumnConfigs(configs)
	t.AppendHeader(header)
	for _, row := range s.rows {
		cells := make(table.Row, len(row))
		for i, c := range row {
			cells[i] = report.Clean(fmt.Sprint(c))
		}
		t.AppendRow(cells)
	}
	if a.output.markdown {
		if s.title != "" {
			fmt.Fprintf(w, "**%s**\n\n", report.Clean(s.title))
		}
		fmt.Fprintln(w, t.RenderMarkdown())
		return
	}
	title := s.title
	if a.colored() {
		text.EnableColors()
		style.Color.Header = text.Colors{text.Bold}
		t.SetStyle(style)
		title = text.Bold.Sprint(title)
		if s.best {
			t.SetRowPainter(table.RowPainterWithAttributes(func(_ table.Row, at table.RowAttributes) text.Colors {
				if at.Number == 1 {
					return text.Colors{text.FgGreen}
				}
				return nil
			}))
		}
	}
	if s.title != "" {
		fmt.Fprintln(w, title)
	}
	for line := range strings.SplitSeq(t.Render(), "\n") {
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

func writeCSV(w io.Writer, s sheet) error {
	out := csv.NewWriter(w)
	if err := out.Write(s.header); err != nil {
		return err
	}
	for _, row := range s.rows {
		line := make([]string, len(row))
		for i, c := range row {
			if n, ok := c.(number); ok {
				line[i] = strconv.FormatFloat(n.value, 'g', 6, 64)
			} else {
				line[i] = fmt.Sprint(c)
			}
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// excerpt returns the beginning of a text, at most n characters.
func excerpt(s string, n int) string {
	s = strings.Join(strings.Fields(report.Clean(s)), " ")
	if r := []rune(s); len(r) > n {
		return strings.TrimRight(string(r[:n-1]), " ") + "…"
	}
	return s
}
