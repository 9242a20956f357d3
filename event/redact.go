package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
)

// Limits of what is kept of a request, in bytes.
const (
	MaxTarget = 4096 // a request target
	MaxField  = 1024 // a header value
	MaxMatch  = 128  // a matched value, around the match

	maxScan = 16 << 10 // longest text that is searched; what lies beyond is cut off
)

// Redactor masks what must not leave the request: values of parameters and
// headers whose names say that they are secret, and, anywhere, card numbers
// (Luhn), Kazakh IIN and BIN (twelve digits with their control digit), e-mail
// addresses, telephone numbers, bearer tokens and user names in addresses. It
// looks through percent-encoding, HTML entities, backslash escapes and
// full-width forms, three layers deep, and into base64 and hexadecimal runs
// that hold text.
//
// A masked value reads ‹hidden:1f2e3d4c›. The eight digits are a keyed hash
// (HMAC-SHA-256) of the decoded value: two events of one installation that
// carry the same secret show the same digits, and nobody without the key can
// test a guess.
//
// When in doubt it masks too much. It is safe for concurrent use. The zero
// value is not usable.
type Redactor struct {
	key []byte
}

// NewRedactor returns a Redactor that hashes with key, at least 16 random
// bytes kept by the installation. The key is copied.
func NewRedactor(key []byte) *Redactor {
	return &Redactor{key: append([]byte(nil), key...)}
}

// mask returns what stands in place of secret.
func (r *Redactor) mask(secret string) string {
	h := hmac.New(sha256.New, r.key)
	h.Write([]byte(secret))
	return maskOpen + hex.EncodeToString(h.Sum(nil)[:4]) + maskClose
}

const (
	maskOpen  = "‹hidden:"
	maskClose = "›"
	maskLen   = len(maskOpen) + 8 + len(maskClose)
)

// masked reports whether s is a mask and nothing else.
func masked(s string) bool {
	if len(s) != maskLen || !strings.HasPrefix(s, maskOpen) || !strings.HasSuffix(s, maskClose) {
		return false
	}
	for _, c := range s[len(maskOpen) : len(maskOpen)+8] {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

// Text masks what is secret in a text of unknown form.
func (r *Redactor) Text(s string) string {
	s = cut(s, maxScan)
	return r.replace(s, find(s, 0))
}

// Value masks the value of the parameter, cookie or form field called name:
// the whole of it when the name says that it is secret, else what is secret
// in it.
func (r *Redactor) Value(name, value string) string {
	if value == "" || masked(value) {
		return value
	}
	if SecretName(name) {
		return r.mask(value)
	}
	return r.Text(value)
}

// Target masks secrets in a raw request target, or in any address with a
// query, and cuts it at [MaxTarget] bytes.
func (r *Redactor) Target(target string) string {
	target = cut(target, maxScan)
	spans := find(target, 0)
	if q := strings.IndexByte(target, '?'); q >= 0 {
		spans = append(spans, queryValues(target, q+1)...)
	}
	return cut(r.replace(target, spans), MaxTarget)
}

// queryValues returns the values of secret parameters in s[from:], split as
// PHP splits a query.
func queryValues(s string, from int) []span {
	var spans []span
	for from < len(s) {
		end := len(s)
		if i := strings.IndexByte(s[from:], '&'); i >= 0 {
			end = from + i
		}
		if eq := strings.IndexByte(s[from:end], '='); eq >= 0 && SecretName(s[from:from+eq]) {
			raw := s[from+eq+1 : end]
			value, err := url.QueryUnescape(raw)
			if err != nil {
				value = raw
			}
			spans = append(spans, span{from + eq + 1, end, value, rankNamed})
		}
		from = end + 1
	}
	return spans
}

// Field masks a header line: every value of Cookie, Set-Cookie, Authorization
// and of headers whose name says that they are secret; query secrets where
// the value is an address; what is secret in it in any other. The value is
// cut at [MaxField] bytes.
func (r *Redactor) Field(f Field) Field {
	switch strings.ToLower(strings.TrimSpace(f.Name)) {
	case "cookie":
		f.Value = r.cookies(f.Value)
	case "set-cookie":
		pair, attributes, found := strings.Cut(f.Value, ";")
		f.Value = r.cookies(pair)
		if found {
			f.Value += ";" + r.Text(attributes)
		}
	case "authorization", "proxy-authorization":
		f.Value = r.credentials(f.Value)
	case "referer", "location", "content-location", "origin", "x-original-url", "x-rewrite-url", "x-forwarded-uri":
		f.Value = r.Target(f.Value)
	default:
		f.Value = r.Value(f.Name, f.Value)
	}
	f.Name = cut(r.Text(f.Name), MaxMatch)
	f.Value = cut(f.Value, MaxField)
	return f
}

// cookies masks the values of a Cookie header and keeps the names.
func (r *Redactor) cookies(s string) string {
	parts := strings.Split(cut(s, maxScan), ";")
	for i, part := range parts {
		name, value, found := strings.Cut(part, "=")
		switch {
		case found && value != "" && !masked(value):
			parts[i] = r.Text(name) + "=" + r.mask(value)
		case found:
			parts[i] = r.Text(name) + "=" + value
		case strings.TrimSpace(part) != "" && !masked(strings.TrimSpace(part)):
			parts[i] = r.mask(part)
		}
	}
	return strings.Join(parts, ";")
}

// credentials masks an Authorization header and keeps its scheme.
func (r *Redactor) credentials(s string) string {
	scheme, value, found := strings.Cut(s, " ")
	if !found || !plainWord(scheme) {
		if s == "" || masked(s) {
			return s
		}
		return r.mask(s)
	}
	if value == "" || masked(value) {
		return s
	}
	return scheme + " " + r.mask(value)
}

// plainWord reports whether s can be the name of an authentication scheme: a
// few letters, so that a secret written first is not taken for one.
func plainWord(s string) bool {
	if s == "" || len(s) > 16 {
		return false
	}
	for _, c := range s {
		if !(c|0x20 >= 'a' && c|0x20 <= 'z' || c == '-') {
			return false
		}
	}
	return true
}

// Request masks everything in a request that an event carries.
func (r *Redactor) Request(q Request) Request {
	q.Method = cut(r.Text(q.Method), MaxMatch)
	q.Host = cut(r.Text(q.Host), MaxField)
	q.Target = r.Target(q.Target)
	fields := make([]Field, len(q.Headers))
	for i, f := range q.Headers {
		fields[i] = r.Field(f)
	}
	q.Headers = fields
	return q
}
