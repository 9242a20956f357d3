package witness

import (
	"net/http"
	"strings"
	"time"
)

// maxValue bounds a session cookie's value; longer ones are no session of any
// CMS known here.
const maxValue = 1024

// eachCookie calls f with every name=value pair of the Cookie lines, in order,
// as they were sent, until f returns false. It allocates nothing.
func eachCookie(lines []string, f func(name, value string) bool) {
	for _, line := range lines {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			name, value, ok := strings.Cut(pair, "=")
			if !ok {
				continue
			}
			if !f(strings.Trim(name, " \t"), strings.Trim(value, " \t")) {
				return
			}
		}
	}
}

// unescape undoes percent encoding and "+" as PHP does for cookie values. A
// broken escape stands for itself.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s):
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi < 16 && lo < 16 {
				c = hi<<4 | lo
				i += 2
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}

// newCookie is one Set-Cookie line of an answer.
type newCookie struct {
	name, value string // value unescaped
	path        string
	gone        bool // the line deletes the cookie
}

// readSetCookie reads a Set-Cookie line (RFC 6265, section 5.2) as far as a
// session needs it. Now decides whether an Expires date deletes the cookie.
func readSetCookie(line string, now time.Time) (c newCookie, ok bool) {
	pair, rest, _ := strings.Cut(line, ";")
	name, value, ok := strings.Cut(pair, "=")
	c.name, c.value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
	if !ok || c.name == "" || len(c.value) > 3*maxValue {
		return c, false
	}
	c.value = unescape(c.value)
	c.gone = strings.TrimSpace(c.value) == "" || c.value == "deleted"
	age := false
	for rest != "" {
		var attr string
		attr, rest, _ = strings.Cut(rest, ";")
		k, v, _ := strings.Cut(attr, "=")
		v = strings.TrimSpace(v)
		switch strings.ToLower(strings.TrimSpace(k)) {
		case "path":
			c.path = v
		case "max-age":
			age = true
			c.gone = c.gone || v == "0" || strings.HasPrefix(v, "-")
		case "expires":
			if at, err := http.ParseTime(v); err == nil && !age {
				c.gone = c.gone || !at.After(now)
			}
		}
	}
	return c, true
}

// within reports whether a request path lies under a cookie path (RFC 6265,
// section 5.1.4).
func within(path, cookie string) bool {
	if cookie == "" || cookie == "/" {
		return true
	}
	if !strings.HasPrefix(path, cookie) {
		return false
	}
	return len(path) == len(cookie) || cookie[len(cookie)-1] == '/' || path[len(cookie)] == '/'
}
