package ecibeam

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"

	"example.com/eci"
	"example.com/eci/internal/hash64"
)

// fingerprint identifies a text, as in the library.
type fingerprint [14]byte

func fingerprintOf(text string) (f fingerprint) {
	sum := sha256.Sum256([]byte(text))
	copy(f[:], sum[:])
	return f
}

// tripleHash is the library's order of triples. It must be the same for samples to be
// the same.
func tripleHash(seed uint64, texts ...fingerprint) uint64 {
	h := seed
	for _, f := range texts {
		h = hash64.Mix(h ^ binary.LittleEndian.Uint64(f[:]))
	}
	return h
}

// queryKey identifies a query by its ID, or by its text if it has no ID.
func queryKey(r *eci.Record) uint64 {
	return hash64.FNV1a(hash64.Offset, cmp.Or(r.QueryID, r.QueryText))
}

// compareRows orders rows by where they were read, and rows of unknown place by IDs.
// So a choice among equal ones does not depend on the runner.
func compareRows(a, b *eci.Record) int {
	return cmp.Or(cmp.Compare(a.SourceName, b.SourceName), cmp.Compare(a.File, b.File), cmp.Compare(a.Row, b.Row),
		cmp.Compare(a.QueryID, b.QueryID), cmp.Compare(a.PositiveID, b.PositiveID), cmp.Compare(a.NegativeID, b.NegativeID),
		cmp.Compare(a.NegativeText, b.NegativeText))
}

// rowKey identifies a row among those of equal texts.
func rowKey(r *eci.Record) (f fingerprint) {
	h := sha256.New()
	for _, s := range []string{r.SourceName, r.File, r.QueryID, r.PositiveID, r.NegativeID} {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	h.Write(binary.AppendUvarint(nil, uint64(r.Row)))
	copy(f[:], h.Sum(nil))
	return f
}

// mixed is the library's order of queries.
func mixed(key, seed uint64) uint64 { return hash64.Mix(key ^ hash64.Mix(seed)) }
