package eci_test

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/eci"
)

// twinScore is what the brute-force twin finds out about a source.
type twinScore struct {
	score, jackknife, standardError                      float64
	consistency, locality, residuality, positive, negate float64
	weight, effective, trace, unique, disjoint           float64
	weights                                              []float64
}

// twin computes ECI_sem as section "Model" of the package documentation has it:
// every vector and matrix in float64, every set a map, every replicate from
// scratch, the determinant by Gaussian elimination. It shares no code with the
// package.
func twin(sources map[string][]*eci.Record, groups int) map[string]twinScore {
	word := regexp.MustCompile(`[\p{L}\p{Nd}]+`)
	tokens := func(text string) map[string]bool {
		set := make(map[string]bool)
		for _, t := range word.FindAllString(text, -1) {
			set[strings.ToLower(t)] = true
		}
		return set
	}
	documents := make(map[string]bool)
	for _, rows := range sources {
		for _, r := range rows {
			documents[r.PositiveText] = true
		}
	}
	df := make(map[string]float64)
	for text := range documents {
		for t := range tokens(text) {
			df[t]++
		}
	}
	idf := func(t string) float64 { return math.Log(1 + (float64(len(documents))-df[t]+0.5)/(df[t]+0.5)) }
	mass := func(set map[string]bool, in map[string]bool) (m float64) {
		for t := range set {
			if in == nil || in[t] {
				m += idf(t)
			}
		}
		return m
	}
	unit := func(v []float32) []float64 {
		u, square := make([]float64, len(v)), 0.0
		for k, x := range v {
			u[k] = float64(x)
			square += u[k] * u[k]
		}
		for k := range u {
			u[k] /= math.Sqrt(square)
		}
		return u
	}
	inner := func(a, b []float64) (s float64) {
		for k := range a {
			s += a[k] * b[k]
		}
		return s
	}
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

	// Neutral ground: the distinct labeled pairs, in the order of reading.
	type pair struct {
		key  string
		q, p []float64
	}
	var pairs []pair
	met := make(map[[2]string]bool)
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		for _, r := range sources[name] {
			if texts := [2]string{r.QueryText, r.PositiveText}; !met[texts] {
				met[texts] = true
				pairs = append(pairs, pair{cmp.Or(r.QueryID, r.QueryText), unit(r.QueryVector), unit(r.PositiveVector)})
			}
		}
	}
	var margins, own, strange []float64
	for _, a := range pairs {
		own = append(own, inner(a.q, a.p))
		for _, b := range pairs {
			if a.key != b.key {
				strange = append(strange, inner(a.q, b.p))
				margins = append(margins, inner(a.q, a.p)-inner(a.q, b.p))
			}
		}
	}
	moments := func(x []float64) (mean, sd float64) {
		for _, v := range x {
			mean += v / float64(len(x))
		}
		for _, v := range x {
			sd += (v - mean) * (v - mean) / float64(len(x))
		}
		return mean, math.Sqrt(sd)
	}
	_, marginScale := moments(margins)
	ownMean, ownDeviation := moments(own)
	strangeMean, strangeDeviation := moments(strange)
	mu, sigma := (ownMean+strangeMean)/2, math.Sqrt((ownDeviation*ownDeviation+strangeDeviation*strangeDeviation)/2)

	out := make(map[string]twinScore)
	for name, rows := range sources {
		var s twinScore
		var residuals [][]float64
		var group []int
		var squares, overlaps float64
		distinct := make(map[string]bool)
		d := len(rows[0].QueryVector)
		for _, r := range rows {
			q, p, n := unit(r.QueryVector), unit(r.PositiveVector), unit(r.NegativeVector)
			m := inner(q, p) - inner(q, n)
			c, g := sigmoid(m/marginScale), sigmoid((inner(q, n)-mu)/sigma)
			tq, tp, tn := tokens(r.QueryText), tokens(r.PositiveText), tokens(r.NegativeText)
			cov, ovl := 0.0, 0.0
			if all := mass(tq, nil); all > 0 {
				cov = mass(tq, tn) / all
			}
			if either := mass(tp, nil) + mass(tn, nil) - mass(tp, tn); either > 0 {
				ovl = mass(tp, tn) / either
			}
			rho := max(0, 1-max(cov, ovl))
			w := c * g * rho
			residual := make([]float64, d)
			for k := range residual {
				residual[k] = p[k] - n[k] - m*q[k]
			}
			s.trace += w * inner(residual, residual) / float64(len(rows))
			s.consistency += c / float64(len(rows))
			s.locality += g / float64(len(rows))
			s.residuality += rho / float64(len(rows))
			s.positive += inner(q, p) / float64(len(rows))
			s.negate += inner(q, n) / float64(len(rows))
			s.weight += w
			squares += w * w
			overlaps += ovl
			distinct[r.NegativeText] = true
			s.weights = append(s.weights, w)
			residuals = append(residuals, residual)
			key := r.QueryID
			if key == "" {
				key = r.QueryText
			}
			h := fnv.New64a()
			h.Write([]byte(key))
			group = append(group, int(h.Sum64()%uint64(groups)))
		}
		if squares > 0 {
			s.effective = s.weight * s.weight / squares
		}
		s.unique = float64(len(distinct)) / float64(len(rows))
		s.disjoint = 1 - overlaps/float64(len(rows))
		score := func(leave int) (value, n float64) {
			a := make([][]float64, d)
			for i := range a {
				a[i] = make([]float64, d)
			}
			for i, r := range residuals {
				if group[i] == leave {
					continue
				}
				n++
				for j := range a {
					for k := range a[j] {
						a[j][k] += s.weights[i] * r[j] * r[k]
					}
				}
			}
			for j := range a {
				for k := range a[j] {
					a[j][k] *= float64(d) / 0.5 / n
				}
				a[j][j]++
			}
			// The matrix is positive definite, so elimination needs no pivoting.
			for j := range a {
				value += math.Log(a[j][j]) / 2
				for i := j + 1; i < d; i++ {
					f := a[i][j] / a[j][j]
					for k := j; k < d; k++ {
						a[i][k] -= f * a[j][k]
					}
				}
			}
			return value, n
		}
		s.score, _ = score(-1)
		total := float64(len(rows))
		var used, mean float64
		type replicate struct{ h, without float64 }
		var replicates []replicate
		for g := range groups {
			without, n := score(g)
			if m := total - n; m > 0 {
				used++
				replicates = append(replicates, replicate{total / m, without})
				mean += (1 - m/total) * without
			}
		}
		s.jackknife = used*s.score - mean
		for _, r := range replicates {
			pseudo := r.h*s.score - (r.h-1)*r.without
			s.standardError += (pseudo - s.jackknife) * (pseudo - s.jackknife) / (r.h - 1) / used
		}
		s.standardError = math.Sqrt(s.standardError)
		out[name] = s
	}
	return out
}

