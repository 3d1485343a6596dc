package jsonrow

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"example.com/eci/internal/fault"
)

// scanSeeds are lines that a reader of JSON gets wrong easily.
var scanSeeds = []string{
	`{}`, ` { } `, `null`, ` null `, `nul`, `nullx`, `[]`, `"a"`, `1`, ``, `{`, `}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,"a":1}`, `{"a":1}{}`, `{"a":1} x`,
	`{"a":"b"}`, `{"a" : "b" , "c" : null}`, `{"a":1,"a":2}`, `{"":0}`, `{'a':1}`, `{a:1}`,
	`{"a":0}`, `{"a":-0}`, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e5}`, `{"a":1E+5}`, `{"a":1e}`, `{"a":1e+}`, `{"a":-1.25e-3}`, `{"a":+1}`, `{"a":NaN}`, `{"a":0x1}`, `{"a":-01}`,
	`{"a":true,"b":false}`, `{"a":tru}`, `{"a":falsee}`, `{"a":True}`,
	`{"a":[1,[2,{"b":[]}],"]"]}`, `{"a":[1,]}`, `{"a":[,1]}`, `{"a":[1 2]}`, `{"a":[}`, `{"a":{]}`,
	`{"a":"\"\\\/\b\f\n\r\t"}`, `{"a":"\u00e9\u0000\uABCD\uabcd"}`, `{"a":"\u12"}`, `{"a":"\u12G4"}`, `{"a":"\x"}`, `{"a":"\`, `{"a":"\u`,
	`{"a":"\ud83d\ude00"}`, `{"a":"\ud83d"}`, `{"a":"\ud83dx"}`, `{"a":"\ud83d\u0041"}`, `{"a":"\ude00\ud83d"}`, `{"a":"\ud83d\ud83d\ude00"}`, `{"a":"\ud83d\n"}`,
	"{\"a\":\"tab\there\"}", "{\"a\":\"\x00\"}", "{\"a\":\"\x1f\"}", "{\"a\":\"\x7f\"}", "{\"a\":\"\xff\xfe\"}", "{\"\xff\":1}", "{\"a\":\"\xc3\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"é 漢 😀\"}", "\xef\xbb\xbf{}",
	`{"\u0061":1}`, `{"\ud83d":1,"b":2}`, "{\"a\":\n1}\r\n", "{\"a\":1\v}", "{\"a\":1\u00a0}",
	`{"long":"a string of more than eight bytes, so that whole words are looked at, with a quote \" in it"}`,
	`{"long":"a string of more than eight bytes with é in the first word that is looked at"}`,
}

// TestScanAgainstEncodingJSON is the twin of FuzzScan over the seeds, deep
// nesting and every truncation of a line with everything in it.
func TestScanAgainstEncodingJSON(t *testing.T) {
	seeds := scanSeeds
	for _, depth := range []int{9998, 9999, 10000, 10001} {
		seeds = append(seeds, `{"a":`+strings.Repeat("[", depth)+strings.Repeat("]", depth)+`}`,
			strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth))
	}
	full := `{"a\n":"\ud83d\ude00 é","b":[1.5e-3,true,false,null,{"c":""}],"d":{"e":[]}}`
	for i := range full {
		seeds = append(seeds, full[:i], full[i:])
	}
	for _, line := range seeds {
		compareScan(t, []byte(line))
	}
}

// FuzzScan holds the scanner against encoding/json: the same lines accepted, the
// same fields, the same strings.
func FuzzScan(f *testing.F) {
	for _, line := range scanSeeds {
		f.Add([]byte(line))
	}
	f.Fuzz(compareScan)
}

func compareScan(t *testing.T, line []byte) {
	var want map[string]json.RawMessage
	wantErr := json.Unmarshal(line, &want)
	var got Object
	err := got.Parse(line)
	if err == nil && wantErr != nil && pythonNumber.Match(line) {
		return // as Python writes it; TestPythonNumbers
	}
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%.200q: error %v, encoding/json %v", line, err, wantErr)
	}
	if err != nil {
		if !errors.Is(err, fault.Malformed) || len(got.Fields) != 0 {
			t.Fatalf("%.200q: error %v with %d fields", line, err, len(got.Fields))
		}
		return
	}
	names := map[string]bool{}
	for _, f := range got.Fields {
		names[string(f.Name)] = true
	}
	if len(names) != len(want) {
		t.Fatalf("%.200q: fields %v, encoding/json %v", line, names, want)
	}
	for name, raw := range want {
		value, ok := got.Get(name)
		if !ok || string(value) != string(raw) {
			t.Fatalf("%.200q: field %q is %.200q, encoding/json %.200q", line, name, value, raw)
		}
		switch raw[0] {
		case '"':
			var text string
			if err := json.Unmarshal(raw, &text); err != nil {
				t.Fatal(err)
			}
			if got := Unquote(value); got != text {
				t.Fatalf("%.200q: field %q is %q, encoding/json %q", line, name, got, text)
			}
		case '[':
			var list []json.RawMessage
			if err := json.Unmarshal(raw, &list); err != nil {
				t.Fatal(err)
			}
			n := 0
			err := EachElement(value, func(k int, element []byte) error {
				if n++; k != n || k > len(list) || string(element) != string(list[k-1]) {
					t.Fatalf("%.200q: element %d of %q is %.200q", line, k, name, element)
				}
				return nil
			})
			if err != nil || n != len(list) {
				t.Fatalf("%.200q: %d elements of %d, error %v", line, n, len(list), err)
			}
		}
	}
}

var pythonNumber = regexp.MustCompile(`[:,\[]\s*-?(NaN|Infinity)`)

// TestPythonNumbers: NaN and Infinity are read as null is, and only where a value
// may stand.
func TestPythonNumbers(t *testing.T) {
	for line, ok := range map[string]bool{
		`{"a":NaN,"b":1}`: true, `{"a":Infinity,"b":1}`: true, `{"a":-Infinity,"b":1}`: true,
		`{"c":[NaN,{"d":NaN}],"b":1}`: true,
		`{"a":nan,"b":1}`:             false, `{"a":Nan,"b":1}`: false, `{"a":-NaN,"b":1}`: false, `{"a":+Infinity}`: false, `{"a":Inf}`: false, `{NaN:1}`: false, `NaN`: false,
	} {
		var o Object
		if err := o.Parse([]byte(line)); (err == nil) != ok {
			t.Errorf("%s: error %v", line, err)
		}
		if _, there := o.Value("a"); there {
			t.Errorf("%s: a is there", line)
		}
		if raw, there := o.Value("b"); ok && (!there || string(raw) != "1") {
			t.Errorf("%s: b is %q", line, raw)
		}
	}
	for _, list := range []string{`[1,NaN]`, `[Infinity]`, `[-Infinity]`} {
		if _, err := AppendNumbers(nil, "v", []byte(list)); !errors.Is(err, fault.Malformed) {
			t.Errorf("%s: error %v", list, err)
		}
	}
}

func TestScanSaysWhere(t *testing.T) {
	for line, says := range map[string]string{
		`{"a":1,}`:        "'}' in column 8, where a field name",
		`{"a" 1}`:         "'1' in column 6, where a colon",
		`{"a":"b`:         "ends after column 7, where a closing quote",
		"{\"a\":\"\tb\"}": "control characters must be escaped",
		`["q","p"]`:       "where an object should be",
		`{"a":“b”}`:       "'“' in column 6",
	} {
		err := new(Object).Parse([]byte(line))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want %q", line, err, says)
		}
	}
}
