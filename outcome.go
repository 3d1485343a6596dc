package eci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ReadOutcomes reads measured outcomes from JSON, in either of two shapes:
//
//	{"bm25": {"value": 0.041, "standard_error": 0.008}, ...}
//	{"metric": "...", "sources": {"bm25": {"inb8": {"mean": 0.041, "se": 0.008}, ...}, ...}}
//
// "mean" and "se" are other words for "value" and "standard_error" in both; the
// standard error is 0 where there is none. In the second shape, whose other
// top-level fields are ignored, a source may have outcomes under several settings
// of the training: setting names the one to take, and may be empty when there is
// only one. Sources without that setting are left out. The outcomes come in the
// order of the file; name is the file's, for error messages, which are of the
// kinds ErrMalformed, ErrMissingField and ErrOutcome.
func ReadOutcomes(name string, r io.Reader, setting string) ([]Outcome, error) {
	fail := func(err error) ([]Outcome, error) { return nil, &RowError{File: name, Err: err} }
	raw, err := io.ReadAll(r)
	if err != nil {
		return fail(err)
	}
	members, err := readMembers(raw)
	if err != nil {
		return fail(err)
	}
	if i := slices.IndexFunc(members, func(m member) bool { return m.name == "sources" }); i >= 0 {
		if members, err = readMembers(members[i].raw); err != nil {
			return fail(fmt.Errorf("sources: %w", err))
		}
	}
	var outcomes []Outcome
	var settings []string
	for _, m := range members {
		found, err := readOutcome(m)
		if err != nil {
			return fail(fmt.Errorf("source %q: %w", m.name, err))
		}
		for _, o := range found {
			if !slices.Contains(settings, o.Source) {
				settings = append(settings, o.Source)
			}
			if setting == "" || o.Source == setting {
				o.Source = m.name
				outcomes = append(outcomes, o)
			}
		}
	}
	switch {
	case setting == "" && len(settings) > 1:
		return fail(fmt.Errorf("%w: there are several settings, %s; name one", ErrOutcome, strings.Join(settings, ", ")))
	case len(outcomes) == 0 && setting != "":
		return fail(fmt.Errorf("%w: none for setting %q; there are %s", ErrOutcome, setting, strings.Join(settings, ", ")))
	case len(outcomes) == 0:
		return fail(fmt.Errorf("%w: there are none", ErrOutcome))
	}
	return outcomes, nil
}

// readOutcome reads what stands under a source: an outcome, or one for each
// setting. Source is the name of the setting, empty for a plain outcome.
func readOutcome(m member) ([]Outcome, error) {
	inner, err := readMembers(m.raw)
	if err != nil {
		return nil, err
	}
	if len(inner) > 0 && bytes.HasPrefix(inner[0].raw, []byte("{")) {
		var list []Outcome
		for _, s := range inner {
			fields, err := readMembers(s.raw)
			if err != nil {
				return nil, fmt.Errorf("setting %q: %w", s.name, err)
			}
			o, err := plainOutcome(fields)
			if err != nil {
				return nil, fmt.Errorf("setting %q: %w", s.name, err)
			}
			o.Source = s.name
			list = append(list, o)
		}
		return list, nil
	}
	o, err := plainOutcome(inner)
	return []Outcome{o}, err
}

func plainOutcome(fields []member) (o Outcome, err error) {
	number := func(names ...string) (x float64, ok bool, err error) {
		for _, f := range fields {
			if slices.Contains(names, f.name) {
				var at *float64
				if err := json.Unmarshal(f.raw, &at); err != nil || at == nil {
					return 0, false, fmt.Errorf("%w: field %q is not a number", ErrMalformed, f.name)
				}
				return *at, true, nil
			}
		}
		return 0, false, nil
	}
	value, ok, err := number("value", "mean")
	if err != nil {
		return o, err
	}
	if !ok {
		return o, fmt.Errorf("%w: want value or mean", ErrMissingField)
	}
	o.Value = value
	o.StandardError, _, err = number("standard_error", "se")
	return o, err
}

// member is one name and value of a JSON object.
type member struct {
	name string
	raw  json.RawMessage
}

// readMembers splits a JSON object into its members, in order, and refuses a
// name that stands there twice, of which a map would keep the last in silence.
func readMembers(raw []byte) ([]member, error) {
	in := json.NewDecoder(bytes.NewReader(raw))
	if open, err := in.Token(); err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("%w: not a JSON object", ErrMalformed)
	}
	var members []member
	seen := make(map[string]bool)
	for in.More() {
		key, err := in.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		m := member{name: key.(string)} // a token before a value is a name
		if seen[m.name] {
			return nil, fmt.Errorf("%w: %q stands there twice", ErrMalformed, m.name)
		}
		seen[m.name] = true
		if err := in.Decode(&m.raw); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		members = append(members, m)
	}
	if _, err := in.Token(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, err := in.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: more after the object", ErrMalformed)
	}
	return members, nil
}
