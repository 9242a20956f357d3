package fastpath

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// fullWidth folds U+FF01–U+FF5E to ASCII.
func isFullWidth(code int) bool { return 0xff01 <= code && code <= 0xff5e }

// escape is what a backslash and the letter c stand for in C and JavaScript.
func escape(c byte) (byte, bool) {
	i := strings.IndexByte("abfnrtv", c)
	if i < 0 {
		return c, false
	}
	return "\a\b\f\n\r\t\v"[i], true
}

func octals(s string, i, most int) int {
	n := 0
	for n < most && i+n < len(s) && '0' <= s[i+n] && s[i+n] <= '7' {
		n++
	}
	return n
}

func octalValue(s string) int {
	v := 0
	for i := 0; i < len(s); i++ {
		v = v<<3 | int(s[i]-'0')
	}
	return v
}

// jsDecode decodes JavaScript escapes to bytes: the low byte of \uHHHH and
// \u{…}, \xHH, \OOO, the letters; any other escaped byte stands for itself. A
// backslash at the very end stays.
func jsDecode(a *arena, s string) string {
	out := a.take(len(s))
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 >= len(s) {
			out = append(out, s[i])
			i++
			continue
		}
		if code, n := jsBraced(s[i:]); n > 0 {
			b := byte(code)
			if isFullWidth(code) {
				b += 0x20
			}
			out = append(out, b)
			i += n
			continue
		}
		switch c := s[i+1]; {
		case c == 'u' && isQuad(s, i+2):
			code, _ := hexQuad(s, i+2)
			b := byte(code)
			if code>>8 == 0xff && b > 0 && b < 0x5f {
				b += 0x20
			}
			out = append(out, b)
			i += 6
		case c == 'x' && isPair(s, i+2):
			b, _ := hexPair(s, i+2)
			out = append(out, b)
			i += 4
		case '0' <= c && c <= '7':
			n := octals(s, i+1, 3)
			if n == 3 && c > '3' {
				n = 2
			}
			out = append(out, byte(octalValue(s[i+1:i+1+n])))
			i += 1 + n
		default:
			b, _ := escape(c)
			out = append(out, b)
			i += 2
		}
	}
	return a.keep(out, s)
}

func isPair(s string, i int) bool { _, ok := hexPair(s, i); return ok }
func isQuad(s string, i int) bool { _, ok := hexQuad(s, i); return ok }

// jsBraced reads \u{H…} with one to six digits and returns its length.
func jsBraced(s string) (code, n int) {
	if !strings.HasPrefix(s, `\u{`) {
		return 0, 0
	}
	d := hexDigits(s, 3, 6)
	if d == 0 || 3+d >= len(s) || s[3+d] != '}' {
		return 0, 0
	}
	return hexNumber(s[3 : 3+d]), 4 + d
}

func hexDigits(s string, i, most int) int {
	n := 0
	for n < most && i+n < len(s) && hexValue[s[i+n]] != notHex {
		n++
	}
	return n
}

func hexNumber(s string) int {
	v := 0
	for i := 0; i < len(s); i++ {
		v = v<<4 | int(hexValue[s[i]])
	}
	return v
}

// cssDecode decodes CSS escapes: one to six digits and a blank after them are
// one code point; an escaped newline is nothing; any other byte is itself.
func cssDecode(a *arena, s string) string {
	out := a.take(2*len(s) + utf8.UTFMax)
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			out = append(out, s[i])
			i++
			continue
		}
		if i++; i == len(s) {
			break
		}
		n := hexDigits(s, i, 6)
		switch {
		case n > 0:
			code := hexNumber(s[i : i+n])
			if code == 0 {
				code = unicode.ReplacementChar
			}
			if isFullWidth(code) {
				code -= 0xfee0
			}
			out = utf8.AppendRune(out, rune(code))
			if i += n; i < len(s) && strings.IndexByte(trimSet, s[i]) >= 0 {
				i++
			}
		case s[i] == '\n':
			i++
		default:
			out = append(out, s[i])
			i++
		}
	}
	return a.keep(out, s)
}

// escapeSeqDecode decodes ANSI C escapes; the backslash before anything else
// goes.
func escapeSeqDecode(a *arena, s string) string {
	out := a.take(len(s))
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 >= len(s) {
			out = append(out, s[i])
			i++
			continue
		}
		c := s[i+1]
		if b, ok := escape(c); ok {
			out = append(out, b)
			i += 2
			continue
		}
		switch {
		case c|0x20 == 'x' && isPair(s, i+2):
			b, _ := hexPair(s, i+2)
			out = append(out, b)
			i += 4
		case '0' <= c && c <= '7':
			n := octals(s, i+1, 3)
			out = append(out, byte(octalValue(s[i+1:i+1+n])))
			i += 1 + n
		default:
			out = append(out, c)
			i += 2
		}
	}
	return a.keep(out, s)
}

// base64Decode decodes what is base64. Strict, it stops at the first byte that
// is not; lenient, it skips those, and knows the URL alphabet.
func base64Decode(a *arena, s string, lenient bool) string {
	out := a.take(len(s))
	acc, n := 0, 0
loop:
	for i := 0; i < len(s); i++ {
		c := s[i]
		if lenient && (unicode.IsSpace(rune(c)) || c == '.') {
			continue
		}
		switch c {
		case '\r', '\n':
			continue
		case '=', ' ':
			break loop
		case '-':
			if lenient {
				c = '+'
			}
		case '_':
			if lenient {
				c = '/'
			}
		}
		v := strings.IndexByte(base64Alphabet, c)
		if v < 0 {
			if lenient {
				continue
			}
			break
		}
		acc = acc<<6 | v
		if n++; n == 4 {
			out = append(out, byte(acc>>16), byte(acc>>8), byte(acc))
			acc, n = 0, 0
		}
	}
	switch n {
	case 2:
		out = append(out, byte(acc>>4))
	case 3:
		out = append(out, byte(acc>>10), byte(acc>>2))
	}
	return a.keep(out, s)
}

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// base64Prefix returns the beginning of s beyond which base64Decode, strict,
// does not read, whatever blanks are taken out before.
func base64Prefix(s string) string {
	for i, r := range s {
		if unicode.IsSpace(r) || r < utf8.RuneSelf && strings.IndexByte(base64Alphabet, byte(r)) >= 0 {
			continue
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		return s[:i+n]
	}
	return s
}
