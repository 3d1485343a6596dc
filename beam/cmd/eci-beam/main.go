// Command eci-beam ranks sources of hard negatives by a pipeline on Apache Beam.
//
//	eci-beam -rows 'bm25-*.jsonl.gz' -rows 'dense-*.jsonl.gz' -html report.html
//
// It runs on Prism, on this machine, unless Beam's flag --runner says otherwise.
// Beam's other flags are those of its runners. Rows must carry their vectors. The
// output has the form of eci rank's: the table with the verdict, JSON and the report.
// Checks and forecasts use the triples of least hash that the pipeline kept for each
// source, as do distributions, suspects and sweeps in the report and the rules of lint
// that compare rows. A note gives their number and the number of all triples.
//
// With -choose it reads the rows once more and writes those to train on as JSON lines,
// with their influence and place: of each query and positive the better half, or the
// share of -keep. It chooses from all sources together unless -choose-apart or
// -choose-from says otherwise.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/textio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"

	"example.com/eci"
	ecibeam "example.com/eci/beam"
	"example.com/eci/cmd/eci/report"
)

// globs are the values of a flag that may be given several times.
type globs []string

func (g *globs) String() string         { return strings.Join(*g, ", ") }
func (g *globs) Set(value string) error { *g = append(*g, value); return nil }

// options holds the flags.
type options struct {
	rows                      globs
	summary, json, html, dead string
	settings                  ecibeam.Settings
	dimension                 int
	calibration               string
	pool, poolVectors, qrels  string
	target, targetVectors     string
	again, noLint             bool
	choose                    string
	chooseFrom                globs
	chooseApart               bool
	keep                      float64
}

func (o *options) register(flags *flag.FlagSet) {
	flags.Var(&o.rows, "rows", "pattern of files of rows; may be given several times")
	flags.StringVar(&o.summary, "summary", "", "file for the summary, on a file system that workers and this machine share; on Prism it may be left out")
	flags.BoolVar(&o.again, "again", false, "read the summary of an earlier run instead of running the pipeline")
	flags.StringVar(&o.json, "json", "", "file for the ranking in JSON")
	flags.StringVar(&o.html, "html", "", "file for the report, one HTML page")
	flags.StringVar(&o.dead, "dead", "", "file for bad rows, which are then left out; without it they fail the run")
	flags.IntVar(&o.settings.Budget, "budget", 0, "triples scored of every source; 0 is the count of the smallest, -1 all")
	flags.Uint64Var(&o.settings.Seed, "seed", 0, "seed of the samples")
	flags.IntVar(&o.settings.Groups, "groups", 0, "jackknife groups of queries; 0 means 32")
	flags.IntVar(&o.dimension, "dimension", 0, "length of the vectors; 0 means that of most rows with -dead, and without it compares those of each row only")
	flags.BoolVar(&o.settings.Lookahead, "lookahead", true, "rank by forecasts; false ranks by S")
	flags.IntVar(&o.settings.Triples, "triples", 0, "triples of each source that forecasts walk on; 0 means 512")
	flags.StringVar(&o.calibration, "calibration", "", "JSON file of a calibration to use; without it one is taken")
	flags.StringVar(&o.pool, "pool", "", "corpus that queries are searched in, on this machine; without it the labeled positives are")
	flags.StringVar(&o.poolVectors, "pool-vectors", "", "folder or file of the vectors of the pool")
	flags.StringVar(&o.qrels, "qrels", "", "relevance judgments beyond the labels")
	flags.StringVar(&o.target, "target", "", "folder of another task in BEIR's layout, that the sources are to help; give -calibration too")
	flags.StringVar(&o.targetVectors, "target-vectors", "", "folder or file of the vectors of the target")
	flags.StringVar(&o.choose, "choose", "", "file for the rows to train on, JSON lines; the rows are read once more for it")
	flags.Var(&o.chooseFrom, "choose-from", "source to choose from; may be given several times; without it all are")
	flags.BoolVar(&o.chooseApart, "choose-apart", false, "choose from each source apart instead of from all together")
	flags.Float64Var(&o.keep, "keep", 0.5, "share of the rows of each query and positive to keep, in (0, 1]")
	flags.IntVar(&o.settings.ChoiceSample, "sample", 0, "triples of each source that a choice is made from, at most 8192; 0 means 2048 with -choose")
	flags.BoolVar(&o.noLint, "no-lint", false, "do not look for errors in the rows")
}

func main() {
	var o options
	o.register(flag.CommandLine)
	flag.Parse()
	beam.Init()
	if err := o.run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "eci-beam:", err)
		os.Exit(1)
	}
}

