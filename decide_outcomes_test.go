package eci_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/eci"
)

func TestReadOutcomes(t *testing.T) {
	const several = `{"metric":"nDCG","frozen":0.19,"sources":{"b":{"x":{"mean":1,"se":0.5},"y":{"value":2}},"a":{"x":{"mean":-3e-2,"se":0}}}}`
	for _, row := range []struct {
		reason, text, setting string
		want                  []eci.Outcome
	}{
		{"plain", `{"bm25":{"value":0.041,"standard_error":0.008},"llm":{"value":-1}}`, "", []eci.Outcome{{"bm25", 0.041, 0.008}, {"llm", -1, 0}}},
		{"other words, other fields", ` {"a":{"mean":1,"n":[],"se":2}} `, "", []eci.Outcome{{"a", 1, 2}}},
		{"one of several settings", several, "x", []eci.Outcome{{"b", 1, 0.5}, {"a", -0.03, 0}}},
		{"a setting that one source lacks", several, "y", []eci.Outcome{{"b", 2, 0}}},
		{"the only setting", `{"sources":{"a":{"x":{"mean":1}}}}`, "", []eci.Outcome{{"a", 1, 0}}},
		{"plain under sources", `{"sources":{"a":{"mean":1}}}`, "", []eci.Outcome{{"a", 1, 0}}},
		{"settings without sources", `{"a":{"x":{"mean":1}}}`, "x", []eci.Outcome{{"a", 1, 0}}},
	} {
		got, err := eci.ReadOutcomes("o.json", strings.NewReader(row.text), row.setting)
		if err != nil || !slices.Equal(got, row.want) {
			t.Errorf("%s: %v, %v", row.reason, got, err)
		}
	}
	for _, row := range []struct {
		reason, text, setting string
		kind                  error
		says                  string
	}{
		{"empty", ``, "", eci.ErrMalformed, "o.json"},
		{"a list", `[]`, "", eci.ErrMalformed, "not a JSON object"},
		{"truncated", `{"a":{"value":1}`, "", eci.ErrMalformed, ""},
		{"truncated value", `{"a":{"value":`, "", eci.ErrMalformed, ""},
		{"a bare name", `{"a":1,b`, "", eci.ErrMalformed, ""},
		{"trailing text", `{"a":{"value":1}} {}`, "", eci.ErrMalformed, "more after"},
		{"twice", `{"a":{"value":1},"a":{"value":2}}`, "", eci.ErrMalformed, `"a" occurs twice`},
		{"not a number", `{"a":{"value":"1"}}`, "", eci.ErrMalformed, `source "a"`},
		{"null", `{"a":{"value":null}}`, "", eci.ErrMalformed, `"value" is not a number`},
		{"NaN, as Python writes it", `{"a":{"value":NaN}}`, "", eci.ErrMalformed, ""},
		{"no value", `{"a":{"standard_error":1}}`, "", eci.ErrMissingField, "want value or mean"},
		{"a bad error", `{"a":{"value":1,"se":[]}}`, "", eci.ErrMalformed, `"se"`},
		{"a number for an object", `{"a":1}`, "", eci.ErrMalformed, `source "a"`},
		{"a bad setting", `{"a":{"x":{"mean":1},"y":2}}`, "", eci.ErrMalformed, `setting "y"`},
		{"a setting without value", `{"a":{"x":{}}}`, "", eci.ErrMissingField, `setting "x"`},
		{"sources that are none", `{"sources":[]}`, "", eci.ErrMalformed, "sources"},
		{"nothing", `{}`, "", eci.ErrOutcome, "there are none"},
		{"which setting?", several, "", eci.ErrOutcome, "x, y; choose one"},
		{"no such setting", several, "z", eci.ErrOutcome, `"z"; there are x, y`},
	} {
		got, err := eci.ReadOutcomes("o.json", strings.NewReader(row.text), row.setting)
		if got != nil || !errors.Is(err, row.kind) || !strings.Contains(fmt.Sprint(err), row.says) || !strings.HasPrefix(fmt.Sprint(err), "eci: o.json: ") {
			t.Errorf("%s: %v, %v", row.reason, got, err)
		}
	}
	broken := errors.New("broken")
	if _, err := eci.ReadOutcomes("o.json", iotest.ErrReader(broken), ""); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// FuzzReadOutcomes: any bytes give outcomes with names and numbers, or an error.
func FuzzReadOutcomes(f *testing.F) {
	f.Add([]byte(`{"bm25":{"value":0.041,"standard_error":0.008}}`), "")
	f.Add([]byte(`{"sources":{"b":{"x":{"mean":1,"se":0.5}}}}`), "x")
	f.Add([]byte(`{"a":{"":{"mean":1}},"a":`), "")
	f.Fuzz(func(t *testing.T, raw []byte, setting string) {
		got, err := eci.ReadOutcomes("f", strings.NewReader(string(raw)), setting)
		if (err == nil) == (len(got) == 0) {
			t.Fatalf("%v, %v", got, err)
		}
		seen := make(map[string]bool)
		for _, o := range got {
			if math.IsNaN(o.Value) || math.IsNaN(o.StandardError) || seen[o.Source] {
				t.Fatalf("%v", got)
			}
			seen[o.Source] = true
		}
	})
}
