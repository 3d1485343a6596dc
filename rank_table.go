package eci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"text/tabwriter"
)

// column is one column of a ranking's table.
type column struct {
	name string
	cell func(s *Ranked) string
}

// columns are the columns that have something to show for this ranking.
func (r *Ranking) columns() []column {
	first := r.Ranked[0]
	columns := []column{
		{"rank", func(s *Ranked) string { return fmt.Sprint(s.Rank) }},
		{"source", func(s *Ranked) string { return s.Source }},
	}
	digits := 2
	if r.Lookahead != nil {
		digits = 3
		columns = append(columns,
			column{"gain", func(s *Ranked) string { return fmt.Sprintf("%+.3f", s.Forecast.Gain) }},
			column{"95% interval", func(s *Ranked) string { return r.interval(s, "%+.3f to %+.3f") }},
			column{"curve", func(s *Ranked) string { return s.Forecast.sparkline(r.highestGain()) }})
	} else {
		columns = append(columns,
			column{r.Scorer, func(s *Ranked) string { return fmt.Sprintf("%.*f", digits, s.Value) }},
			column{"95% interval", func(s *Ranked) string { return r.interval(s, "%.2f to %.2f") }})
	}
	columns = append(columns,
		column{"P(best)", func(s *Ranked) string {
			if s.figure().deviations == nil {
				return "-"
			}
			return fmt.Sprintf("%.2f", s.BestProbability)
		}},
		column{"ranks", (*Ranked).ranks})
	if first.Controls != nil && r.Lookahead != nil {
		columns = append(columns, column{"over random", func(s *Ranked) string { return s.Forecast.Random.brief() }})
	} else if first.Controls != nil {
		columns = append(columns, column{"control", func(s *Ranked) string { return s.Controls.brief() }})
	}
	if first.Artifact != nil {
		columns = append(columns, column{"artifact", func(s *Ranked) string { return s.Artifact.brief() }})
	}
	if r.Lookahead != nil {
		columns = append(columns, column{new(Sem).Name(), func(s *Ranked) string { return fmt.Sprintf("%.2f", s.Value) }})
	}
	for k, name := range first.Components {
		columns = append(columns, column{name, func(s *Ranked) string { return fmt.Sprintf("%.2f", s.Totals.mean(s.Totals.Factors[k])) }})
	}
	for _, name := range []string{"unique", "disjoint"} {
		columns = append(columns, column{name, func(s *Ranked) string { return fmt.Sprintf("%.2f", s.Baselines[name]) }})
	}
	return columns
}

// interval returns the 95% interval of the figure that the source is ranked by, or
// "-".
func (r *Ranking) interval(s *Ranked, format string) string {
	if s.figure().deviations == nil {
		return "-"
	}
	if f := s.Forecast; f != nil {
		return fmt.Sprintf(format, f.Low, f.High)
	}
	return fmt.Sprintf(format, s.Low, s.High)
}

// ranks returns the interval of the rank.
func (s *Ranked) ranks() string {
	if s.RankHigh > s.RankLow {
		return fmt.Sprintf("%d-%d", s.RankLow, s.RankHigh)
	}
	return fmt.Sprint(s.RankLow)
}

// highestGain returns the largest change after any step of any source. The result is
// at least the smallest change that is worth a picture.
func (r *Ranking) highestGain() float64 {
	highest := 0.01
	for _, s := range r.Ranked {
		for _, g := range s.Forecast.After {
			highest = max(highest, math.Abs(g))
		}
	}
	return highest
}

// sparkline draws the curve with one character for each step: bars up from the line
// for gains, down from it for losses, scaled to the highest of all.
func (f *Forecast) sparkline(highest float64) string {
	up, down := []rune("▁▂▃▄▅▆▇█"), []rune("▔▔▀▀▀▀██")
	line := make([]rune, len(f.After))
	for k, g := range f.After {
		height := min(int(math.Abs(g)/highest*8), 7)
		if line[k] = up[height]; g < 0 {
			line[k] = down[height]
		}
	}
	return string(line)
}

// brief returns the difference, with a mark if it is not shown to be above 0.
func (d *Difference) brief() string {
	if d == nil {
		return "-"
	}
	if d.Low > 0 {
		return fmt.Sprintf("%+.3f", d.Value)
	}
	return fmt.Sprintf("%+.3f?", d.Value)
}

