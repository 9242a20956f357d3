package reader

import (
	"strings"
	"unicode/utf8"
)

// nameByte holds the bytes of names. Beyond ASCII it takes more than XML does:
// a name that libxml refuses makes it refuse the text.
var nameByte = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 0x80 || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' ||
			c == '_' || c == ':' || c == '-' || c == '.'
	}
	return t
}()

// takeName takes a name off s; it is empty when s does not begin with one.
func takeName(s string) (name, rest string) {
	i := 0
	for i < len(s) && nameByte[s[i]] {
		i++
	}
	if i == 0 || s[0] >= '0' && s[0] <= '9' || s[0] == '-' || s[0] == '.' {
		return "", s
	}
	return s[:i], s[i:]
}

// badChar reports whether s holds a character outside XML 1.0, 2.2.
func badChar(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' && c != '\t' && c != '\r' && c != '\n':
			return true
		case c == 0xEF && i+2 < len(s) && s[i+1] == 0xBF && s[i+2] >= 0xBE:
			return true
		}
	}
	return false
}

// lineEnds and blankLines normalise text and attribute values before their
// references are resolved (XML 1.0, 2.11 and 3.3.3).
var (
	lineEnds   = strings.NewReplacer("\r\n", "\n", "\r", "\n")
	blankLines = strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ", "\t", " ")
)

// resolve replaces the five predefined entities and character references.
// Others need a document type, which is refused.
func resolve(s string) (string, error) {
	amp := strings.IndexByte(s, '&')
	if amp < 0 {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for amp >= 0 {
		b = append(b, s[:amp]...)
		s = s[amp+1:]
		semi := strings.IndexByte(s[:min(len(s), 12)], ';')
		if semi < 0 {
			return "", xmlBad("an ampersand that is not a reference")
		}
		r, ok := reference(s[:semi])
		if !ok {
			return "", xmlBad("a reference to an undeclared entity")
		}
		b = utf8.AppendRune(b, r)
		s = s[semi+1:]
		amp = strings.IndexByte(s, '&')
	}
	return string(append(b, s...)), nil
}

func reference(s string) (rune, bool) {
	switch s {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, ok := strings.CutPrefix(s, "#")
	if !ok || digits == "" {
		return 0, false
	}
	base := rune(10)
	if digits[0] == 'x' {
		if base, digits = 16, digits[1:]; digits == "" {
			return 0, false
		}
	}
	var r rune
	for i := 0; i < len(digits); i++ {
		d := rune(hex[digits[i]])
		if d >= base {
			return 0, false
		}
		if r = r*base + d; r > utf8.MaxRune {
			return 0, false
		}
	}
	valid := r >= ' ' && utf8.ValidRune(r) && r != 0xFFFE && r != 0xFFFF || r == '\t' || r == '\r' || r == '\n'
	return r, valid
}
