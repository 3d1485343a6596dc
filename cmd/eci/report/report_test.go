package report_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"example.com/eci"
	"example.com/eci/cmd/eci/report"
	"example.com/eci/testdata/demo"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

var update = flag.Bool("update", false, "write golden files")

// demoData is the report of the demo, ranked by forecasts; a test may change its
// own copy.
func demoData(t testing.TB) report.Data {
	t.Helper()
	demoOnce.Do(func() {
		sem, sources := demoSources(t)
		ahead := &eci.Lookahead{Sem: *sem, Pool: (&eci.Files{FS: demo.Files}).Documents("corpus.jsonl")}
		demoReport = collect(t, ahead, sem, sources)
	})
	return copied(demoReport)
}

// scoreData is that of the demo, ranked by S.
func scoreData(t testing.TB) report.Data {
	t.Helper()
	scoreOnce.Do(func() {
		sem, sources := demoSources(t)
		scoreReport = collect(t, sem, sem, sources)
	})
	return copied(scoreReport)
}

func copied(data report.Data) report.Data {
	ranking := *data.Ranking
	ranking.Ranked = slices.Clone(ranking.Ranked)
	for i := range ranking.Ranked {
		score := *ranking.Ranked[i].Score
		if score.Forecast != nil {
			forecast := *score.Forecast
			score.Forecast = &forecast
		}
		ranking.Ranked[i].Score = &score
	}
	if ranking.Verdict != nil {
		verdict := *ranking.Verdict
		ranking.Verdict = &verdict
	}
	lint := *data.Lint
	lint.Findings = slices.Clip(lint.Findings)
	data.Ranking, data.Lint = &ranking, &lint
	return data
}

var (
	demoOnce, scoreOnce     sync.Once
	demoReport, scoreReport report.Data
)

