package jsonobject

import (
	"encoding/json"
	"testing"
)

func TestMembers(t *testing.T) {
	for _, test := range []struct {
		reason, raw string
		names       string // in order; "-" for an error
	}{
		{"the order of the file", `{"b": 1, "a": {"c": 2}}`, "ba"},
		{"an empty object", ` {} `, ""},
		{"a name that occurs twice", `{"a": 1, "a": 2}`, "-"},
		{"the same name, escaped", `{"a": 1, "\u0061": 2}`, "-"},
		{"an array", `[1]`, "-"},
		{"two objects", `{} {}`, "-"},
		{"text after the object", `{} x`, "-"},
		{"an object that does not end", `{"a": 1`, "-"},
		{"nothing", ``, "-"},
	} {
		members, err := Members([]byte(test.raw))
		names := ""
		for _, m := range members {
			names += m.Name
		}
		if err != nil {
			names = "-"
		}
		if names != test.names {
			t.Errorf("%s: %s: got %q (%v), want %q", test.reason, test.raw, names, err, test.names)
		}
	}
}

func TestNumber(t *testing.T) {
	members, err := Members([]byte(`{"text": "1", "none": null, "mean": 2.5, "value": 3, "o": {"x": 1}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		reason string
		names  []string
		want   float64
		ok     bool
		fails  bool
	}{
		{"the first in the order of the file", []string{"value", "mean"}, 2.5, true, false},
		{"no such name", []string{"other"}, 0, false, false},
		{"a string", []string{"text"}, 0, false, true},
		{"null", []string{"none"}, 0, false, true},
	} {
		if x, ok, err := Number(members, test.names...); x != test.want || ok != test.ok || (err != nil) != test.fails {
			t.Errorf("%s: got %v, %v, %v", test.reason, x, ok, err)
		}
	}
	if members[0].IsObject() || !members[4].IsObject() {
		t.Error("which value is an object")
	}
}

func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"a":{},"b":[]}`, `{`, `{"a":1}{}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		members, err := Members([]byte(raw))
		if err != nil {
			return
		}
		var all map[string]json.RawMessage
		if err := json.Unmarshal([]byte(raw), &all); err != nil || len(all) != len(members) {
			t.Fatalf("%q: %d members; as a map %d, %v", raw, len(members), len(all), err)
		}
	})
}
