package language

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestLetters(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"plain or 1=1", "plain or 1=1"},
		{"отзывы select hotel", "______ select hotel"},
		{"слово' or 1=1--", "_____' or 1=1--"},
		{"«Ой», — сказал он…", "«__», — ______ __…"},
		{"بابًا ٤٥", "_____ __"},
		{"做select，然后", "_select，__"},
		{"ｕｎｉｏｎ ＳＥＬＥＣＴ（１）", "union SELECT（1）"},
		{"sеlеct * frоm users", "select * from users"}, // three letters are Cyrillic
		{"Cофт для SMSки", "C___ ___ SMS__"},
		{"сосо", "____"},
		{"İstanbul ışık", "İstanbul ___k"},
		{"\xbcscript\xbe \xd0", "\xbcscript\xbe \xd0"},
		{"𐌰b", "_b"},
	} {
		got, changed := Letters(tc.in)
		if got != tc.want || changed != (tc.in != tc.want) {
			t.Errorf("Letters(%q) = %q, %v; want %q", tc.in, got, changed, tc.want)
		}
	}
}

var runsOfLetters = regexp.MustCompile(`\p{L}+`)

// plainly writes the words of s that pretend to be Latin in Latin letters.
func plainly(s string) string {
	return runsOfLetters.ReplaceAllStringFunc(s, func(w string) string {
		out, latin := "", false
		for _, r := range w {
			switch {
			case r < utf8.RuneSelf:
				latin = true
				out += string(r)
			case r < lastLook && looks[r] != 0:
				out += string(rune(looks[r]))
			default:
				return w
			}
		}
		if !latin {
			return w
		}
		return out
	})
}

// FuzzFold holds Fold against Unicode's own normalisation, and Letters against
// Unicode's categories, character by character.
func FuzzFold(f *testing.F) {
	f.Add("＜script＞ мир \xff sеlесt ｆrom")
	f.Fuzz(func(t *testing.T, s string) {
		var fold, letters strings.Builder
		for in := plainly(s); in != ""; {
			r, n := utf8.DecodeRuneInString(in)
			c := in[:n]
			in = in[n:]
			folded := norm.NFKC.String(c)
			if r >= utf8.RuneSelf && n > 1 && !strings.ContainsFunc(folded, func(r rune) bool { return r >= utf8.RuneSelf }) {
				fold.WriteString(folded)
				if len(folded) != 1 || !letter(folded[0]) && !strings.Contains("0123456789", folded) {
					folded = c
				}
				letters.WriteString(folded)
				continue
			}
			fold.WriteString(c)
			if n > 1 && r != 'İ' && unicode.In(r, unicode.L, unicode.M, unicode.Nd) {
				c = string(rune(Letter))
			}
			letters.WriteString(c)
		}
		if got, _ := Fold(s); got != fold.String() {
			t.Errorf("Fold(%q) = %q, want %q", s, got, fold.String())
		}
		if got, _ := Letters(s); got != letters.String() {
			t.Errorf("Letters(%q) = %q, want %q", s, got, letters.String())
		}
	})
}

func BenchmarkLetters(b *testing.B) {
	text := strings.Repeat("Мы приехали поездом на рассвете, «Горы» уже были освещены. ", 50)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	Letters(text)
	for b.Loop() {
		Letters(text)
	}
}
