package eci

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"unsafe"

	"example.com/eci/internal/hash64"
)

const fnvOffset = hash64.Offset

// fnv1a continues a 64-bit FNV-1a hash over s; start with fnvOffset.
func fnv1a(h uint64, s string) uint64 { return hash64.FNV1a(h, s) }

// fingerprint identifies a text: 14 bytes of SHA-256, so that with a 2-byte
// value it takes 16 bytes in a table. Two of 10^9 texts collide with
// probability below 10^-15.
type fingerprint [14]byte

// word is the first 8 bytes.
func (f fingerprint) word() uint64 { return binary.LittleEndian.Uint64(f[:]) }

func fingerprintOf(text string) (f fingerprint) {
	// SHA-256 only reads its input, so the string's bytes need no copy.
	sum := sha256.Sum256(unsafe.Slice(unsafe.StringData(text), len(text)))
	copy(f[:], sum[:])
	return f
}

// tripleHash orders the triples of a source in a seeded pseudo-random way that
// depends on their texts alone, so that the same triple is always in a sample
// or always out of it.
func tripleHash(seed uint64, q, p, n fingerprint) uint64 {
	h := seed
	for _, f := range [...]fingerprint{q, p, n} {
		h = mix64(h ^ f.word())
	}
	return h
}

// mix64 spreads what differs in any bit over all bits.
func mix64(x uint64) uint64 { return hash64.Mix(x) }

func blank(s string) bool { return strings.TrimSpace(s) == "" }

func emptyText(role string) error {
	return fmt.Errorf("%w: the %s is empty", ErrEmptyText, role)
}
