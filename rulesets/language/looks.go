package language

import (
	"unicode"
	"unicode/utf8"
	"unsafe"
)

// lastLook is past the last letter of [looks].
const lastLook = 0x530

// looks are letters that cannot be told from a Latin one by the eye (Unicode
// TR 39, confusables), of Cyrillic and Greek, and that one.
var looks = func() (t [lastLook]byte) {
	latin := "aeopcyxijshdqwABEKMHOPCTXYIJSoABEZHIKMNOPTYX"
	for i, r := range []rune("аеорсухіјѕһԁԛԝАВЕКМНОРСТХУІЈЅοΑΒΕΖΗΙΚΜΝΟΡΤΥΧ") {
		t[r] = latin[i]
	}
	return t
}()

// disguised looks at the word that holds the look-alike at s[i] and says where
// it ends and whether it is a Latin word in disguise: one that has Latin
// letters, and of whose others each looks like one ("sеlеct" with two Cyrillic
// letters).
func disguised(s string, i int) (end int, yes bool) {
	start := i
	for start > 0 && letter(s[start-1]) {
		start--
	}
	before, n := utf8.DecodeLastRuneInString(s[:start])
	yes, latin := n < 2 || !isLetter(before), start < i
	for end = i; end < len(s); {
		if c := s[end]; c < utf8.RuneSelf {
			if !letter(c) {
				break
			}
			latin = true
			end++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[end:])
		if n == 1 || !isLetter(r) {
			break
		}
		yes = yes && r < lastLook && looks[r] != 0
		end += n
	}
	return end, yes && latin
}

func isLetter(r rune) bool { return 'Ѐ' <= r && r <= 'ҁ' || unicode.IsLetter(r) }

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// replacer reads a text character by character and writes it anew where
// something changes.
type replacer struct {
	s    string
	out  []byte // appended to
	last int    // what stands before it is written

	end       int // of the word that was looked at last
	disguised bool
}

// look returns the Latin letter that r, at s[i], pretends to be.
func (p *replacer) look(i int, r rune) (byte, bool) {
	if r >= lastLook || looks[r] == 0 {
		return 0, false
	}
	if i >= p.end {
		p.end, p.disguised = disguised(p.s, i)
	}
	return looks[r], p.disguised
}

// skip is to be followed by what replaces n bytes at s[i].
func (p *replacer) skip(i, n int) {
	if p.out == nil {
		p.out = make([]byte, 0, len(p.s)+8)
	}
	p.out = append(p.out, p.s[p.last:i]...)
	p.last = i + n
}

func (p *replacer) text(i, n int, by string) {
	p.skip(i, n)
	p.out = append(p.out, by...)
}

func (p *replacer) byte(i, n int, by byte) {
	p.skip(i, n)
	p.out = append(p.out, by)
}

// done returns what became of the text, and whether anything did.
func (p *replacer) done() ([]byte, bool) {
	if p.last == 0 {
		return p.out, false
	}
	return append(p.out, p.s[p.last:]...), true
}

// text is what f makes of s.
func text(f func([]byte, string) ([]byte, bool), s string) (string, bool) {
	if out, changed := f(nil, s); changed {
		return unsafe.String(unsafe.SliceData(out), len(out)), true
	}
	return s, false
}