// nasty makes triples that are hard on arithmetic and tokens: vectors of very
// different norms and nearly parallel ones, texts that repeat, copy the query, or
// hold no token.
func nasty(seed uint64, n, d int) []*eci.Record {
	random := rand.New(rand.NewPCG(seed, 1))
	vocabulary := strings.Fields("Straße ПРИВЕТ naïve 42 x über don't 数学 İstanbul a-b ... !! Ǆungla")
	text := func() string {
		var words []string
		for range 1 + random.IntN(6) {
			words = append(words, vocabulary[random.IntN(len(vocabulary))])
		}
		return strings.Join(words, " ")
	}
	vector := func() []float32 {
		v := make([]float32, d)
		scale := math.Pow(10, float64(random.IntN(13)-6))
		for k := range v {
			v[k] = float32(random.NormFloat64() * scale)
		}
		return v
	}
	rows := make([]*eci.Record, n)
	for i := range rows {
		r := &eci.Record{QueryText: text(), PositiveText: text(), NegativeText: text(), QueryVector: vector(), PositiveVector: vector(), NegativeVector: vector()}
		if random.IntN(2) == 0 {
			r.QueryID = fmt.Sprint(random.IntN(n))
		}
		switch random.IntN(8) {
		case 0: // the negative is the positive: r = 0
			r.NegativeText, r.NegativeVector = r.PositiveText, r.PositiveVector
		case 1: // the negative copies the query: weight 0
			r.NegativeText = r.QueryText
		case 2: // positive and negative differ in the last bits only
			r.NegativeVector = append([]float32(nil), r.PositiveVector...)
			r.NegativeVector[0] = math.Nextafter32(r.NegativeVector[0], 9)
		case 3: // query and negative are opposite
			for k, x := range r.QueryVector {
				r.NegativeVector[k] = -3 * x
			}
		case 4:
			r.PositiveText = "..."
		}
		rows[i] = r
	}
	return rows
}

func TestRankAgreesWithTwin(t *testing.T) {
	for seed := range uint64(12) {
		d, n := 1+int(seed)*3, 20+int(seed)*11
		rows := map[string][]*eci.Record{"one": nasty(seed, n, d), "two": nasty(seed+100, n, d)}
		const groups = 5
		want := twin(rows, groups)
		ranking, err := eci.Rank(context.Background(), &eci.Sem{Groups: groups},
			eci.SourceOf("one", rows["one"]), eci.SourceOf("two", rows["two"]))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range ranking.Ranked {
			w, n := want[s.Source], float64(s.Totals.Triples)
			for _, c := range []struct {
				name      string
				got, want float64
			}{
				{"score", s.Value, w.score},
				{"trace", s.Trace, w.trace},
				{"weight", s.Totals.Weight, w.weight},
				{"effective", s.Totals.EffectiveTriples(), w.effective},
				{"consistency", s.Totals.Factors[0] / n, w.consistency},
				{"locality", s.Totals.Factors[1] / n, w.locality},
				{"residuality", s.Totals.Factors[2] / n, w.residuality},
				{"s+", s.Totals.PositiveSimilarity / n, w.positive},
				{"s-", s.Totals.NegativeSimilarity / n, w.negate},
				{"unique", s.Baselines["unique"], w.unique},
				{"disjoint", s.Baselines["disjoint"], w.disjoint},
				{"jackknife", s.Jackknife, w.jackknife},
				{"standard error", s.StandardError, w.standardError},
			} {
				if !(math.Abs(c.got-c.want) <= 1e-6*math.Abs(c.want)+1e-12) {
					t.Errorf("seed %d, %s: %s = %v, twin %v", seed, s.Source, c.name, c.got, c.want)
				}
			}
		}
		sem := &eci.Sem{Groups: groups, Calibration: ranking.Calibration}
		i := 0
		for weighted, err := range sem.Weigh(context.Background(), eci.SourceOf("one", rows["one"])) {
			if err != nil {
				t.Fatal(err)
			}
			if w := want["one"].weights[i]; math.Abs(weighted.Weight-w) > 1e-9*w+1e-12 {
				t.Errorf("seed %d, triple %d: weight %v, twin %v", seed, i+1, weighted.Weight, w)
			}
			i++
		}
		if i != n {
			t.Errorf("Weigh yielded %d of %d triples", i, n)
		}
	}
}
