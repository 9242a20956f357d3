package fastpath

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// blank is 1 for the blanks of ASCII.
var blank = func() (t [256]uint8) {
	for i := range len(blanks) {
		t[blanks[i]] = 1
	}
	return t
}()

// removeWhitespace takes every blank of Unicode out. Where a text is not UTF-8,
// its odd bytes become U+FFFD.
func removeWhitespace(a *arena, s string) string {
	if !utf8.ValidString(s) {
		return strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) {
				return -1
			}
			return r
		}, s)
	}
	out := a.take(len(s))[:len(s)]
	n := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if !unicode.IsSpace(r) {
				n += copy(out[n:], s[i:i+size])
			}
			i += size - 1
			continue
		}
		out[n] = c
		n += int(1 - blank[c])
	}
	return a.keep(out[:n], s)
}

// compressWhitespace makes every run of blanks one space. A lone byte A0 is a
// blank too, as in Latin-1.
func compressWhitespace(a *arena, s string) string {
	out := a.take(len(s))[:len(s)]
	n, last := 0, uint8(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == 0x85 || r == 0xa0 || c == 0xa0 {
				out[n] = ' '
				n += int(1 - last)
				last = 1
			} else {
				n += copy(out[n:], s[i:i+size])
				last = 0
			}
			i += size - 1
			continue
		}
		b := blank[c]
		if b != 0 {
			c = ' '
		}
		out[n] = c
		n += int(1 - b&last)
		last = b
	}
	return a.keep(out[:n], s)
}
