package eci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
)

// String returns the ranking as a table for people, with the notes below it.
func (r *Ranking) String() string {
	if len(r.Ranked) == 0 {
		return "no sources\n"
	}
	var out strings.Builder
	if first := r.Ranked[0]; first.Totals.Triples > 0 {
		fmt.Fprintf(&out, "%d triples of each source", r.Budget)
		if first.Matrix != nil {
			fmt.Fprintf(&out, ", %d dimensions", first.Matrix.config.Dimension)
		}
		out.WriteString("\n")
	}
	t := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "rank\t source\t"+r.Scorer+"\t95% interval\tP(best)\tranks\t")
	checks := r.Ranked[0].Controls != nil
	if checks {
		fmt.Fprint(t, "control\tartefact\t")
	}
	for _, name := range r.Ranked[0].Components {
		fmt.Fprint(t, name, "\t")
	}
	fmt.Fprintln(t, "unique\tdisjoint\t")
	for _, s := range r.Ranked {
		interval, best := "-", "-"
		if s.Groups >= 2 {
			interval, best = fmt.Sprintf("%.2f to %.2f", s.Low, s.High), fmt.Sprintf("%.2f", s.BestProbability)
		}
		ranks := fmt.Sprint(s.RankLow)
		if s.RankHigh > s.RankLow {
			ranks = fmt.Sprintf("%d-%d", s.RankLow, s.RankHigh)
		}
		fmt.Fprintf(t, "%d\t%s\t%.2f\t%s\t%s\t%s\t", s.Rank, s.Source, s.Value, interval, best, ranks)
		if checks {
			fmt.Fprintf(t, "%s\t%s\t", s.Controls.brief(), s.Artefact.brief())
		}
		for _, f := range s.Totals.Factors {
			fmt.Fprintf(t, "%.2f\t", s.Totals.mean(f))
		}
		fmt.Fprintf(t, "%.2f\t%.2f\t\n", s.Baselines["unique"], s.Baselines["disjoint"])
	}
	t.Flush()
	for _, note := range r.Notes {
		out.WriteString("note: " + note + "\n")
	}
	return out.String()
}

// brief is the lead over the stronger control.
func (c *Controls) brief() string {
	if c == nil || c.Shuffled.Triples == 0 && c.Random.Triples == 0 {
		return "-"
	}
	return fmt.Sprintf("%+.2f", c.stronger().Difference)
}

func (a *Artefact) brief() string {
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

// MarshalJSON writes the ranking with the sources' names, best first, under
// "ranking", their scores by name under "scores", and the pairs. Of the
// calibration it writes the scales, not lexicon and encoder; marshal Calibration itself
// to store it.
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
	if r.Race != nil {
		o.field("race", r.Race)
	}
	o.field("scores", json.RawMessage(byName))
	o.field("pairs", r.Pairs)
	o.field("notes", r.Notes)
	return o.done()
}

// UnmarshalJSON fails with ErrFormat: what MarshalJSON writes is a report, from
// which a Ranking cannot be made again.
func (r *Ranking) UnmarshalJSON([]byte) error {
	return fmt.Errorf("eci: ranking: %w: its JSON is a report and lacks matrices and deviations; rank again, or use Sem.Checkpoint", ErrFormat)
}

// MarshalJSON writes the score with its place in the ranking. The means of the
// components stand under their names.
func (s Ranked) MarshalJSON() ([]byte, error) {
	var o object
	o.field("rank", s.Rank)
	o.field("best_probability", s.BestProbability)
	o.field("rank_interval", [2]int{s.RankLow, s.RankHigh})
	s.Score.fields(&o)
	return o.done()
}

// MarshalJSON writes the score. The means of the components stand under their
// names.
func (s *Score) MarshalJSON() ([]byte, error) {
	var o object
	s.fields(&o)
	return o.done()
}

// UnmarshalJSON fails with ErrFormat, as that of a [Ranking] does. It is also that
// of a Ranked.
func (s *Score) UnmarshalJSON([]byte) error {
	return fmt.Errorf("eci: score: %w: its JSON is a report and lacks matrix and deviations; score again, or use Sem.Checkpoint", ErrFormat)
}

func (s *Score) fields(o *object) {
	t := s.Totals
	o.field("source", s.Source)
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
	if s.Artefact != nil {
		o.field("artefact", s.Artefact)
	}
	o.field("identical", t.Identical)
	o.field("baselines", s.Baselines)
	o.field("skipped", s.Skipped)
}

// MarshalJSON writes the pair.
func (p Pair) MarshalJSON() ([]byte, error) {
	var o object
	o.field("better", p.Better)
	o.field("worse", p.Worse)
	o.field("difference", p.Difference)
	o.field("standard_error", p.StandardError)
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
		Interval      [2]float64
		Probability   float64
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("eci: pair: %w: %w", ErrFormat, err)
	}
	*p = Pair{in.Better, in.Worse, in.Difference, in.StandardError, in.Interval[0], in.Interval[1], in.Probability}
	return nil
}
