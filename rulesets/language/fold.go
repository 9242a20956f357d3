package language

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// lastCompat is past the last code point with a compatibility form in ASCII
// (the legacy computing digits, U+1FBF9).
const lastCompat = 0x1FC00

// compat holds the ASCII that a character stands for, and which blocks of 256
// characters have any.
type compat struct {
	ascii  map[rune]string
	blocks [lastCompat >> 8]bool
}

// of returns the ASCII that r stands for.
func (c *compat) of(r rune) (string, bool) {
	if r >= lastCompat || !c.blocks[r>>8] {
		return "", false
	}
	s, ok := c.ascii[r]
	return s, ok
}

var table = sync.OnceValue(func() *compat {
	c := &compat{ascii: map[rune]string{}}
	for r := rune(utf8.RuneSelf); r < lastCompat; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		s := string(r)
		folded := norm.NFKC.String(s)
		if folded == s || strings.ContainsFunc(folded, func(r rune) bool { return r >= utf8.RuneSelf }) {
			continue
		}
		c.ascii[r] = folded
		c.blocks[r>>8] = true
	}
	return c
})

// Fold replaces every character that is another form of ASCII text (full-width
// "＜", superscript "²", mathematical "𝐚", no-break space) by that text, and
// letters of a Latin word in disguise by those that they look like. It reports
// whether it replaced any. Other characters, and bytes that are not UTF-8, stay
// as they are.
func Fold(s string) (string, bool) { return text(AppendFold, s) }

// AppendFold appends to dst what [Fold] makes of s, and nothing when it replaces
// nothing.
func AppendFold(dst []byte, s string) ([]byte, bool) {
	i := firstHigh(s)
	if i == len(s) {
		return dst, false
	}
	t := table()
	p := replacer{s: s, out: dst}
	for i < len(s) {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if ascii, ok := t.of(r); ok {
			p.text(i, n, ascii)
		} else if c, ok := p.look(i, r); ok {
			p.byte(i, n, c)
		}
		i += n
	}
	return p.done()
}

// Mask replaces every well-formed UTF-8 character above ASCII by "x" and
// reports whether it replaced any: what is left above ASCII is bytes of
// another encoding, or of a broken one.
func Mask(s string) (string, bool) { return text(AppendMask, s) }

// AppendMask appends to dst what [Mask] makes of s, and nothing when it replaces
// nothing.
func AppendMask(dst []byte, s string) ([]byte, bool) {
	i := firstHigh(s)
	if i == len(s) {
		return dst, false
	}
	out := append(slices.Grow(dst, len(s)), s[:i]...)
	masked := false
	for i < len(s) {
		if s[i] < utf8.RuneSelf {
			out = append(out, s[i])
			i++
			continue
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		if n == 1 {
			out = append(out, s[i])
		} else {
			out = append(out, 'x')
			masked = true
		}
		i += n
	}
	if !masked {
		return dst, false
	}
	return out, true
}

func firstHigh(s string) int {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return i
		}
	}
	return len(s)
}