func demoSources(t testing.TB) (*eci.Sem, []eci.Source) {
	t.Helper()
	dir, err := fs.Sub(demo.Files, "vectors")
	if err != nil {
		t.Fatal(err)
	}
	vectors, err := eci.ReadVectors(dir)
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(demo.Files, "sources/*.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var sources []eci.Source
	for _, file := range files {
		sources = append(sources, eci.JSONLFrom(demo.Files, file))
	}
	return &eci.Sem{Vectors: vectors}, sources
}

func collect(t testing.TB, scorer eci.Scorer, sem *eci.Sem, sources []eci.Source) report.Data {
	t.Helper()
	ranking, err := eci.Rank(t.Context(), scorer, sources...)
	if err != nil {
		t.Fatal(err)
	}
	data, err := report.Collect(t.Context(), sem, ranking, nil, sources...)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// scored is the report of sources ranked by S.
func scored(t testing.TB, sem *eci.Sem, sources []eci.Source) report.Data {
	t.Helper()
	return collect(t, sem, sem, sources)
}

func render(t testing.TB, data report.Data) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, data); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// made are sources whose texts and names are given, with vectors at random.
func made(names []string, queries int, text func(source, row int) string) []eci.Source {
	random := rand.New(rand.NewPCG(1, 2))
	known := make(map[string][]float32) // an encoder gives equal texts equal vectors
	vector := func(text string) []float32 {
		if known[text] == nil {
			known[text] = make([]float32, 12)
			for i := range known[text] {
				known[text][i] = float32(random.NormFloat64())
			}
		}
		return known[text]
	}
	var sources []eci.Source
	for s, name := range names {
		var rows []*eci.Record
		for i := range queries {
			query, positive, negative := fmt.Sprintf("query %d %s", i, text(s, 3*i)), fmt.Sprintf("positive %d %s", i, text(s, 3*i+1)), fmt.Sprintf("negative %d %d %s", s, i, text(s, 3*i+2))
			rows = append(rows, &eci.Record{QueryText: query, PositiveText: positive, NegativeText: negative,
				QueryVector: vector(query), PositiveVector: vector(positive), NegativeVector: vector(negative), File: name + ".jsonl", Row: i + 1})
		}
		sources = append(sources, eci.SourceOf(name, rows))
	}
	return sources
}

// hostile are texts that would break a page that does not escape them.
var hostile = []string{
	`<script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`</title></style></svg></desc><iframe src="https://evil.example/">`,
	`javascript:alert(1)`,
	`{{.Style}} {{template "figure"}}`,
	"\x1b[31m\x00\u202eright to left",
	`' onmouseover='alert(1)`,
	`<a href="https://evil.example/">click</a> #F00001 font-family:x;"`,
	strings.Repeat("endless", 200),
	`<!-- --> ]]> <text>`,
}

func hostileData(t testing.TB) report.Data {
	sources := made(hostile, 40, func(s, row int) string { return hostile[(s+row)%len(hostile)] })
	data := collect(t, &eci.Lookahead{}, &eci.Sem{}, sources)
	data.Title, data.Date = hostile[0], hostile[1]
	data.Settings = []report.Setting{{Name: hostile[2], Value: hostile[7]}}
	data.Ranking.Notes = append(data.Ranking.Notes, hostile[0])
	return data
}

// walk visits every element of a page.
func walk(n *html.Node, visit func(*html.Node)) {
	if n.Type == html.ElementNode {
		visit(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		walk(c, visit)
	}
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func count(n *html.Node, tag string) (found int) {
	walk(n, func(e *html.Node) {
		if e.Data == tag {
			found++
		}
	})
	return found
}

// TestPage checks what must be true of every page: it loads nothing, its ids are
// unique and are the ones referred to, its tables have headers and its plots
// words, and nothing of the data is markup.
func TestPage(t *testing.T) {
	one := made([]string{"alone"}, 40, func(s, row int) string { return "text" })
	bare := demoData(t)
	for _, test := range []struct {
		name string
		why  string
		data report.Data
	}{
		{"demo", "everything there is", demoData(t)},
		{"by score", "everything there is without forecasts", scoreData(t)},
		{"race", "forecasts without checks and mixtures", raceData(t)},
		{"few queries by forecast", "no intervals, and doubts", collect(t, &eci.Lookahead{}, &eci.Sem{}, made([]string{"a", "b"}, 12, func(s, row int) string { return "x" }))},
		{"hostile", "texts and names are markup", hostileData(t)},
		{"one source", "nothing to compare with", scored(t, &eci.Sem{}, one)},
		{"ranking only", "a page without Collect", report.Data{Ranking: bare.Ranking}},
		{"one query", "no intervals, few rows", scored(t, &eci.Sem{NoChecks: true}, made([]string{"a", "b"}, 2, func(s, row int) string { return "x" }))},
		{"many sources", "colors repeat", scored(t, &eci.Sem{}, made(strings.Split("abcdefghijklmnopqrst", ""), 33, func(s, row int) string { return "y" }))},
	} {
		t.Run(test.name, func(t *testing.T) {
			page := render(t, test.data)
			if again := render(t, test.data); !bytes.Equal(page, again) {
				t.Error("the same data gives other bytes")
			}
			root, err := html.Parse(bytes.NewReader(page))
			if err != nil {
				t.Fatal(err)
			}
			checkPage(t, root)
			for _, n := range []string{"h1", "title", "main", "style", "script"} {
				want := 1
				got := 0
				walk(root, func(e *html.Node) {
					if e.Data == n && e.Namespace == "" {
						got++
					}
				})
				if got != want {
					t.Errorf("%d elements %s, want %d", got, n, want)
				}
			}
		})
	}
}

var externalCSS = regexp.MustCompile(`(?i)url\(|@import|expression\(`)

func checkPage(t *testing.T, root *html.Node) {
	t.Helper()
	ids := make(map[string]int)
	walk(root, func(e *html.Node) {
		if id := attribute(e, "id"); id != "" {
			ids[id]++
		}
	})
	for id, n := range ids {
		if n > 1 {
			t.Errorf("id %q is there %d times", id, n)
		}
	}
	allowed := "html head meta title style body a header p strong em b code small span button main section figure h1 h2 h3 svg g path text desc line figcaption div table caption thead tbody tr th td nav ul li details summary dl dt dd footer script"
	known := make(map[string]bool)
	for tag := range strings.FieldsSeq(allowed) {
		known[tag] = true
	}
	walk(root, func(e *html.Node) {
		if !known[e.Data] {
			t.Errorf("an element <%s>, which the page does not use: is it from the data?", e.Data)
		}
		for _, a := range e.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"):
				t.Errorf("<%s %s=%q>", e.Data, a.Key, a.Val)
			case a.Key == "src" || a.Key == "srcset" || a.Key == "xlink:href" || a.Key == "action" || a.Key == "data":
				t.Errorf("<%s %s=%q> loads something", e.Data, a.Key, a.Val)
			case a.Key == "href" && !strings.HasPrefix(a.Val, "#"):
				t.Errorf("a link to %q", a.Val)
			case a.Key == "href" && ids[a.Val[1:]] == 0:
				t.Errorf("a link to %q, which is not there", a.Val)
			case a.Key == "style" && externalCSS.MatchString(a.Val):
				t.Errorf("style %q", a.Val)
			case a.Key == "aria-labelledby":
				for id := range strings.FieldsSeq(a.Val) {
					if ids[id] == 0 {
						t.Errorf("aria-labelledby %q, which is not there", id)
					}
				}
			}
		}
		switch e.Data {
		case "style":
			if externalCSS.MatchString(e.FirstChild.Data) {
				t.Error("the style loads something")
			}
		case "table":
			if count(e, "caption") != 1 || count(e, "thead") != 1 || count(e, "th") == 0 {
				t.Errorf("a table without caption or headers: %s", attribute(e, "class"))
			}
			if p := e.Parent; !strings.Contains(attribute(p, "class"), "scroll") || attribute(p, "tabindex") != "0" {
				t.Error("a table that cannot be scrolled on its own by keyboard")
			}
		case "th":
			if s := attribute(e, "scope"); s != "col" && s != "row" {
				t.Errorf("th with scope %q", s)
			}
		case "svg":
			if attribute(e, "aria-hidden") == "true" {
				return
			}
			if attribute(e, "role") != "img" || count(e, "title") != 1 || count(e, "desc") != 1 {
				t.Error("a plot without role, title or desc")
			}
		case "figure":
			if count(e, "figcaption") != 1 {
				t.Error("a figure without caption")
			}
		case "details":
			if count(e, "summary") != 1 {
				t.Error("details without summary")
			}
		}
	})
}

// TestHiddenCharacters puts every control and format character into every text
// of a page's data, cleaned on its way or not: none is in the page.
func TestHiddenCharacters(t *testing.T) {
	var hidden strings.Builder
	for _, table := range []*unicode.RangeTable{unicode.Bidi_Control, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp} {
		for r := rune(0); r <= unicode.MaxRune; r++ {
			if unicode.Is(table, r) {
				hidden.WriteRune(r)
			}
		}
	}
	text := "a" + hidden.String() + "b"
	data := scored(t, &eci.Sem{}, made([]string{text, "c"}, 20, func(s, row int) string { return text }))
	data.Title, data.Date = text, text
	data.Settings = []report.Setting{{Name: text, Value: text}}
	data.Ranking.Notes = append(data.Ranking.Notes, text)
	for i, r := range string(render(t, data)) {
		shown := r == '\n' || r == '\t' || r == '\u200c' || r == '\u200d' || unicode.Is(unicode.Prepended_Concatenation_Mark, r)
		if !shown && strings.ContainsRune(hidden.String(), r) {
			t.Fatalf("%U at byte %d of the page", r, i)
		}
	}
}

// TestHostileColors checks that a name that looks like a placeholder color
// cannot leave its text.
func TestHostileColors(t *testing.T) {
	page := render(t, hostileData(t))
	if bytes.Contains(page, []byte("<script>alert")) || bytes.Contains(page, []byte("\x00")) || bytes.Contains(page, []byte("\u202e")) {
		t.Error("a hostile text is in the page as it was")
	}
	if left := regexp.MustCompile(`style="[^"]*#F00[^"]*"`).Find(page); left != nil {
		t.Errorf("a placeholder color was left: %s", left)
	}
}

// TestStructure pins the page's outline; plots and numbers may change.
func TestStructure(t *testing.T) {
	root, err := html.Parse(bytes.NewReader(render(t, demoData(t))))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	outline(&b, root, 0)
	file := filepath.Join("testdata", "structure.golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("outline (-golden +now); if it is meant, run go test ./report -update\n%s", diff)
	}
}

// outline prints the elements that make up the structure, with the headings of
// tables and sections.
func outline(b *strings.Builder, n *html.Node, depth int) {
	shown := false
	if n.Type == html.ElementNode {
		switch n.Data {
		case "main", "section", "details", "nav", "figure", "table", "header", "footer":
			fmt.Fprintf(b, "%s%s %s\n", strings.Repeat("  ", depth), n.Data, attribute(n, "id")+attribute(n, "class"))
			shown = true
		case "h1", "h2", "h3", "caption":
			fmt.Fprintf(b, "%s%s: %s\n", strings.Repeat("  ", depth), n.Data, text(n))
		case "th":
			if attribute(n, "scope") == "col" {
				fmt.Fprintf(b, "%s| %s\n", strings.Repeat("  ", depth), text(n))
			}
		case "svg":
			return
		}
	}
	if shown {
		depth++
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		outline(b, c, depth)
	}
}

func text(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		b.WriteString(text(c))
	}
	return b.String()
}

