// Package jsonobject reads JSON objects whose order and duplicate names matter.
// encoding/json's maps silently keep the last of two values.
package jsonobject

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Member is one name and value of an object.
type Member struct {
	Name string
	Raw  json.RawMessage
}

// Members returns the members of the object in raw, in order. It fails for
// anything but exactly one object, and for a name that occurs twice.
func Members(raw []byte) ([]Member, error) {
	in := json.NewDecoder(bytes.NewReader(raw))
	if open, err := in.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	var members []Member
	seen := make(map[string]bool)
	for in.More() {
		key, err := in.Token()
		if err != nil {
			return nil, err
		}
		m := Member{Name: key.(string)} // a token before a value is a name
		if seen[m.Name] {
			return nil, fmt.Errorf("%q occurs twice", m.Name)
		}
		seen[m.Name] = true
		if err := in.Decode(&m.Raw); err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	if _, err := in.Token(); err != nil {
		return nil, err
	}
	if _, err := in.Token(); err != io.EOF {
		return nil, errors.New("more after the object")
	}
	return members, nil
}

// IsObject reports whether a member's value is an object.
func (m Member) IsObject() bool { return bytes.HasPrefix(m.Raw, []byte("{")) }

// Number returns the value of the first member with one of the names. ok is false if
// there is none. null is not a number.
func Number(members []Member, names ...string) (x float64, ok bool, err error) {
	for _, m := range members {
		for _, name := range names {
			if m.Name != name {
				continue
			}
			var value *float64
			if err := json.Unmarshal(m.Raw, &value); err != nil || value == nil {
				return 0, false, fmt.Errorf("field %q is not a number", m.Name)
			}
			return *value, true, nil
		}
	}
	return 0, false, nil
}
