package language

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// Letter is what [Letters] writes for a letter: a character of a word to every
// expression, and part of no word that a rule looks for.
const Letter = '_'

// letters are the characters that Letters replaces, one bit for each up to
// U+FFFF.
var letters = sync.OnceValue(func() *[1 << 16 / 64]uint64 {
	var set [1 << 16 / 64]uint64
	for r := rune(utf8.RuneSelf); r < 1<<16; r++ {
		if wordly(r) {
			set[r/64] |= 1 << (r % 64)
		}
	}
	return &set
})

// wordly reports whether words of some language are made of r. The dotted
// capital I is left out: rules that lower their text take it for an "i".
func wordly(r rune) bool {
	return r != 'İ' && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r))
}

// Letters replaces every letter, mark and digit above ASCII by [Letter], those
// that are another form of one of ASCII or that are part of a Latin word in
// disguise (see [Fold]) by that, and reports whether it replaced any. Go's \w,
// \W and \b know ASCII only, so that in "отзывы select" the expression "anything
// but a letter, then select" finds what it looks for; a database, a shell or a
// browser takes the letters of any script for those of a word. Punctuation,
// blanks, and bytes that are not UTF-8 stay as they are.
func Letters(s string) (string, bool) { return text(AppendLetters, s) }

// AppendLetters appends to dst what [Letters] makes of s, and nothing when it
// replaces nothing.
func AppendLetters(dst []byte, s string) ([]byte, bool) {
	i := firstHigh(s)
	if i == len(s) {
		return dst, false
	}
	t, set := table(), letters()
	p := replacer{s: s, out: dst}
	for i < len(s) {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if ascii, ok := t.of(r); ok {
			if len(ascii) == 1 && (letter(ascii[0]) || '0' <= ascii[0] && ascii[0] <= '9') {
				p.byte(i, n, ascii[0])
			}
		} else if c, ok := p.look(i, r); ok {
			p.byte(i, n, c)
		} else if r < 1<<16 && set[r/64]&(1<<(r%64)) != 0 || r >= 1<<16 && wordly(r) {
			p.byte(i, n, Letter)
		}
		i += n
	}
	return p.done()
}