// words are the labels next to the first plot.
func words(t *testing.T, data report.Data) (words string) {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(render(t, data)))
	if err != nil {
		t.Fatal(err)
	}
	walk(root, func(e *html.Node) {
		if attribute(e, "class") == "words" {
			words = strings.Join(strings.Fields(text(e)), " ")
		}
	})
	return words
}

// TestScoreVerdict checks what a page by S says first.
func TestScoreVerdict(t *testing.T) {
	lead := func(change func(*report.Data)) string {
		data := scoreData(t)
		change(&data)
		return words(t, data)
	}
	best := func(d *report.Data) *eci.Ranked { return &d.Ranking.Ranked[0] }
	var first eci.Pair // the best and the next
	ranked := scoreData(t).Ranking
	for _, p := range ranked.Pairs {
		if p.Better == ranked.Ranked[0].Source && p.Worse == ranked.Ranked[1].Source {
			first = p
		}
	}
	for _, test := range []struct {
		why, want string
		change    func(*report.Data)
	}{
		{"the demo's best source is flagged", "llm has the most to teach; read the warning", func(*report.Data) {}},
		{"the lead has its interval", fmt.Sprintf("It leads %s by %.2f nats (95%% interval %.2f to %.2f)", first.Worse, first.Difference, first.Low, first.High), func(*report.Data) {}},
		{"no certainty from a sample", "with probability above .99", func(*report.Data) {}},
		{"S never says to train on a source", "llm has the most to teach. Whether that helps, the forecast says.", func(d *report.Data) { best(d).Artifact = nil }},
		{"an open race names the rival", "not decided: " + first.Worse + " may be better", func(d *report.Data) {
			best(d).BestProbability, d.Ranking.Ranked[1].BestProbability = 0.6, 0.4
		}},
		{"a control that is not beaten warns", "It does not beat random documents", func(d *report.Data) {
			c := *best(d).Controls
			c.Random.Low = -0.1
			best(d).Controls = &c
		}},
		{"lint errors of the best source warn", "In 12.0% of its rows the negative is its own positive", func(d *report.Data) {
			d.Lint.Findings = append(d.Lint.Findings, eci.Finding{Kind: eci.LintNegativeIsPositive, Severity: eci.SeverityError, Source: "llm", Count: 14, Share: 0.12})
		}},
		{"a race makes no checks", "Neither the controls nor the artifact check were made", func(d *report.Data) {
			best(d).Controls, best(d).Artifact = nil, nil
		}},
		{"mixing by numbers only", "there it is the number of triples that pays", func(*report.Data) {}},
	} {
		if got := lead(test.change); !strings.Contains(got, test.want) {
			t.Errorf("%s: want %q in\n%s", test.why, test.want, got)
		}
	}
}

// TestProbabilities checks that tables show no long words for what is nearly sure.
func TestProbabilities(t *testing.T) {
	data := demoData(t)
	data.Ranking.Pairs = slices.Clone(data.Ranking.Pairs)
	for i := range data.Ranking.Pairs {
		data.Ranking.Pairs[i].Probability = []float64{0.5, 0.992, 0.997, 1}[i%4]
	}
	root, err := html.Parse(bytes.NewReader(render(t, data)))
	if err != nil {
		t.Fatal(err)
	}
	short := regexp.MustCompile(`^(·|[<>]?\.\d\d[+−]?\d+\.\d\d\d)$`)
	walk(root, func(e *html.Node) {
		if e.Data == "td" && e.Parent.Parent.Parent.Data == "table" && attribute(e.Parent.Parent.Parent, "class") == "heat" && !short.MatchString(text(e)) {
			t.Errorf("cell %q", text(e))
		}
	})
}

func TestWriteErrors(t *testing.T) {
	if err := report.Write(&bytes.Buffer{}, report.Data{}); !errors.Is(err, eci.ErrNoSources) {
		t.Errorf("no ranking: %v", err)
	}
	full := errors.New("disk full")
	if err := report.Write(failing{full}, demoData(t)); !errors.Is(err, full) {
		t.Errorf("a writer that fails: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestOneDirection: a matrix of one eigenvalue is drawn as a point. In two dimensions
// a residual has one direction, across the query.
func TestOneDirection(t *testing.T) {
	var sources []eci.Source
	for s, name := range []string{"a", "b"} {
		var rows []*eci.Record
		for i := range 8 {
			angle := 0.1 * float64(i+3*s)
			rows = append(rows, &eci.Record{
				QueryText: fmt.Sprint("query ", i), PositiveText: fmt.Sprint("positive ", i), NegativeText: fmt.Sprint("negative ", i, name),
				QueryVector:    []float32{1, 0},
				PositiveVector: []float32{1, float32(0.1 + 0.05*float64(i))},
				NegativeVector: []float32{float32(math.Cos(angle)), float32(math.Sin(angle))},
			})
		}
		sources = append(sources, eci.SourceOf(name, rows))
	}
	if page := render(t, scored(t, &eci.Sem{}, sources)); !bytes.Contains(page, []byte("plot-spectrum")) {
		t.Error("no spectrum")
	}
}