func (o *options) run(ctx context.Context, out io.Writer) error {
	switch {
	case len(o.rows) == 0 && (!o.again || o.choose != ""):
		return fmt.Errorf("no rows; give -rows a pattern of files")
	case o.summary == "" && (o.again || !local()):
		return fmt.Errorf("give -summary a file to which a worker can write and from which this machine can read")
	case o.pool != "" && o.poolVectors == "":
		return fmt.Errorf("-pool %s: give -pool-vectors the vectors of its documents", o.pool)
	case o.target != "" && o.targetVectors == "":
		return fmt.Errorf("-target %s: give -target-vectors the vectors of its queries and documents", o.target)
	case !(o.keep > 0 && o.keep <= 1):
		return fmt.Errorf("-keep %v is not a share in (0, 1]", o.keep)
	case o.choose == "" && (o.chooseApart || len(o.chooseFrom) > 0):
		return fmt.Errorf("-choose-apart and -choose-from say how rows are chosen; give -choose a file for them")
	case o.target != "" && o.pool+o.qrels != "":
		return fmt.Errorf("-pool and -qrels are for the sources' own queries, not for a -target, which has its own")
	}
	o.settings.NoLint = o.noLint
	if o.choose != "" && o.settings.ChoiceSample == 0 {
		o.settings.ChoiceSample = 2048
	}
	if o.calibration != "" {
		var err error
		if o.settings.Calibration, err = os.ReadFile(o.calibration); err != nil {
			return err
		}
	}
	if o.summary == "" {
		dir, err := os.MkdirTemp("", "eci-beam")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.summary = filepath.Join(dir, "summary")
	}
	if !o.again {
		if err := o.pipeline(ctx); err != nil {
			return err
		}
	}
	s, err := ecibeam.ReadSummary(ctx, o.summary)
	if err != nil {
		return err
	}
	ahead, err := o.lookahead()
	if err != nil {
		return err
	}
	if err := o.report(ctx, s, ahead, out); err != nil || o.choose == "" {
		return err
	}
	return o.choice(ctx, s, ahead, out)
}

// local reports whether workers run on this machine and have its files.
func local() bool { return *runners.Runner == "" || *runners.Runner == "prism" }

// pipeline runs the pipeline.
func (o *options) pipeline(ctx context.Context) error {
	p, s := beam.NewPipelineWithRoot()
	checked, all := o.read(s)
	if o.dead != "" {
		textio.Write(s, o.dead, ecibeam.Lines(s, all))
	}
	ecibeam.WriteSummary(s, o.summary, ecibeam.RankSources(s, o.settings, checked, all))
	return beamx.Run(ctx, p)
}

// read reads and checks the rows.
func (o *options) read(s beam.Scope) (checked, bad beam.PCollection) {
	skip := eci.Skip(0)
	if o.dead != "" {
		skip = eci.SkipMalformed | eci.SkipEmptyText | eci.SkipMissingVector | eci.SkipBadVector
	}
	var good, all []beam.PCollection
	for _, pattern := range o.rows {
		read, broken := ecibeam.ReadFiles(s, pattern, skip)
		good, all = append(good, read), append(all, broken)
	}
	checked, broken := ecibeam.CheckRows(s, beam.Flatten(s, good...), o.dimension, skip)
	return checked, beam.Flatten(s, append(all, broken)...)
}

// choice reads the rows once more and writes those to train on. Bad ones are left out
// as before.
func (o *options) choice(ctx context.Context, s *ecibeam.Summary, ahead *eci.Lookahead, out io.Writer) error {
	influences, err := s.Influences(ctx, &eci.Choose{Lookahead: *ahead}, !o.chooseApart, o.chooseFrom...)
	if err != nil {
		return err
	}
	path := o.summary + ".influences" // where workers can read
	if err := ecibeam.WriteInfluences(ctx, path, influences); err != nil {
		return err
	}
	p, scope := beam.NewPipelineWithRoot()
	rows, _ := o.read(scope)
	chosen := ecibeam.ChooseRows(scope, o.keep, rows, ecibeam.ReadInfluences(scope, path))
	textio.Write(scope, o.choose, ecibeam.ChosenLines(scope, chosen))
	if err := beamx.Run(ctx, p); err != nil {
		return err
	}
	fmt.Fprintf(out, "rows to train on, %v of each query and positive: %s\n", o.keep, o.choose)
	said := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(influences)) {
		for _, doubt := range influences[name].Report.Doubts {
			if !said[doubt] {
				said[doubt] = true
				fmt.Fprintf(out, "doubt: %s\n", doubt)
			}
		}
	}
	return nil
}

