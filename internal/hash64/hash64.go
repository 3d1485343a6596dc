// Package hash64 has the two 64-bit hashes that stored results depend on.
package hash64

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

// Mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014).
func Mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
