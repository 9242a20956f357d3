package event

import (
	"strings"
	"unicode/utf8"
)

// layer is a text and, for each of its bytes, where in the original text it
// begins; at has one element more than text.
type layer struct {
	text []byte
	at   []int32
}

func newLayer(s string) layer {
	l := layer{text: []byte(s), at: make([]int32, len(s)+1)}
	for i := range l.at {
		l.at[i] = int32(i)
	}
	return l
}

// unfold decodes one layer of escapes: %41 and %u0041, + as a space, &#65;
// and &quot;, \x41, \u0041, \" and full-width forms. It reports whether there
// were any.
func (l layer) unfold() (layer, bool) {
	out := layer{text: make([]byte, 0, len(l.text)), at: make([]int32, 0, len(l.at))}
	changed := false
	for i := 0; i < len(l.text); {
		c, n := unescape(l.text[i:])
		if n == 0 {
			out.text = append(out.text, l.text[i])
			out.at = append(out.at, l.at[i])
			i++
			continue
		}
		changed = true
		before := len(out.text)
		if c < 0x100 && l.text[i] == '%' {
			out.text = append(out.text, byte(c)) // a byte, perhaps of a longer rune
		} else {
			out.text = utf8.AppendRune(out.text, c)
		}
		for range len(out.text) - before {
			out.at = append(out.at, l.at[i])
		}
		i += n
	}
	out.at = append(out.at, l.at[len(l.text)])
	return out, changed
}

// unescape returns the character that the escape at the start of s stands for
// and the length of the escape, 0 when there is none.
func unescape(s []byte) (rune, int) {
	switch s[0] {
	case '%':
		if len(s) >= 6 && s[1]|0x20 == 'u' {
			if v, ok := unhex(s[2:6]); ok {
				return narrow(v), 6
			}
		}
		if len(s) >= 3 {
			if v, ok := unhex(s[1:3]); ok {
				return v, 3
			}
		}
	case '+':
		return ' ', 1
	case '&':
		return entity(s)
	case '\\':
		if len(s) >= 6 && s[1] == 'u' {
			if v, ok := unhex(s[2:6]); ok {
				return narrow(v), 6
			}
		}
		if len(s) >= 4 && s[1] == 'x' {
			if v, ok := unhex(s[2:4]); ok {
				return v, 4
			}
		}
		if len(s) >= 2 && strings.IndexByte(`"'\/`, s[1]) >= 0 {
			return rune(s[1]), 2
		}
	case 0xEF: // full-width forms, U+FF01 to U+FF5E
		if r, n := utf8.DecodeRune(s); n == 3 && narrow(r) != r {
			return narrow(r), n
		}
	}
	return 0, 0
}

var entities = []struct {
	name string
	char rune
}{
	{"amp;", '&'}, {"quot;", '"'}, {"apos;", '\''}, {"lt;", '<'}, {"gt;", '>'},
	{"commat;", '@'}, {"period;", '.'}, {"plus;", '+'}, {"equals;", '='}, {"colon;", ':'},
	{"nbsp;", ' '}, {"hyphen;", '-'}, {"lowbar;", '_'},
}

func entity(s []byte) (rune, int) {
	if len(s) < 4 {
		return 0, 0
	}
	if s[1] != '#' {
		for _, e := range entities {
			if len(s) > len(e.name) && string(s[1:1+len(e.name)]) == e.name {
				return e.char, 1 + len(e.name)
			}
		}
		return 0, 0
	}
	i, base := 2, rune(10)
	if s[2]|0x20 == 'x' {
		i, base = 3, 16
	}
	var v rune
	for start := i; i < len(s) && i-start < 8; i++ {
		d := digit(s[i])
		if d < 0 || d >= base {
			break
		}
		v = v*base + d
	}
	if v == 0 || v > 0x10FFFF {
		return 0, 0
	}
	if i < len(s) && s[i] == ';' {
		i++
	}
	return narrow(v), i
}

func unhex(s []byte) (rune, bool) {
	var v rune
	for _, c := range s {
		d := digit(c)
		if d < 0 {
			return 0, false
		}
		v = v<<4 | d
	}
	return v, true
}

func digit(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10
	}
	return -1
}

// narrow returns the ASCII form of a full-width character.
func narrow(r rune) rune {
	if r >= 0xFF01 && r <= 0xFF5E {
		return r - 0xFEE0
	}
	return r
}
