package eci

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"example.com/eci/internal/jsonobject"
)

// ReadOutcomes reads measured outcomes from JSON in one of two shapes:
//
//	{"bm25": {"value": 0.041, "standard_error": 0.008}, ...}
//	{"metric": "...", "sources": {"bm25": {"inb8": {"mean": 0.041, "se": 0.008}, ...}, ...}}
//
// In both, "mean" and "se" are synonyms of "value" and "standard_error". A missing
// standard error is 0. In the second shape, a source may have outcomes under
// several settings of the training, and other top-level fields are ignored. setting
// is the name of the one to read; it may be empty if there is only one. Sources
// without that setting are left out. Outcomes are in the order of the file. name is
// that of the file, for error messages. Errors are ErrMalformed, ErrMissingField
// and ErrOutcome, ErrSettings for a nil reader, and those of r.
func ReadOutcomes(name string, r io.Reader, setting string) ([]Outcome, error) {
	fail := func(err error) ([]Outcome, error) { return nil, &RowError{File: name, Err: err} }
	if r == nil {
		return fail(fmt.Errorf("%w: the reader is nil", ErrSettings))
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return fail(err)
	}
	members, err := jsonobject.Members(raw)
	if err != nil {
		return fail(fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	if i := slices.IndexFunc(members, func(m jsonobject.Member) bool { return m.Name == "sources" }); i >= 0 {
		members, err = jsonobject.Members(members[i].Raw)
		if err != nil {
			return fail(fmt.Errorf("sources: %w: %w", ErrMalformed, err))
		}
	}
	var outcomes []Outcome
	var settings []string
	for _, m := range members {
		found, err := readOutcome(m)
		if err != nil {
			return fail(fmt.Errorf("source %q: %w", m.Name, err))
		}
		for _, o := range found {
			if !slices.Contains(settings, o.Source) {
				settings = append(settings, o.Source)
			}
			if setting == "" || o.Source == setting {
				o.Source = m.Name
				outcomes = append(outcomes, o)
			}
		}
	}
	switch {
	case setting == "" && len(settings) > 1:
		return fail(fmt.Errorf("%w: there are several settings, %s; choose one", ErrOutcome, strings.Join(settings, ", ")))
	case len(outcomes) == 0 && setting != "":
		return fail(fmt.Errorf("%w: none for setting %q; there are %s", ErrOutcome, setting, strings.Join(settings, ", ")))
	case len(outcomes) == 0:
		return fail(fmt.Errorf("%w: there are none", ErrOutcome))
	}
	return outcomes, nil
}

// readOutcome reads the value of a source: an outcome, or one for each setting.
// Source is the name of the setting, empty for a plain outcome.
func readOutcome(m jsonobject.Member) ([]Outcome, error) {
	inner, err := jsonobject.Members(m.Raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(inner) == 0 || !inner[0].IsObject() {
		o := Outcome{}
		err := o.read(inner)
		return []Outcome{o}, err
	}
	var list []Outcome
	for _, s := range inner {
		fields, err := jsonobject.Members(s.Raw)
		if err != nil {
			return nil, fmt.Errorf("setting %q: %w: %w", s.Name, ErrMalformed, err)
		}
		o := Outcome{Source: s.Name}
		if err := o.read(fields); err != nil {
			return nil, fmt.Errorf("setting %q: %w", s.Name, err)
		}
		list = append(list, o)
	}
	return list, nil
}

// read takes value and standard error from the fields of an object.
func (o *Outcome) read(fields []jsonobject.Member) error {
	value, ok, err := jsonobject.Number(fields, "value", "mean")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !ok {
		return fmt.Errorf("%w: want value or mean", ErrMissingField)
	}
	o.Value = value
	o.StandardError, _, err = jsonobject.Number(fields, "standard_error", "se")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}