// String returns the ranking as a table for people. The verdict, if there is one,
// comes first. A line that explains the columns and the notes come last. The columns
// are:
//
//	gain, 95% interval     expected change of nDCG; see [Forecast]
//	curve                  the change after each step: bars up for gains, down for losses
//	P(best), ranks         probability that no other source is better; ranks that hold for
//	                       all sources at once with 95%
//	over random, control   lead over random documents, or in S over the stronger control; a
//	                       question mark means that it is not shown to be above 0
//	artifact               AUC of telling negatives from positives without the query
//	eci                    the information of the triples, in nats
//	consistency, locality, residuality
//	                       means of the components of the weight
//	unique, disjoint       share of distinct negatives; share of words that negatives do not
//	                       have in common with their queries
func (r *Ranking) String() string {
	if len(r.Ranked) == 0 {
		return "no sources\n"
	}
	var out strings.Builder
	if r.Verdict != nil {
		out.WriteString(r.Verdict.Sentence + "\n")
	}
	out.WriteString(r.basis())
	t := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	columns := r.columns()
	for _, c := range columns {
		fmt.Fprint(t, c.name, "\t")
	}
	fmt.Fprintln(t)
	for i := range r.Ranked {
		for _, c := range columns {
			fmt.Fprint(t, c.cell(&r.Ranked[i]), "\t")
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	out.WriteString(r.legend())
	for _, note := range r.Notes {
		out.WriteString("note: " + note + "\n")
	}
	return out.String()
}

// legend explains the columns that need it, on one line.
func (r *Ranking) legend() string {
	first := r.Ranked[0]
	parts := []string{"P(best) = no other is better", "ranks = of all at once, 95%"}
	if l := r.Lookahead; l != nil {
		parts = append([]string{"gain = expected change of " + l.Unit(), "curve = after each step"}, parts...)
		if first.Controls != nil {
			parts = append(parts, "over random = lead over random documents (?: not shown)")
		}
	} else if first.Controls != nil {
		parts = append(parts, "control = lead over shuffled or random negatives")
	}
	if first.Artifact != nil {
		parts = append(parts, "artifact = AUC without the query")
	}
	if r.Lookahead != nil {
		parts = append(parts, new(Sem).Name()+" = information in nats")
	}
	return "columns: " + strings.Join(parts, "; ") + "\n"
}

// basis says on one line what the ranking is based on.
func (r *Ranking) basis() string {
	first := r.Ranked[0]
	if first.Totals.Triples == 0 {
		return ""
	}
	line := fmt.Sprintf("%d triples of each source", r.Budget)
	if first.Matrix != nil {
		line += fmt.Sprintf(", %d dimensions", first.Matrix.config.Dimension)
	}
	if l := r.Lookahead; l != nil {
		line += fmt.Sprintf("; gain in %s over %.3f, %d queries in %d documents", l.Metric, l.Frozen, l.Queries, l.Pool)
	}
	return line + "\n"
}

// brief returns the lead over the stronger control.
func (c *Controls) brief() string {
	if c == nil || c.Shuffled.Triples == 0 && c.Random.Triples == 0 {
		return "-"
	}
	return fmt.Sprintf("%+.2f", c.stronger().Difference)
}

func (a *Artifact) brief() string {
	if a == nil || a.Triples == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a.AUC)
}

// object writes a JSON object with its fields in the order of the calls.
type object struct {
	buffer bytes.Buffer
	err    error
}

func (o *object) field(name string, value any) {
	if o.err != nil {
		return
	}
	var raw []byte
	if raw, o.err = json.Marshal(value); o.err != nil {
		return
	}
	if o.buffer.Len() == 0 {
		o.buffer.WriteByte('{')
	} else {
		o.buffer.WriteByte(',')
	}
	key, _ := json.Marshal(name)
	o.buffer.Write(key)
	o.buffer.WriteByte(':')
	o.buffer.Write(raw)
}

func (o *object) done() ([]byte, error) {
	if o.err != nil {
		return nil, o.err
	}
	if o.buffer.Len() == 0 {
		return []byte("{}"), nil
	}
	o.buffer.WriteByte('}')
	return o.buffer.Bytes(), nil
}

// MarshalJSON writes the names of the sources, best first, under "ranking", their
// scores by name under "scores", and the pairs. Of the calibration it writes only the
// scales, without lexicon and encoder. To store a Calibration, marshal it directly.
func (r *Ranking) MarshalJSON() ([]byte, error) {
	var o, scores object
	names := make([]string, len(r.Ranked))
	for i, s := range r.Ranked {
		names[i] = s.Source
		scores.field(s.Source, s)
	}
	byName, err := scores.done()
	if err != nil {
		return nil, err
	}
	if r.Verdict != nil {
		o.field("verdict", r.Verdict)
	}
	o.field("scorer", r.Scorer)
	o.field("ranking", names)
	o.field("budget", r.Budget)
	o.field("seed", r.Seed)
	if c := r.Calibration; c != nil {
		brief := *c
		brief.Lexicon, brief.Encoder = nil, nil
		o.field("calibration", brief)
		o.field("idf_documents", c.Lexicon.Documents())
	}
	o.field("embedded_texts", r.Embedded)
	if r.Lookahead != nil {
		o.field("lookahead", r.Lookahead)
	}
	if r.Race != nil {
		o.field("race", r.Race)
	}
	o.field("scores", json.RawMessage(byName))
	o.field("pairs", r.Pairs)
	o.field("notes", r.Notes)
	return o.done()
}

// UnmarshalJSON fails with ErrFormat. MarshalJSON writes a report, from which a
// Ranking cannot be restored.
func (r *Ranking) UnmarshalJSON([]byte) error {
	return fmt.Errorf("eci: ranking: %w: its JSON is a report and lacks matrices and deviations; rank again, or use Sem.Checkpoint", ErrFormat)
}

// MarshalJSON writes the score with its place in the ranking. The means of the
// components are listed under their names.
func (s Ranked) MarshalJSON() ([]byte, error) {
	var o object
	o.field("rank", s.Rank)
	o.field("best_probability", s.BestProbability)
	o.field("rank_interval", [2]int{s.RankLow, s.RankHigh})
	s.Score.fields(&o)
	return o.done()
}

// MarshalJSON writes the score. The means of the components are listed under their
// names.
func (s *Score) MarshalJSON() ([]byte, error) {
	var o object
	s.fields(&o)
	return o.done()
}

// UnmarshalJSON fails with ErrFormat, like that of [Ranking]. It also serves Ranked.
func (s *Score) UnmarshalJSON([]byte) error {
	return fmt.Errorf("eci: score: %w: its JSON is a report and lacks matrix and deviations; score again, or use Sem.Checkpoint", ErrFormat)
}

func (s *Score) fields(o *object) {
	t := s.Totals
	o.field("source", s.Source)
	if f := s.Forecast; f != nil {
		f.fields(o)
	}
	o.field("score", s.Value)
	if s.Groups >= 2 {
		o.field("standard_error", s.StandardError)
		o.field("interval", [2]float64{s.Low, s.High})
		o.field("jackknife", s.Jackknife)
	}
	o.field("groups", s.Groups)
	if s.Dropped > 0 {
		o.field("dropped_at", s.Dropped)
	}
	o.field("triples", t.Triples)
	o.field("weight", t.Weight)
	o.field("effective_triples", t.EffectiveTriples())
	for k, name := range s.Components {
		o.field(name, t.mean(t.Factors[k]))
	}
	o.field("positive_similarity", t.mean(t.PositiveSimilarity))
	o.field("negative_similarity", t.mean(t.NegativeSimilarity))
	if s.Matrix != nil {
		o.field("trace", s.Trace)
		o.field("bound", s.Bound)
		o.field("diversity", s.Diversity)
		o.field("effective_dimension", s.EffectiveDimension)
	}
	if s.Controls != nil {
		o.field("controls", s.Controls)
	}
	if s.Artifact != nil {
		o.field("artifact", s.Artifact)
	}
	o.field("identical", t.Identical)
	o.field("baselines", s.Baselines)
	o.field("skipped", s.Skipped)
}

// fields writes the forecast into the object of its source's score.
func (f *Forecast) fields(o *object) {
	o.field("gain", f.Gain)
	if f.Deviations != nil {
		o.field("gain_standard_error", f.StandardError)
		o.field("gain_step_error", f.StepError)
		o.field("gain_interval", [2]float64{f.Low, f.High})
		o.field("gain_t", f.T)
	}
	o.field("gain_after", f.After)
	o.field("gain_queries", f.Queries)
	o.field("gain_triples", f.Triples)
	if f.Random != nil {
		o.field("gain_over_random", f.Random)
	}
	if f.Shuffled != nil {
		o.field("gain_over_shuffled", f.Shuffled)
	}
	o.field("harms", f.Harms)
	o.field("overtrains", f.Overtrains)
	o.field("adapter_norms", f.Norms)
}

// MarshalJSON writes the pair.
func (p Pair) MarshalJSON() ([]byte, error) {
	var o object
	o.field("better", p.Better)
	o.field("worse", p.Worse)
	o.field("difference", p.Difference)
	o.field("standard_error", p.StandardError)
	if p.StepError > 0 {
		o.field("step_error", p.StepError)
	}
	o.field("interval", [2]float64{p.Low, p.High})
	o.field("probability", p.Probability)
	return o.done()
}

// UnmarshalJSON reads what MarshalJSON wrote; on an error p is unchanged.
func (p *Pair) UnmarshalJSON(data []byte) error {
	var in struct {
		Better, Worse string
		Difference    float64
		StandardError float64 `json:"standard_error"`
		StepError     float64 `json:"step_error"`
		Interval      [2]float64
		Probability   float64
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("eci: pair: %w: %w", ErrFormat, err)
	}
	*p = Pair{in.Better, in.Worse, in.Difference, in.StandardError, in.StepError, in.Interval[0], in.Interval[1], in.Probability}
	return nil
}
