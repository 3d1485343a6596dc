package main

import (
	"bytes"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const measured = `{"cores":2,"groups":32,"peak_gflops":100,"memory_gb_s":10,"parse_mb_s":200,"points":[
{"against":"triples","sources":3,"triples":1250,"dimension":768,"bytes":3000000,"sides":[{"name":"NumPy","processor_seconds":2},{"name":"Go","processor_seconds":1}]},
{"against":"triples","sources":3,"triples":20000,"dimension":768,"bytes":30000000,"sides":[{"name":"NumPy","processor_seconds":6},{"name":"Go","processor_seconds":2}]},
{"against":"dimensions","sources":2,"triples":5000,"dimension":384,"bytes":3000000,"sides":[{"name":"NumPy","processor_seconds":2},{"name":"Go","processor_seconds":1}]},
{"against":"dimensions","sources":2,"triples":5000,"dimension":4096,"bytes":3000000,"sides":[{"name":"NumPy","processor_seconds":20},{"name":"Go","processor_seconds":11}]},
{"against":"sources","sources":1,"triples":5000,"dimension":384,"bytes":3000000,"sides":[{"name":"NumPy","processor_seconds":2},{"name":"Go","processor_seconds":1}]},
{"against":"sources","sources":9,"triples":5000,"dimension":384,"bytes":3000000,"sides":[{"name":"NumPy","processor_seconds":18},{"name":"Go","processor_seconds":9}]}]}`

// TestRun draws a few points: the picture has its size, the drawing its words, and
// both are the same when they are drawn again.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "growth.json"), filepath.Join(dir, "growth")
	if err := os.WriteFile(in, []byte(measured), 0o600); err != nil {
		t.Fatal(err)
	}
	var before [2][]byte
	for range 2 {
		if err := run(in, out); err != nil {
			t.Fatal(err)
		}
		for k, extension := range []string{".png", ".svg"} {
			data, err := os.ReadFile(out + extension)
			if err != nil || before[k] != nil && !bytes.Equal(data, before[k]) {
				t.Fatalf("%s: error %v, or drawn in two ways", extension, err)
			}
			before[k] = data
		}
	}
	if picture, err := png.Decode(bytes.NewReader(before[0])); err != nil || picture.Bounds().Dx() < 1000 {
		t.Error("the picture:", err)
	}
	for _, word := range []string{"NumPy", "limit of the machine", "dimensions", "20000"} {
		if !strings.Contains(string(before[1]), word) {
			t.Errorf("the drawing lacks %q", word)
		}
	}
}

// TestRunRefuses what cannot be drawn, with the name of the file.
func TestRunRefuses(t *testing.T) {
	in := filepath.Join(t.TempDir(), "growth.json")
	for _, test := range []struct{ reason, text, want string }{
		{"no JSON", "processor_seconds", "growth.json"},
		{"no points along an axis", `{"points":[]}`, "triples"},
		{"no time", strings.Replace(measured, `"processor_seconds":6`, `"processor_seconds":0`, 1), "NumPy"},
	} {
		if err := os.WriteFile(in, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := run(in, in); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v", test.reason, err)
		}
	}
	if err := run(in+".gone", in); err == nil {
		t.Error("a file that is not there")
	}
}

// TestLimit is worked out by hand: 4,000 triples of d = 1,000 update 4e9 elements, 33
// log-determinants are 11e9 multiply-adds of float64, which count twice.
func TestLimit(t *testing.T) {
	g := growth{Groups: 32, Peak: 100, Memory: 10, Parse: 200}
	p := point{Sources: 1, Triples: 4000, Dimension: 1000, Bytes: 100e6}
	want := (4e9+33*1e9/3*2)/100e9 + 100e6/200e6 + 4000*4*4*1000/10e9
	if got := g.limit(&p); math.Abs(got-want) > 1e-12 {
		t.Errorf("%v seconds, want %v", got, want)
	}
}
