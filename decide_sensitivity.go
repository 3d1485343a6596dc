package eci

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/sorted"
)

// Study measures how much a ranking depends on its settings. It ranks the same
// sources under many variations of a Sem, one setting at a time.
// It is safe for concurrent use under the same conditions as a [Sem].
type Study struct {
	// Sem holds the settings to vary. It must not have a Calibration, which would fix
	// them.
	Sem Sem
	// Second is a second encoder to rank with, if it has Vectors or an Embedder. Its
	// other settings are ignored.
	Second Sem
	// Lexicons are further IDF corpora by name, counted with Sem.Tokenizer. None is
	// nil.
	Lexicons map[string]*Lexicon
}

// Sensitivity is the outcome of a [Study].
// It is safe for concurrent use as long as no goroutine changes it.
type Sensitivity struct {
	// Default is the ranking under the settings as they are.
	Default *Ranking `json:"-"`
	// Order lists its sources, best first.
	Order []string `json:"order"`
	// Variants are the rankings under other settings.
	Variants []Variant `json:"variants"`
}

// Variant is the ranking under one changed setting.
// It is safe for concurrent use as long as no goroutine changes it.
type Variant struct {
	// Setting is what was changed: "triples", "consistency temperature", "locality
	// temperature", "eps^2", "tokenizer", "idf corpus" or "encoder".
	Setting string `json:"setting"`
	// Value is what it was changed to.
	Value string `json:"value"`
	// Order lists the sources, best first.
	Order []string `json:"order"`
	// Tau is Kendall's rank correlation with the default order, in [-1, 1].
	Tau float64 `json:"tau"`
	// Flips lists the pairs that changed order.
	Flips []Flip `json:"flips"`
}

// Flip is a pair of sources that changed order.
// It is safe for concurrent use as long as no goroutine changes it.
type Flip struct {
	// Better is above Worse in the default ranking. Probability is that of Better
	// being truly better there.
	Better      string  `json:"better"`
	Worse       string  `json:"worse"`
	Probability float64 `json:"default_probability"`
	// Difference is how far Better is below Worse now, in nats, above 0.
	Difference float64 `json:"difference"`
}

// variation is one change of the settings.
type variation struct {
	setting, value string
	change         func(s *Sem)
}

// Run ranks the sources under the settings as they are and under every variation.
// The variations are:
//
//   - 10, 25 and 50 percent of the triples
//   - a quarter, half, twice and four times each temperature and eps^2
//   - the other tokenizer
//   - IDF weights over each of Lexicons
//   - the second encoder
//
// Run embeds each distinct text once for all of them, within Sem.CacheBytes. It
// needs at least two sources.
func (s *Study) Run(ctx context.Context, sources ...Source) (*Sensitivity, error) {
	if s == nil {
		return nil, fault.Nil("Study")
	}
	if len(sources) < 2 {
		return nil, fmt.Errorf("eci: sensitivity: %w: %d given, at least two are needed", ErrNoSources, len(sources))
	}
	for _, name := range sorted.Keys(s.Lexicons) {
		if s.Lexicons[name] == nil {
			return nil, fmt.Errorf("eci: sensitivity: %w: lexicon %q is nil", ErrSettings, name)
		}
	}
	if s.Sem.Calibration != nil {
		return nil, fmt.Errorf("eci: sensitivity: %w: Sem has a frozen Calibration, which fixes what Run varies; leave it nil", ErrSettings)
	}
	base := s.Sem
	base.NoChecks, base.Checkpoint = true, ""
	first, err := base.engine(nil)
	if err != nil {
		return nil, err
	}
	shared := first.vectors
	rank := func(sem Sem) (*Ranking, error) {
		e, err := sem.engine(nil)
		if err != nil {
			return nil, err
		}
		if shared != nil {
			e.vectors = shared
		}
		r, err := e.run(ctx, sources)
		if err != nil {
			return nil, err
		}
		return rankPrepared(ctx, r, sources)
	}
	out := &Sensitivity{}
	out.Default, err = rank(base)
	if err != nil {
		return nil, err
	}
	out.Order = out.Default.order()
	base.Components = first.settings.Components
	for _, v := range s.variations(base, out.Default) {
		sem := base
		sem.Components = slices.Clone(base.Components)
		v.change(&sem)
		if v.setting == "encoder" {
			shared = nil
		}
		ranking, err := rank(sem)
		if err != nil {
			return nil, fmt.Errorf("eci: sensitivity to %s, %s: %w", v.setting, v.value, err)
		}
		out.Variants = append(out.Variants, out.compare(v, ranking))
	}
	return out, nil
}

func (s *Study) variations(base Sem, ranking *Ranking) []variation {
	var all []variation
	add := func(setting, value string, change func(s *Sem)) {
		all = append(all, variation{setting, value, change})
	}
	for _, percent := range []int{10, 25, 50} {
		if n := ranking.Budget * percent / 100; n >= 2 {
			add("triples", fmt.Sprintf("%d%%", percent), func(s *Sem) { s.Budget = n })
		}
	}
	factors := []float64{0.25, 0.5, 2, 4}
	for i, c := range base.Components {
		for _, f := range factors {
			times := "x" + fmt.Sprint(f)
			switch c := c.(type) {
			case TargetConsistency:
				add("consistency temperature", times, func(s *Sem) { s.Components[i] = TargetConsistency{f * cmp.Or(c.Temperature, 1)} })
			case SemanticLocality:
				add("locality temperature", times, func(s *Sem) { s.Components[i] = SemanticLocality{f * cmp.Or(c.Temperature, 1)} })
			}
		}
	}
	for _, f := range factors {
		add("eps^2", "x"+fmt.Sprint(f), func(s *Sem) {
			if s.Epsilon2 == 0 {
				s.Epsilon2 = defaultEpsilon2
			}
			s.Epsilon2 *= f
		})
	}
	if base.Lexicon == nil {
		var other Tokenizer = CharacterNGrams{}
		if t := base.Tokenizer; t != nil && t.Name() == other.Name() {
			other = Words{}
		}
		add("tokenizer", other.Name(), func(s *Sem) { s.Tokenizer = other })
	}
	for _, name := range sorted.Keys(s.Lexicons) {
		add("idf corpus", name, func(sem *Sem) { sem.Lexicon = s.Lexicons[name] })
	}
	if s.Second.Vectors != nil || s.Second.Embedder != nil {
		add("encoder", "second", func(sem *Sem) { sem.Vectors, sem.Embedder = s.Second.Vectors, s.Second.Embedder })
	}
	return all
}

func (r *Ranking) order() []string {
	names := make([]string, len(r.Ranked))
	for i, s := range r.Ranked {
		names[i] = s.Source
	}
	return names
}

// compare counts the pairs whose order a variant reverses.
func (s *Sensitivity) compare(v variation, ranking *Ranking) Variant {
	out := Variant{Setting: v.setting, Value: v.value, Order: ranking.order(), Flips: []Flip{}}
	for _, p := range s.Default.Pairs {
		better, _ := ranking.Find(p.Better)
		worse, _ := ranking.Find(p.Worse)
		if better.Rank > worse.Rank {
			out.Flips = append(out.Flips, Flip{p.Better, p.Worse, p.Probability, worse.Value - better.Value})
		}
	}
	out.Tau = 1 - 2*float64(len(out.Flips))/float64(len(s.Default.Pairs))
	return out
}

// String returns a table with the pairs that flip. An exclamation mark follows
// pairs that the default ranking was sure of at 95%.
func (s *Sensitivity) String() string {
	var out strings.Builder
	out.WriteString("default: " + strings.Join(s.Order, " > ") + "\n")
	t := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "setting\tvalue\ttau\tbest\tpairs that flip")
	for _, v := range s.Variants {
		var flips []string
		for _, f := range v.Flips {
			mark := ""
			if f.Probability >= 0.975 {
				mark = "!"
			}
			flips = append(flips, fmt.Sprintf("%s < %s%s", f.Better, f.Worse, mark))
		}
		fmt.Fprintf(t, "%s\t%s\t%.2f\t%s\t%s\n", v.Setting, v.Value, v.Tau, v.Order[0], strings.Join(flips, ", "))
	}
	t.Flush()
	return out.String()
}
