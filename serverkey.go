package eci

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// key is the API key of one call.
type key struct {
	text     string // "" means that none is sent
	variable string // that it is from, as it may be printed
	pattern  func() *regexp.Regexp
}

// The only key that is sent without being named, and where to, over https.
const (
	ownerVariable = "OPENAI_API_KEY"
	ownerHost     = "api.openai.com"
)

// findKey returns the key for a server at u.
func (s *Server) findKey(u *url.URL) (key, error) {
	variable := s.KeyVariable
	if variable == "" && s.Protocol == OpenAI && u.Scheme == "https" && strings.EqualFold(u.Host, ownerHost) {
		variable = ownerVariable
	}
	if variable == "" || variable == NoKey {
		return key{}, nil
	}
	k := key{text: strings.TrimSpace(os.Getenv(variable)), variable: "named by KeyVariable"}
	if plainVariable.MatchString(variable) {
		k.variable = variable
	}
	switch {
	case k.text == "" && s.KeyVariable != "":
		return key{}, fmt.Errorf("the environment variable %s is empty; KeyVariable is its name, not the key: set the variable to the API key, or KeyVariable to NoKey", k.variable)
	case strings.ContainsFunc(k.text, func(r rune) bool { return r < ' ' || r >= 0x7f }):
		return key{}, fmt.Errorf("the API key in the environment variable %s has a line break or another character that is not printable ASCII", k.variable)
	case k.text != "" && u.Scheme == "http" && !loopback(u.Hostname()) && !s.KeyInClear:
		return key{}, fmt.Errorf("the API key in the environment variable %s would go to %s in clear: use https, set KeyVariable to NoKey, or set KeyInClear if the network is yours alone", k.variable, u.Host)
	}
	k.pattern = sync.OnceValue(func() *regexp.Regexp { return formsOf(k.text) })
	return k, nil
}

// plainVariable matches what is surely a name: keys that people set in its place
// by mistake have small letters, and must not be printed.
var plainVariable = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip := net.ParseIP(host)
	return ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// keepingKey returns a client that follows redirects as the given one does and
// takes the key along only to where it was sent first. net/http itself would
// carry it to another port, to subdomains and from https to http.
func keepingKey(client *http.Client) *http.Client {
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

// try is what may help where a server wants another key, or one at all.
func (k *key) try() string {
	switch {
	case k.text != "":
		return "check the API key in the environment variable " + k.variable
	case k.variable != "":
		return fmt.Sprintf("set the environment variable %s to the API key", k.variable)
	}
	return fmt.Sprintf("name the environment variable that holds the API key in Server.KeyVariable; without a name, %s goes to https://%s alone", ownerVariable, ownerHost)
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

const (
	mostExcerpted = 64 << 10 // bytes of an answer that its excerpt is looked for in
	mostFormBytes = 16       // that one byte of a key takes in a form of it
)

// scrub takes the key out of a text.
func (k *key) scrub(text string) string {
	if k.text == "" {
		return text
	}
	return k.pattern().ReplaceAllLiteralString(text, "[key]")
}

// excerpt is the beginning of an answer without the key.
func (k *key) excerpt(body []byte) string {
	cut := len(body) >= mostExcerpted
	if cut {
		body = body[:mostExcerpted]
	}
	text := k.scrub(string(body))
	if cut { // its end may be that of half a key
		text = text[:max(0, len(text)-mostFormBytes*len(k.text))]
	}
	return shorten(strings.Join(strings.Fields(text), " "), 200)
}

// clean is an error without the key, and not longer than a line: that of
// net/http repeats all that a server sends in place of a status.
func (k *key) clean(err error) error {
	text := err.Error()
	if short := shorten(k.scrub(text), 400); short != text {
		return errors.New(short)
	}
	return err
}

// shorten cuts a text after so many bytes.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "..."
}
