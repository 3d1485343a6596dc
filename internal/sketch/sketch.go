// Package sketch records just enough about texts and their vectors to distinguish one
// encoder from another, or one reading of the same data from the next.
package sketch

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"math"
	"slices"
	"unsafe"

	"example.com/eci/internal/hash64"
)

// Mark is what is recorded about the vector of one text. It is a plain value and safe
// for concurrent use.
type Mark struct {
	// Query means that the text was embedded as a query, not as a document.
	Query bool `json:"query,omitempty"`
	// Text is the hex form of the first 14 bytes of the text's SHA-256, Sum its
	// CRC-32C.
	Text string `json:"text"`
	Sum  uint32 `json:"sum"`
	// Signs are four sums of the components of the unit vector with fixed signs.
	Signs [4]float32 `json:"signs"`
}

// slack is wider than what rounding to 8 bits, or another order of the sums in an
// encoder, does to a sum. For unit vectors at random two sums differ with standard
// deviation 1.4.
const slack = 0.05

// Of returns the mark of a text and its vector, of finite components and positive
// norm.
func Of(query bool, text string, v []float32) Mark {
	return Mark{query, fingerprint(text), Sum(text), signs(v)}
}

func fingerprint(text string) string {
	sum := sha256.Sum256(bytes(text))
	return hex.EncodeToString(sum[:14])
}

func signs(v []float32) (s [4]float32) {
	var sums [4]float64
	var square float64
	for k, x := range v {
		bits := hash64.Mix(uint64(k))
		square += float64(x) * float64(x)
		for j := range sums {
			if bits>>j&1 == 0 {
				sums[j] += float64(x)
			} else {
				sums[j] -= float64(x)
			}
		}
	}
	for j, sum := range sums {
		s[j] = float32(sum / math.Sqrt(square))
	}
	return s
}

// Alike reports whether two marks may be of one text and one encoder.
func (m Mark) Alike(o Mark) bool {
	for j, x := range m.Signs {
		if !(math.Abs(float64(x)-float64(o.Signs[j])) <= slack) {
			return false
		}
	}
	return m.Query == o.Query && m.Text == o.Text
}

// key finds the mark of a text quickly; Mark.Text confirms it.
type key struct {
	query bool
	sum   uint32
}

func (m Mark) key() key { return key{m.Query, m.Sum} }

func (k key) hash() uint64 {
	h := uint64(k.sum)
	if k.query {
		h |= 1 << 32
	}
	return hash64.Mix(h)
}

// Sample collects the marks of the texts with the smallest hashes, at most Size of
// them. The order in which texts are offered does not matter, and a text that was
// offered with different vectors is left out.
type Sample struct {
	Size  int
	found []found // ascending
}

type found struct {
	hash uint64
	mark Mark
	bad  bool
}

// Offer records a text with its vector if its hash is small enough.
func (s *Sample) Offer(query bool, text string, v []float32) {
	hash := key{query, Sum(text)}.hash()
	at, ok := slices.BinarySearchFunc(s.found, hash, func(f found, hash uint64) int { return cmp.Compare(f.hash, hash) })
	if !ok && at >= s.Size {
		return
	}
	mark := Of(query, text, v)
	if ok {
		s.found[at].bad = s.found[at].bad || !s.found[at].mark.Alike(mark)
		return
	}
	s.found = slices.Insert(s.found, at, found{hash: hash, mark: mark})
	s.found = s.found[:min(len(s.found), s.Size)]
}

// Marks returns the marks, by hash.
func (s *Sample) Marks() (marks []Mark) {
	for _, f := range s.found {
		if !f.bad {
			marks = append(marks, f.mark)
		}
	}
	return marks
}

// Expected are marks to compare with, each once.
type Expected map[key]Mark

// Expect returns marks as Expected.
func Expect(marks []Mark) Expected {
	e := make(Expected, len(marks))
	for _, m := range marks {
		e[m.key()] = m
	}
	return e
}

// Differs reports whether there is a mark of the text with a different vector. A text
// that was compared is not compared again.
func (e Expected) Differs(query bool, text string, v []float32) bool {
	if len(e) == 0 {
		return false
	}
	at := key{query, Sum(text)}
	want, ok := e[at]
	if !ok || want.Text != fingerprint(text) {
		return false
	}
	delete(e, at)
	return !want.Alike(Of(query, text, v))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sum returns the CRC-32C of a text, and Sums that of a vector as it is stored in
// memory. They are fast, and only comparable within one machine.
func Sum(text string) uint32 { return crc32.Checksum(bytes(text), castagnoli) }

// Sums is described with Sum.
func Sums(v []float32) uint32 {
	return crc32.Checksum(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v)), castagnoli)
}

// bytes are those of a text without a copy, to be read only.
func bytes(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }
