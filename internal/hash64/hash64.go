// Package hash64 has the two 64-bit hashes that stored results depend on, and the
// fingerprints of texts.
package hash64

import (
	"crypto/sha256"
	"encoding/binary"
	"unsafe"
)

// Offset is the hash of no text, for FNV1a to start with.
const Offset = 14695981039346656037

const prime = 1099511628211

// FNV1a continues a 64-bit FNV-1a hash over s.
func FNV1a(h uint64, s string) uint64 {
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * prime
	}
	return h
}

// Mix spreads what differs in any bit over all bits: it is the finalizer of SplitMix64 (Steele, Lea, Flood 2014).
func Mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Fingerprint identifies a text: 14 bytes of SHA-256, so that with a 2-byte
// value it takes 16 bytes in a table. Two of 10^9 texts collide with
// probability below 10^-15.
type Fingerprint [14]byte

// FingerprintOf returns the fingerprint of a text.
func FingerprintOf(text string) (f Fingerprint) {
	// SHA-256 only reads its input, so the string's bytes need no copy.
	sum := sha256.Sum256(unsafe.Slice(unsafe.StringData(text), len(text)))
	copy(f[:], sum[:])
	return f
}

// Word is the first 8 bytes.
func (f Fingerprint) Word() uint64 { return binary.LittleEndian.Uint64(f[:]) }

// Triple hashes three texts. It orders triples in a seeded pseudo-random way that
// depends on their texts alone, so that the same triple is always in a sample or
// always out of it.
func Triple(seed uint64, a, b, c Fingerprint) uint64 {
	h := seed
	for _, f := range [...]Fingerprint{a, b, c} {
		h = Mix(h ^ f.Word())
	}
	return h
}
