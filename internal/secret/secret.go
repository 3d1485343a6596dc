// Package secret restricts an API key to the server it is meant for, and keeps it out
// of every text that people see.
package secret

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// Key is an API key. The zero value is none.
type Key struct {
	text    string
	pattern func() *regexp.Regexp
}

// New returns the key with a text, which must be printable ASCII.
func New(text string) (Key, error) {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return Key{}, errors.New("has a line break or another character that is not printable ASCII")
	}
	return Key{text, sync.OnceValue(func() *regexp.Regexp { return formsOf(text) })}, nil
}

// Text returns the key itself, or "" if there is none.
func (k *Key) Text() string { return k.text }

// Variable returns the name of an environment variable in a form that may be printed.
// A value that may be the key, given by mistake instead of the name, is not printed.
func Variable(name string) string {
	if plainVariable.MatchString(name) {
		return name
	}
	return "that was named"
}

// plainVariable matches what is surely a name: keys that people set in its place
// by mistake have small letters.
var plainVariable = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// Loopback reports whether a host is this machine.
func Loopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip := net.ParseIP(host)
	return ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// Client returns a client that follows redirects as the given one does, and sends the
// key only to where it was sent first. net/http itself would also send it to another
// port, to subdomains and from https to http.
func Client(client *http.Client) *http.Client {
	kept := *client
	kept.CheckRedirect = func(request *http.Request, via []*http.Request) error {
		if first := via[0].URL; request.URL.Scheme != first.Scheme || !strings.EqualFold(request.URL.Host, first.Host) {
			request.Header.Del("Authorization")
		}
		switch {
		case client.CheckRedirect != nil:
			return client.CheckRedirect(request, via)
		case len(via) >= 10: // as net/http does
			return errors.New("stopped after 10 redirects")
		}
		return nil
	}
	return &kept
}

// formsOf matches a key in every form that a server may show it in: as it is,
// with any of its characters escaped for JSON, URLs or HTML, also twice; in
// hexadecimal digits, and in base64 as a part of any text.
func formsOf(text string) *regexp.Regexp {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		fmt.Fprintf(&b, `\\*(?:%s|(?i:u00|x)(?i:%02x)|%%(?:25)*(?i:%02x)|&(?:amp;)*#0*%d;|&(?:amp;)*#(?i:x0*%x);`, regexp.QuoteMeta(string(rune(c))), c, c, c, c)
		for _, name := range entities[c] {
			fmt.Fprintf(&b, `|&(?:amp;)*%s;`, name)
		}
		if c == ' ' {
			b.WriteString(`|\+`)
		}
		b.WriteString(`)`)
	}
	forms := []string{b.String(), `(?i:` + hex.EncodeToString([]byte(text)) + `)`}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			// The digits that depend on the key alone, whatever is around it.
			digits := encoding.EncodeToString([]byte(strings.Repeat("\x00", before) + text))
			first, last := (8*before+5)/6, 8*(before+len(text))/6
			if last-first < 8 {
				continue // by chance in any text
			}
			forms = append(forms, `[A-Za-z0-9+/_-]*`+regexp.QuoteMeta(digits[first:last])+`[A-Za-z0-9+/_=-]*`)
		}
	}
	return regexp.MustCompile(strings.Join(forms, "|"))
}

// entities are the names that HTML has for characters of keys.
var entities = map[byte][]string{
	'&': {"amp"}, '<': {"lt"}, '>': {"gt"}, '"': {"quot"}, '\'': {"apos"}, '+': {"plus"}, '/': {"sol"}, '=': {"equals"},
	'.': {"period"}, ',': {"comma"}, ':': {"colon"}, ';': {"semi"}, '_': {"lowbar"}, '-': {"hyphen", "dash"}, '!': {"excl"},
	'#': {"num"}, '$': {"dollar"}, '%': {"percnt"}, '(': {"lpar"}, ')': {"rpar"}, '*': {"ast"}, '?': {"quest"}, '@': {"commat"},
	'[': {"lsqb", "lbrack"}, '\\': {"bsol"}, ']': {"rsqb", "rbrack"}, '^': {"Hat"}, '`': {"grave"}, '{': {"lcub", "lbrace"},
	'|': {"verbar", "vert"}, '}': {"rcub", "rbrace"},
}

// MostExcerpted is the number of bytes of an answer that Excerpt examines.
const MostExcerpted = 64 << 10

// mostFormBytes is the number of bytes that one byte of a key takes in a form.
const mostFormBytes = 16

// scrub replaces the key in a text.
func (k *Key) scrub(text string) string {
	if k.text == "" {
		return text
	}
	return k.pattern().ReplaceAllLiteralString(text, "[key]")
}

// Excerpt returns the beginning of an answer on one line, without the key.
func (k *Key) Excerpt(body []byte) string {
	cut := len(body) >= MostExcerpted
	if cut {
		body = body[:MostExcerpted]
	}
	text := k.scrub(string(body))
	if cut { // its end may be that of half a key
		text = text[:max(0, len(text)-mostFormBytes*len(k.text))]
	}
	return shorten(strings.Join(strings.Fields(text), " "), 200)
}

// Clean returns err if its text is short and without the key, and otherwise an
// error with that text shortened and without the key. Errors of net/http repeat
// all that a server sends in place of a status.
func (k *Key) Clean(err error) error {
	text := err.Error()
	if short := shorten(k.scrub(text), 400); short != text {
		return errors.New(short)
	}
	return err
}

// shorten cuts a text after a number of bytes.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "..."
}
