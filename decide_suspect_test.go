package eci_test

import (
	"errors"
	"maps"
	"math"
	"regexp"
	"strings"
	"testing"

	"example.com/eci"
)

// areaUnderCurve is the probability that a random member of one class has a
// higher score than a random member of the other, ties counting half.
func areaUnderCurve(scores []float64, label []bool) float64 {
	var won, pairs float64
	for i, x := range scores {
		for j, y := range scores {
			if label[i] && !label[j] {
				pairs++
				switch {
				case x > y:
					won++
				case x == y:
					won += 0.5
				}
			}
		}
	}
	return won / pairs
}

func calibratedOn(t testing.TB, vectors eci.Vectors, sources ...eci.Source) *eci.Sem {
	t.Helper()
	sem := &eci.Sem{Vectors: vectors}
	calibration, err := sem.Calibrate(t.Context(), sources...)
	if err != nil {
		t.Fatal(err)
	}
	sem.Calibration = calibration
	return sem
}

// TestSuspectsOfContaminated measures what the documentation of Suspect says:
// how well each sign tells the 160 passages that answer the query (ids a1...a240)
// from other negatives.
func TestSuspectsOfContaminated(t *testing.T) {
	vectors, sources := demoSources(t)
	sem := calibratedOn(t, vectors, sources...)
	type signs struct{ score, lexical, semantic, doubt []float64 }
	take := func(source eci.Source, only bool) (s signs, label []bool) {
		for suspect, err := range sem.Suspects(t.Context(), source, 0) {
			if err != nil {
				t.Fatal(err)
			}
			answers := strings.HasPrefix(suspect.Record.NegativeID, "a")
			if only && !answers {
				continue
			}
			label = append(label, answers)
			s.score, s.lexical, s.semantic = append(s.score, suspect.Score), append(s.lexical, suspect.Lexical), append(s.semantic, suspect.Semantic)
			s.doubt = append(s.doubt, 1-suspect.Factors[0])
		}
		return s, label
	}
	named := make(map[string]eci.Source)
	for _, s := range sources {
		named[s.Name] = s
	}
	all, label := take(named["contaminated"], false)
	for _, test := range []struct {
		sign   string
		scores []float64
		want   float64
	}{
		{"score", all.score, .77}, {"lexical", all.lexical, .80}, {"semantic", all.semantic, .79}, {"1 - c", all.doubt, .29},
	} {
		if got := areaUnderCurve(test.scores, label); math.Abs(got-test.want) > 0.005 {
			t.Errorf("%s: AUC %.3f, documented %.2f", test.sign, got, test.want)
		}
	}
	above, right := 0, 0
	for i, score := range all.score {
		if score >= 0.4 {
			above++
			if label[i] {
				right++
			}
		}
	}
	if above != 27 || right != 27 {
		t.Errorf("%d above 0.4, of which %d answer; documented are 27 and 27", above, right)
	}
	answers, _ := take(named["contaminated"], true)
	for name, want := range map[string]float64{"bm25": .87, "llm": .82, "random": .97} {
		others, label := take(named[name], false)
		for range answers.score {
			label = append(label, true)
		}
		if got := areaUnderCurve(append(others.score, answers.score...), label); math.Abs(got-want) > 0.005 {
			t.Errorf("against %s: AUC %.3f, documented %.2f", name, got, want)
		}
	}
}

