package eci_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc64"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"example.com/eci"
)

// The fuzz targets of what is stored: whatever the bytes are, reading them does
// not panic, what is accepted is written again as it was read, and what is
// computed from it is finite.

func FuzzLexiconJSON(f *testing.F) {
	for _, l := range []*eci.Lexicon{eci.NewLexicon(nil), eci.NewLexicon(eci.CharacterNGrams{N: 2})} {
		for _, text := range []string{"The cat sat on the mat", "größe 東京", "the"} {
			l.Add(text)
		}
		raw, err := json.Marshal(l)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, "the cat", "a mat")
	}
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"tokenizer":"words","documents":-1}`, `{"documents":1,"document_frequencies":{"a":2}}`,
		`{"tokenizer":"0-grams","documents":9223372036854775807,"document_frequencies":{"a":4294967295,"":1}}`,
		`{"tokenizer":"99999999999999999999-grams","documents":1}`, `{"tokenizer":"mine","documents":1,"document_frequencies":{"a":1}}`,
	} {
		f.Add([]byte(seed), "a", "b")
	}
	f.Fuzz(func(t *testing.T, data []byte, a, b string) {
		l := new(eci.Lexicon)
		if l.UnmarshalJSON(data) != nil {
			if raw, err := json.Marshal(l); err != nil || !bytes.Contains(raw, []byte(`"documents":0`)) {
				t.Errorf("an error changed the lexicon to %s, %v", raw, err)
			}
			return
		}
		raw := storedAgain(t, l, new(eci.Lexicon))
		l.Add(a + b) // does not change what was stored
		var first eci.Lexicon
		if err := json.Unmarshal(raw, &first); err != nil {
			t.Fatal(err)
		}
		for _, x := range []float64{l.Coverage(a, b), l.Overlap(a, b), first.Coverage(a, b), first.Overlap(b, a)} {
			if !(x >= 0 && x <= 1) {
				t.Errorf("%v is not in [0, 1]", x)
			}
		}
	})
}

// storedAgain writes a value, reads it and writes it again.
func storedAgain(t *testing.T, value, empty any) []byte {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, empty); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	if again, err := json.Marshal(empty); err != nil || !bytes.Equal(raw, again) {
		t.Fatalf("%v\nwritten %s\nand     %s", err, raw, again)
	}
	return raw
}

func FuzzCalibrationJSON(f *testing.F) {
	source := madeUp("a", 20, 0.3)
	good, err := (&eci.Sem{}).Calibrate(f.Context(), source)
	if err != nil {
		f.Fatal(err)
	}
	raw, err := json.Marshal(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	for _, change := range [][2]string{
		{`"dimension":8`, `"dimension":-1`}, {`"dimension":8`, `"dimension":4`}, {`"dimension":8`, `"dimension":1e9`},
		{`"margin_scale":`, `"margin_scale":-`}, {`"margin_scale":`, `"margin_scale":1e308,"x":`}, {`"margin_scale":`, `"margin_scale":1e-320,"x":`},
		{`"similarity_midpoint":`, `"similarity_midpoint":1e308,"x":`}, {`"similarity_scale":`, `"similarity_scale":1e-9,"x":`}, {`"lexicon":`, `"lexicon":null,"x":`},
	} {
		f.Add(bytes.Replace(raw, []byte(change[0]), []byte(change[1]), 1))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cal := new(eci.Calibration)
		if json.Unmarshal(data, cal) != nil {
			return
		}
		if cal.Validate() != nil {
			return
		}
		storedAgain(t, cal, new(eci.Calibration))
		if _, err := cal.Hash(nil); err != nil {
			t.Fatal(err)
		}
		score, err := (&eci.Sem{Calibration: cal}).Score(t.Context(), source)
		if err != nil {
			return
		}
		for name, x := range map[string]float64{"value": score.Value, "trace": score.Trace, "bound": score.Bound, "effective dimension": score.EffectiveDimension} {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Errorf("%s is %v with %s", name, x, data)
			}
		}
	})
}

// FuzzInfluence forges influences, lengths and checksums and all: what is accepted is
// stored as it was read, and scores are finite or an error.
func FuzzInfluence(f *testing.F) {
	source := madeUp("a", 20, 0.3)
	in, err := (&eci.Choose{Lookahead: eci.Lookahead{Axes: 2}}).Influence(f.Context(), source)
	if err != nil {
		f.Fatal(err)
	}
	raw, err := in.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	const before = 12 // magic, version, length of the head
	size := int(binary.LittleEndian.Uint32(raw[8:]))
	head, numbers := raw[before:before+size], raw[before+size:len(raw)-8]
	f.Add(head, numbers)
	f.Add([]byte(`{"source":"YQ==","targeted":true,"disjoint":true,"queries":["AAAA"],"ids":["eA=="]}`), numbers)
	f.Add([]byte(`{"targeted":true,"ids":[""]}`), numbers)
	for at, b := range map[int]byte{0: 9, 4: 1, 8: 4, 12: 1, 22: 0, 30: 0x7f, len(numbers) - 1: 0x7f} {
		bad := bytes.Clone(numbers)
		bad[at] = b
		f.Add(head, bad)
	}
	var rows []*eci.Record
	for x, err := range source.Triples {
		if err != nil {
			f.Fatal(err)
		}
		rows = append(rows, x.(*eci.Record))
	}
	f.Fuzz(func(t *testing.T, head, numbers []byte) {
		data := binary.LittleEndian.AppendUint32(bytes.Clone(raw[:8]), uint32(len(head)))
		data = append(append(data, head...), numbers...)
		data = binary.LittleEndian.AppendUint64(data, crc64.Checksum(data, crc64.MakeTable(crc64.ECMA)))
		var first, again eci.Influence
		if err := first.UnmarshalBinary(data); err != nil {
			if !errors.Is(err, eci.ErrFormat) {
				t.Errorf("another error than ErrFormat: %v", err)
			}
			return
		}
		stored, err := first.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalBinary(stored); err != nil {
			t.Fatal(err)
		}
		if twice, err := again.MarshalBinary(); err != nil || !bytes.Equal(twice, stored) {
			t.Errorf("it is stored as something else (%v)", err)
		}
		scores := make([]float32, len(rows))
		if err := first.Score(t.Context(), scores, rows); err != nil {
			return
		}
		for i, x := range scores {
			if x := float64(x); math.IsNaN(x) || math.IsInf(x, 0) {
				t.Errorf("row %d has influence %v", i, x)
			}
		}
	})
}

// FuzzCheckpoint forges the files of a checkpoint, checksums and all: a run that
// finds them ends in an error or in a ranking that can be printed and stored.
func FuzzCheckpoint(f *testing.F) {
	dir := f.TempDir()
	sem := &eci.Sem{Checkpoint: dir, Groups: 2}
	sources := []eci.Source{madeUp("a", 12, 0.3), madeUp("b", 12, 0.5)}
	if _, err := eci.Rank(f.Context(), sem, sources...); err != nil {
		f.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.eci"))
	if err != nil || len(files) != 2 {
		f.Fatal(files, err)
	}
	var good [][]byte
	for i, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		good = append(good, raw)
		f.Add(uint8(i), raw[sha256.Size:])
		f.Add(uint8(i), raw[sha256.Size:len(raw)/2])
		f.Add(uint8(i), []byte(nil))
		f.Add(uint8(i), []byte(`{"lexicon":{}}`))
	}
	f.Fuzz(func(t *testing.T, which uint8, content []byte) {
		i := int(which) % len(files)
		sum := sha256.Sum256(content)
		for k, file := range files {
			raw := good[k]
			if k == i {
				raw = append(sum[:], content...)
			}
			if err := os.WriteFile(file, raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		ranking, err := eci.Rank(t.Context(), sem, sources...)
		if err != nil {
			return
		}
		if len(ranking.Ranked) != len(sources) {
			t.Fatalf("%d sources were ranked", len(ranking.Ranked))
		}
		_ = ranking.String()
		if _, err := json.Marshal(ranking); err != nil {
			t.Error(err)
		}
	})
}

// FuzzCharacterNGrams: grams are those of a loop over the words' characters.
func FuzzCharacterNGrams(f *testing.F) {
	for _, seed := range []string{"", "The catalog", "Größe 東京都庁 ١٢٣٤٥", "a\xffbcdefg", "İstanbul", "ﬀﬀﬀﬀﬀ x_y"} {
		f.Add(seed, 0)
		f.Add(seed, 1)
		f.Add(seed, -3)
	}
	f.Add("longer", math.MaxInt)
	f.Fuzz(func(t *testing.T, text string, n int) {
		var want []string
		length := n
		if n <= 0 {
			length = 4
		}
		// Whole runs of letters and digits, which Words splits in some scripts.
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			word = strings.Map(unicode.ToLower, word)
			runes := []rune(word)
			if len(runes) <= length {
				want = append(want, word)
				continue
			}
			for i := range len(runes) - length + 1 {
				want = append(want, string(runes[i:i+length]))
			}
		}
		got := (eci.CharacterNGrams{N: n}).AppendTokens([]string{"before"}, text)
		if strings.Join(got[1:], "|") != strings.Join(want, "|") || len(got) != len(want)+1 || got[0] != "before" {
			t.Errorf("%q has %q, want %q", text, got, want)
		}
		for _, token := range got {
			if token == "" || !utf8.ValidString(token) {
				t.Errorf("%q has the token %q", text, token)
			}
		}
	})
}
