package fastpath

import (
	"strings"

	"github.com/corazawaf/libinjection-go"
)

// libinjection splits a text into the tokens of HTML five times over, once for
// each place in a page where the text might stand. What it then judges can be
// seen in one pass, wherever the text stands: the name behind each "<", what
// begins there with "!", "?", "%" or "/", and the name and the value around each
// "=". Each of these is shown to libinjection alone, and only a text in which it
// dislikes one is shown to it as a whole.

const (
	xssShort = 512     // bytes of a text that is not worth it
	xssNames = 64      // different names that are remembered
	xssName  = 64      // bytes of the longest name that libinjection knows
	xssValue = 4 << 10 // bytes of the longest value that is shown to it alone
)

// isXSS is libinjection.IsXSS.
func isXSS(s string) bool {
	if len(s) < xssShort {
		return strings.ContainsAny(s, "<=") && libinjection.IsXSS(s)
	}
	var x xssSearch
	return x.mayFind(s) && libinjection.IsXSS(s)
}

// xssSearch looks at one text.
type xssSearch struct {
	harmless map[string]bool // names that were shown to libinjection
	shown    int             // bytes of values shown to it
}

// mayFind reports whether s holds anything that libinjection may dislike.
func (x *xssSearch) mayFind(s string) bool {
	tagged := strings.IndexByte(s, '<') >= 0
	if strings.IndexByte(s, 0) >= 0 || tagged && strings.IndexByte(s, '`') >= 0 {
		return true // NUL is left out of names; a comment with ` is disliked
	}
	x.harmless = map[string]bool{}
	for i := 0; tagged; {
		k := strings.IndexByte(s[i:], '<')
		if k < 0 {
			break
		}
		if i += k + 1; x.tag(s[i:]) {
			return true
		}
	}
	for i := 0; ; {
		k := strings.IndexByte(s[i:], '=')
		if k < 0 {
			return false
		}
		if i += k + 1; x.attribute(s, i-1) {
			return true
		}
	}
}

// tag looks at what stands behind a "<".
func (x *xssSearch) tag(s string) bool {
	if s == "" {
		return false
	}
	switch s[0] {
	case '!':
		return hasFold(s[1:], "doctype") || oddComment(s[1:]) || strings.HasPrefix(s[1:], "--") && oddComment(s[3:])
	case '?', '%':
		return oddComment(s[1:])
	case '/':
		if s = s[1:]; s == "" || oddComment(s) {
			return s != ""
		}
	}
	if c := lowerByte(s[0]); c < 'a' || c > 'z' {
		return false
	}
	end := 0
	for end < len(s) && end <= xssName && !endsName(s[end]) {
		end++
	}
	return end <= xssName && !x.passes("<", s[:end], ">")
}

// oddComment reports whether s begins like a comment that libinjection dislikes.
func oddComment(s string) bool {
	return hasFold(s, "[if") || hasFold(s, "xml") || hasFold(s, "import") || hasFold(s, "entity")
}

func hasFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func isBlank(b byte) bool  { return b == ' ' || '\t' <= b && b <= '\r' }
func endsName(b byte) bool { return isBlank(b) || b == '/' || b == '>' }

// attribute looks at the name and the value around the "=" at place eq. A name
// begins behind a blank, a slash or a quotation mark, or with the text.
func (x *xssSearch) attribute(s string, eq int) bool {
	end := eq
	for end > 0 && isBlank(s[end-1]) {
		end--
	}
	for i := end - 1; i >= 0 && end-i <= xssName && !endsName(s[i]) && s[i] != '='; i-- {
		if i > 0 && !endsName(s[i-1]) && strings.IndexByte("\"'`=", s[i-1]) < 0 {
			continue
		}
		name := s[i:end]
		if x.passes("", name, "=x") && x.passes("", name, "=javascript:x") && x.passes("", name, "=onerror") {
			continue
		}
		value, closing, ok := valueAt(s, eq+1)
		if x.shown += len(value); !ok || x.shown > len(s) {
			return true
		}
		if libinjection.IsXSS(name + "=" + value + closing) {
			return true
		}
	}
	return false
}

// valueAt returns the value at place i with its quotation marks and what ends
// it where nothing does; ok is false when it is too long to look at.
func valueAt(s string, i int) (value, closing string, ok bool) {
	for i < len(s) && isBlank(s[i]) {
		i++
	}
	s = s[i:min(len(s), i+xssValue)]
	cut := len(s) == xssValue
	if s != "" && strings.IndexByte("\"'`", s[0]) >= 0 {
		if k := strings.IndexByte(s[1:], s[0]); k >= 0 {
			return s[:k+2], "", true
		}
		return s, s[:1], !cut
	}
	for k := range len(s) {
		if isBlank(s[k]) || s[k] == '>' {
			return s[:k], ">", true
		}
	}
	return s, ">", !cut
}

// passes reports whether libinjection has nothing against a name between before
// and after.
func (x *xssSearch) passes(before, name, after string) bool {
	if before == "" && len(name) < 2 {
		return true // too short for any that it knows
	}
	key := before + name + after
	if ok, known := x.harmless[key]; known {
		return ok
	}
	if len(x.harmless) >= 3*xssNames {
		return false
	}
	ok := !libinjection.IsXSS(key)
	x.harmless[key] = ok
	return ok
}