// TestSuspectsAgreeWithTwin: the formula in float64 with maps, over nasty rows.
func TestSuspectsAgreeWithTwin(t *testing.T) {
	if eci.UnderRace {
		t.Skip("long under the race detector, and starts no goroutine of its own")
	}
	word := regexp.MustCompile(`[\p{L}\p{Nd}]+`)
	for seed := range uint64(8) {
		rows := nasty(seed, 60, 2+int(seed)*3)
		source := eci.SourceOf("rows", rows)
		sem := calibratedOn(t, nil, source)
		documents := make(map[string]bool)
		for _, r := range rows {
			documents[r.PositiveText] = true
		}
		set := func(text string) map[string]bool {
			out := make(map[string]bool)
			for _, token := range word.FindAllString(text, -1) {
				out[strings.ToLower(token)] = true
			}
			return out
		}
		idf := func(token string) float64 {
			df := 0.0
			for text := range documents {
				if set(text)[token] {
					df++
				}
			}
			return math.Log(1 + (float64(len(documents))-df+0.5)/(df+0.5))
		}
		unit := func(v []float32) []float64 {
			var square float64
			for _, x := range v {
				square += float64(x) * float64(x)
			}
			out := make([]float64, len(v))
			for k, x := range v {
				out[k] = float64(x) / math.Sqrt(square)
			}
			return out
		}
		inner := func(a, b []float64) (s float64) {
			for k := range a {
				s += a[k] * b[k]
			}
			return s
		}
		i := 0
		for suspect, err := range sem.Suspects(t.Context(), source, 0) {
			if err != nil {
				t.Fatal(err)
			}
			r := rows[i]
			i++
			q, p, n := unit(r.QueryVector), unit(r.PositiveVector), unit(r.NegativeVector)
			ranked := min(1, 2-2/(1+math.Exp(-(inner(q, p)-inner(q, n))/sem.Calibration.MarginScale)))
			a, b := inner(p, q), inner(n, q)
			rest := func(v []float64, along float64) []float64 {
				out := make([]float64, len(v))
				for k := range v {
					out[k] = v[k] - along*q[k]
				}
				return out
			}
			pp, nn := rest(p, a), rest(n, b)
			semantic := max(0, inner(pp, nn)/math.Sqrt(inner(pp, pp)*inner(nn, nn)))
			if inner(pp, pp) < 1e-9 || inner(nn, nn) < 1e-9 {
				semantic = 0
			}
			var both, either float64
			tq, tp, tn := set(r.QueryText), set(r.PositiveText), set(r.NegativeText)
			passages := maps.Clone(tp)
			maps.Copy(passages, tn)
			for token := range passages {
				if tq[token] {
					continue
				}
				either += idf(token)
				if tp[token] && tn[token] {
					both += idf(token)
				}
			}
			lexical := 0.0
			if either > 0 {
				lexical = both / either
			}
			if r.PositiveText == r.NegativeText {
				semantic, lexical = 1, 1
			}
			for _, c := range []struct {
				name      string
				got, want float64
			}{
				{"ranked", suspect.Ranked, ranked}, {"semantic", suspect.Semantic, semantic}, {"lexical", suspect.Lexical, lexical},
				{"score", suspect.Score, math.Cbrt(ranked * semantic * lexical)},
			} {
				if !(math.Abs(c.got-c.want) <= 1e-6) || c.got < 0 || c.got > 1 {
					t.Errorf("seed %d, row %d: %s %v, twin %v", seed, i, c.name, c.got, c.want)
				}
			}
		}
		if i != len(rows) {
			t.Errorf("%d of %d rows", i, len(rows))
		}
	}
}

func TestSuspectThreshold(t *testing.T) {
	vectors, sources := demoSources(t)
	sem := calibratedOn(t, vectors, sources...)
	for _, threshold := range []float64{0, 0.2, 0.4, 1.1} {
		suspects, others := 0, 0
		for suspect, err := range sem.Suspects(t.Context(), sources[1], threshold) {
			if err != nil || suspect.Score < threshold {
				t.Fatal(suspect, err)
			}
			suspects++
		}
		for _, err := range sem.WithoutSuspects(t.Context(), sources[1], threshold).Triples {
			if err != nil {
				t.Fatal(err)
			}
			others++
		}
		if suspects+others != 480 {
			t.Errorf("at %v: %d suspects and %d others of 480", threshold, suspects, others)
		}
	}
	// What is left is a source like any other.
	score, err := sem.Score(t.Context(), sem.WithoutSuspects(t.Context(), sources[1], 0.4))
	if err != nil || score.Totals.Triples != 453 {
		t.Errorf("%+v, %v", score, err)
	}
	for suspect := range sem.Suspects(t.Context(), sources[1], 0) {
		if suspect.Record.Row != 1 {
			t.Error("the first row is not the first")
		}
		break // must not panic
	}
}

func TestSuspectErrors(t *testing.T) {
	source := lines("a", goodLines(40)...)
	for _, sem := range []*eci.Sem{{}, {Groups: -1}} {
		n := 0
		for suspect, err := range sem.Suspects(t.Context(), source, 0) {
			if n++; suspect != nil || err == nil {
				t.Errorf("%v, %v", suspect, err)
			}
		}
		if _, err := sem.Sweep(t.Context(), source); n != 1 || err == nil {
			t.Errorf("%d errors, sweep %v", n, err)
		}
	}
	sem := calibratedOn(t, nil, source)
	bad := lines("a", with(goodLines(40), 7, "{")...)
	var last error
	for _, err := range sem.WithoutSuspects(t.Context(), bad, 0.5).Triples {
		last = err
	}
	var at *eci.RowError
	if !errors.As(last, &at) || at.Row != 7 || !errors.Is(last, eci.ErrMalformed) {
		t.Errorf("%v", last)
	}
}
