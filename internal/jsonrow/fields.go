package jsonrow

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/quote"
)

// Numbered returns the fields prefix0, prefix1 and so on in the order of their
// numbers. If a name occurs more than once, the last one counts, as in [Object.Get].
func (o *Object) Numbered(prefix string) []Field {
	type field struct {
		Field
		k int
	}
	var found []field
	for _, f := range o.Fields {
		if len(f.Name) > len(prefix) && string(f.Name[:len(prefix)]) == prefix {
			suffix := string(f.Name[len(prefix):])
			if k, err := strconv.Atoi(suffix); err == nil && k >= 0 && strconv.Itoa(k) == suffix {
				found = append(found, field{f, k})
			}
		}
	}
	slices.Reverse(found) // so that the last of a name comes first
	slices.SortStableFunc(found, func(a, b field) int { return cmp.Compare(a.k, b.k) })
	var fields []Field
	for i, f := range found {
		if i == 0 || f.k != found[i-1].k {
			fields = append(fields, f.Field)
		}
	}
	return fields
}

// First returns the first of the named fields that exists and is not null.
func (o *Object) First(names []string) (name string, raw []byte, ok bool) {
	for _, name := range names {
		if raw, ok := o.Value(name); ok {
			return name, raw, true
		}
	}
	return "", nil, false
}

// Has reports whether one of the named fields exists and is not null.
func (o *Object) Has(names []string) bool {
	_, _, ok := o.First(names)
	return ok
}

// Text returns the first of the named fields that exists, or "".
func (o *Object) Text(names ...string) (string, error) {
	name, raw, ok := o.First(names)
	switch {
	case !ok:
		return "", nil
	case raw[0] != '"':
		return "", fmt.Errorf("%w: field %q is not a string", fault.Malformed, quote.Clip(name))
	}
	return Unquote(raw), nil
}

// RequiredText is like Text, but returns an error if no field exists.
func (o *Object) RequiredText(names ...string) (string, error) {
	if !o.Has(names) {
		return "", o.Missing(names...)
	}
	return o.Text(names...)
}

// Missing returns the error of a row without any of the named fields.
func (o *Object) Missing(names ...string) error {
	for _, name := range names {
		if _, ok := o.Get(name); ok {
			return fmt.Errorf("%w: %s is null", fault.MissingField, quote.Clip(name))
		}
	}
	return fmt.Errorf("%w: want %s, have %s", fault.MissingField, strings.Join(names, " or "), o.Names())
}

// Names returns the names of the fields in alphabetical order.
func (o *Object) Names() string {
	names := make([]string, len(o.Fields))
	for i, f := range o.Fields {
		names[i] = string(f.Name)
	}
	slices.Sort(names)
	return quote.Names(slices.Compact(names))
}

// ID returns the first of the named IDs that exists, a string or a number, or "".
func (o *Object) ID(names ...string) (string, error) {
	name, raw, ok := o.First(names)
	switch {
	case !ok:
		return "", nil
	case raw[0] == '"':
		return Unquote(raw), nil
	case raw[0] == '-' || raw[0]-'0' <= 9:
		return string(raw), nil
	}
	return "", fmt.Errorf("%w: field %q is neither string nor number", fault.Malformed, quote.Clip(name))
}

// Vector returns an optional vector.
func (o *Object) Vector(name string) ([]float32, error) {
	raw, ok := o.Value(name)
	if !ok {
		return nil, nil
	}
	return AppendNumbers(nil, name, raw)
}

// AppendNumbers appends the numbers of a validated JSON list, the value of a field. A
// null is not a number.
func AppendNumbers(dst []float32, name string, raw []byte) ([]float32, error) {
	if raw[0] != '[' {
		return dst, fmt.Errorf("%w: field %q is not a list of numbers", fault.Malformed, name)
	}
	err := EachElement(raw, func(k int, number []byte) error {
		x, err := strconv.ParseFloat(string(number), 32)
		if number[0] != '-' && number[0]-'0' > 9 || Null(number) || err != nil {
			return fmt.Errorf("%w: field %q: component %d is no number that float32 holds: %s", fault.Malformed, name, k, quote.Clip(number))
		}
		dst = append(dst, float32(x))
		return nil
	})
	return dst, err
}

// EachField calls fn with the name and value of every field of a validated JSON
// object. If a name occurs twice, the last one counts, as in encoding/json.
func EachField(object []byte, fn func(name, value []byte) error) error {
	for i := SkipSpace(object, 1); object[i] != '}'; {
		end, plain, err := skipString(object, i)
		if err != nil {
			return err
		}
		name := object[i+1 : end-1]
		if !plain {
			name = appendUnquoted(nil, name)
		}
		i = SkipSpace(object, SkipSpace(object, end)+1) // after the colon
		if end, err = SkipValue(object, i, 1); err != nil {
			return err
		}
		if err := fn(name, object[i:end]); err != nil {
			return err
		}
		if i = SkipSpace(object, end); object[i] == ',' {
			i = SkipSpace(object, i+1)
		}
	}
	return nil
}

// EachElement calls fn with every element of a validated JSON list and its
// 1-based position.
func EachElement(list []byte, fn func(k int, raw []byte) error) error {
	i := SkipSpace(list, 1)
	for k := 1; list[i] != ']'; k++ {
		end, err := SkipValue(list, i, 1)
		if err != nil {
			return err
		}
		if err := fn(k, list[i:end]); err != nil {
			return err
		}
		if i = SkipSpace(list, end); list[i] == ',' {
			i = SkipSpace(list, i+1)
		}
	}
	return nil
}
