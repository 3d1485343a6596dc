package quote

import (
	"crypto/sha256"
	"encoding/hex"
)

// Digest returns the beginning of a text's SHA-256 in hex, which can be used to find
// the text again.
func Digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}
