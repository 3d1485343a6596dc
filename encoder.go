package eci

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"unsafe"
)

// EncoderMark tells the encoder of a calibration from others, as far as it is
// known. It holds no text and no secret.
// Goroutines may share one that none of them changes.
type EncoderMark struct {
	// Identity is a digest of what an [IdentifiedEmbedder] says of itself; empty for
	// any other Embedder, and where there was none.
	Identity string `json:"identity,omitempty"`
	// Vectors are of up to 32 queries and positives that the calibration has seen.
	Vectors []VectorMark `json:"vectors,omitempty"`
}

// VectorMark is what is remembered of the vector of one text.
// It is a value, which goroutines may share.
type VectorMark struct {
	// Query says that the text was embedded as a query, not as a document.
	Query bool `json:"query,omitempty"`
	// Text is the hex form of the first 14 bytes of the text's SHA-256, Sum its
	// CRC-32C.
	Text string `json:"text"`
	Sum  uint32 `json:"sum"`
	// Sketch is four sums of the components of the unit vector with fixed signs.
	Sketch [4]float32 `json:"sketch"`
}

const (
	marks = 32
	// sketchSlack is wider than what rounding to 8 bits, or another order of the
	// sums in an encoder, does to a sketch. For unit vectors at random a difference
	// has standard deviation 1.4.
	sketchSlack = 0.05
)

// sketch takes the four sums of a vector with its inverse norm.
func sketch(v []float32, inverse float64) (s [4]float32) {
	var sums [4]float64
	for k, x := range v {
		signs := mix64(uint64(k))
		for j := range sums {
			if signs>>j&1 == 0 {
				sums[j] += float64(x)
			} else {
				sums[j] -= float64(x)
			}
		}
	}
	for j, sum := range sums {
		s[j] = float32(sum * inverse)
	}
	return s
}

// alike reports whether two sketches may be of one vector.
func alike(a, b [4]float32) bool {
	for j := range a {
		if !(math.Abs(float64(a[j])-float64(b[j])) <= sketchSlack) {
			return false
		}
	}
	return true
}

// markKey finds the mark of a text; the text's fingerprint confirms it.
func markKey(r role, sum uint32) uint64 { return uint64(r)<<32 | uint64(sum) }

func sumOf(text string) uint32 { return crc32.Checksum(bytesOf(text), castagnoli) }

// bytesOf are the bytes of a text without a copy, to be read only.
func bytesOf(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }

// floatBytes are the bytes of a vector as they are in memory, to be read only.
func floatBytes(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

// marker collects the marks of the texts with the smallest hashes.
type marker struct {
	found []marked // ascending
}

type marked struct {
	hash uint64
	mark VectorMark
	bad  bool // the text was seen with different vectors
}

// offer takes in a text with its vector, if its hash is small enough.
func (m *marker) offer(r role, text string, v []float32, inverse float64) {
	sum := sumOf(text)
	hash := mix64(markKey(r, sum))
	at, ok := slices.BinarySearchFunc(m.found, hash, func(a marked, hash uint64) int {
		switch {
		case a.hash < hash:
			return -1
		case a.hash > hash:
			return 1
		}
		return 0
	})
	if !ok && at >= marks {
		return
	}
	mark := VectorMark{r == queryRole, fingerprintOf(text).String(), sum, sketch(v, inverse)}
	if ok {
		old := &m.found[at]
		old.bad = old.bad || old.mark.Text != mark.Text || !alike(old.mark.Sketch, mark.Sketch)
		return
	}
	m.found = slices.Insert(m.found, at, marked{hash: hash, mark: mark})
	m.found = m.found[:min(len(m.found), marks)]
}

// marks returns what was collected.
func (m *marker) marks() (out []VectorMark) {
	for _, f := range m.found {
		if !f.bad {
			out = append(out, f.mark)
		}
	}
	return out
}

// offerRows offers the queries and positives of rows.
func (m *marker) offerRows(rows []batchRow) {
	for i := range rows {
		row := &rows[i]
		m.offer(queryRole, row.rec.QueryText, row.vectors[0].data, row.inverse[0])
		m.offer(documentRole, row.rec.PositiveText, row.vectors[1].data, row.inverse[1])
	}
}

// identityOf is a digest of an embedder's identity, or "".
func identityOf(e Embedder) string {
	identified, ok := e.(IdentifiedEmbedder)
	if !ok {
		return ""
	}
	identity := identified.Identity()
	if identity == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(identity))
	return hex.EncodeToString(sum[:16])
}

// expect has a run compare its vectors with the marks of a calibration.
func (r *run) expect(mark *EncoderMark) error {
	if mark == nil {
		return nil
	}
	if identity := identityOf(r.Embedder); identity != "" && mark.Identity != "" && identity != mark.Identity {
		return fmt.Errorf("eci: %w: the calibration was taken with another encoder (identity %s) than the Embedder (%s); %s", ErrIncompatible, mark.Identity, identity, otherEncoder)
	}
	r.expected = make(map[uint64]VectorMark, len(mark.Vectors))
	for _, v := range mark.Vectors {
		as := documentRole
		if v.Query {
			as = queryRole
		}
		r.expected[markKey(as, v.Sum)] = v
	}
	return nil
}

const otherEncoder = "calibrate anew, or set Calibration.Encoder to nil to use its scales all the same"

// compareMarks refuses rows with another vector than the calibration's encoder
// gave to the same text. Each text is compared once.
func (r *run) compareMarks(source Source, rows []batchRow) error {
	for i := range rows {
		if len(r.expected) == 0 {
			return nil
		}
		row := &rows[i]
		for k, at := range row.rec.sides() {
			if k == 2 { // negatives have no marks: they differ between sources
				break
			}
			key := markKey(at.role, sumOf(at.text))
			want, ok := r.expected[key]
			if !ok || want.Text != fingerprintOf(at.text).String() {
				continue
			}
			if !alike(want.Sketch, sketch(row.vectors[k].data, row.inverse[k])) {
				return source.wrap(&row.rec, fmt.Errorf("%w: the %s had another vector when the calibration was taken, so that was another encoder; %s", ErrIncompatible, sideNames[k], otherEncoder))
			}
			delete(r.expected, key)
		}
	}
	return nil
}