// report prints the table and writes JSON and HTML.
func (o *options) report(ctx context.Context, s *ecibeam.Summary, ahead *eci.Lookahead, out io.Writer) error {
	ranking, err := s.Rank(ctx, ahead)
	if err != nil {
		return err
	}
	samples := s.Samples()
	linter := eci.Linter{Relevant: ahead.Relevant}
	var found *eci.LintReport
	if !o.noLint {
		if found, err = s.Lint(ctx, &linter); err != nil {
			return err
		}
		ranking.Notes = append(ranking.Notes, lintNotes(found)...)
	}
	ranking.Notes = append(ranking.Notes, partial(s)...)
	fmt.Fprint(out, ranking)
	if o.json != "" {
		raw, err := json.MarshalIndent(ranking, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(raw, '\n'), 0o666); err != nil {
			return err
		}
	}
	if o.html == "" {
		return nil
	}
	data := report.Data{Ranking: ranking}
	if len(samples) > 0 {
		sem, err := s.Sem()
		if err != nil {
			return err
		}
		if data, err = report.Collect(ctx, sem, ranking, &linter, samples...); err != nil {
			return err
		}
	}
	if found != nil {
		data.Lint = found
	}
	data.Settings = described(s, ranking)
	var page bytes.Buffer
	if err := report.Write(&page, data); err != nil {
		return err
	}
	return os.WriteFile(o.html, page.Bytes(), 0o666)
}

// lookahead reads the data for forecasts.
func (o *options) lookahead() (*eci.Lookahead, error) {
	l := new(eci.Lookahead)
	files := eci.Files{Qrels: o.qrels}
	if o.qrels != "" {
		var err error
		if l.Relevant, err = files.Relevant(); err != nil {
			return nil, err
		}
	}
	if o.pool != "" {
		vectors, err := eci.OpenVectors(o.poolVectors)
		if err != nil {
			return nil, err
		}
		l.Pool, l.Sem.Vectors = files.Documents(o.pool), vectors
	}
	if o.target != "" {
		vectors, err := eci.OpenVectors(o.targetVectors)
		if err != nil {
			return nil, err
		}
		if l.Target, err = (&eci.Files{BEIR: o.target}).Target(o.target); err != nil {
			return nil, err
		}
		l.Target.Vectors = vectors
	}
	return l, nil
}

// lintNotes returns the errors that a linter found, as in eci rank. Rows that cannot
// be read or weighted are counted among the rows that were left out.
func lintNotes(found *eci.LintReport) []string {
	where := make(map[eci.LintKind][]string)
	var kinds []eci.LintKind
	for _, x := range found.Findings {
		if x.Severity != eci.SeverityError {
			continue
		}
		if where[x.Kind] == nil {
			kinds = append(kinds, x.Kind)
		}
		where[x.Kind] = append(where[x.Kind], fmt.Sprintf("%.1f%% of %s", 100*x.Share, x.Source))
	}
	var notes []string
	for _, kind := range kinds {
		notes = append(notes, fmt.Sprintf("lint: %s: %s; eci lint shows the rows", kind, strings.Join(where[kind], ", ")))
	}
	return notes
}

// partial names the sources that were checked in part although scores are of all
// triples.
func partial(s *ecibeam.Summary) []string {
	var parts, none []string
	for _, x := range s.Sources {
		switch kept := len(x.Sample); {
		case kept == 0:
			none = append(none, x.Name)
		case kept < x.Totals.Triples:
			parts = append(parts, fmt.Sprintf("%d of %d of %s", kept, x.Totals.Triples, x.Name))
		}
	}
	var notes []string
	if parts != nil {
		notes = append(notes, fmt.Sprintf("checks, forecasts, the rules of lint that compare rows and the report's distributions, suspects and sweeps look at the triples of least hash, %s; scores and the other rules are of all", strings.Join(parts, ", ")))
	}
	if none != nil {
		notes = append(notes, fmt.Sprintf("no triples of %s were kept for the rules of lint that compare rows, distributions, suspects and sweeps", strings.Join(none, ", ")))
	}
	return notes
}

// described returns the list of settings for the report.
func described(s *ecibeam.Summary, r *eci.Ranking) []report.Setting {
	out := []report.Setting{
		{Name: "score", Value: r.Scorer},
		{Name: "triples of each source", Value: fmt.Sprint(r.Budget)},
		{Name: "seed of the sample", Value: fmt.Sprint(r.Seed)},
		{Name: "groups of queries", Value: fmt.Sprint(len(s.Sources[0].GroupTriples))},
		{Name: "ε²", Value: fmt.Sprint(s.Sources[0].Config.Epsilon2)},
	}
	out = append(out, report.OfCalibration(r.Calibration)...)
	return append(out, report.Setting{Name: "ranked by", Value: "eci-beam"})
}
