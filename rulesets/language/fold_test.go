package language

import (
	"strings"
	"testing"
	"unicode/utf8"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"golang.org/x/text/unicode/norm"
	"io/fs"
)

func TestFold(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"plain <b>", "plain <b>"},
		{"«Горы» — это мы", "«Горы» — это мы"},
		{"Таңертең өте әдемі", "Таңертең өте әдемі"},
		{"＜script＞alert（1）", "<script>alert(1)"},
		{"1＇ＵＮＩＯＮ ｓｅｌｅｃｔ", "1'UNION select"},
		{"ᵘⁿⁱᵒⁿ", "union"},
		{"𝐬𝐞𝐥𝐞𝐜𝐭 from", "select from"},
		{"a\u00a0b\u3000c", "a b c"},
		{"мир ＜ мир", "мир < мир"},
		{"caf\u00e9 ’quoted’", "caf\u00e9 ’quoted’"},
		{"\xbcscript\xbe\xff", "\xbcscript\xbe\xff"},
		{"％3cscript", "%3cscript"},
	} {
		got, changed := Fold(tc.in)
		if got != tc.want || changed != (tc.in != tc.want) {
			t.Errorf("Fold(%q) = %q, %v; want %q", tc.in, got, changed, tc.want)
		}
	}
}

func TestMask(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"plain", "plain"},
		{"мо>", "xx>"},
		{"\xbcscript\xbe", "\xbcscript\xbe"},
		{"о\xbcscript\xbeо", "x\xbcscript\xbex"},
		{"\xd0", "\xd0"},
	} {
		got, changed := Mask(tc.in)
		if got != tc.want || changed != (tc.in != tc.want) {
			t.Errorf("Mask(%q) = %q, %v; want %q", tc.in, got, changed, tc.want)
		}
	}
}

// FuzzFold holds Fold against Unicode's own normalisation, character by
// character.
func FuzzFold(f *testing.F) {
	f.Add("＜script＞ мир \xff")
	f.Fuzz(func(t *testing.T, s string) {
		var want strings.Builder
		for i := 0; i < len(s); {
			r, n := utf8.DecodeRuneInString(s[i:])
			c := s[i : i+n]
			if folded := norm.NFKC.String(c); r >= utf8.RuneSelf && n > 1 && !strings.ContainsFunc(folded, func(r rune) bool { return r >= utf8.RuneSelf }) {
				c = folded
			}
			want.WriteString(c)
			i += n
		}
		if got, _ := Fold(s); got != want.String() {
			t.Errorf("Fold(%q) = %q, want %q", s, got, want.String())
		}
	})
}

func TestRewriteFindsItsRule(t *testing.T) {
	rewritten := 0
	err := fs.WalkDir(coreruleset.FS, "@owasp_crs", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".conf") {
			return err
		}
		file, err := fs.ReadFile(coreruleset.FS, path)
		if err != nil {
			return err
		}
		if string(Rewrite(file)) != string(file) {
			rewritten++
		}
		return nil
	})
	if err != nil || rewritten != 1 {
		t.Errorf("%d files rewritten, %v; want the one with rule 941310", rewritten, err)
	}
}

func BenchmarkFold(b *testing.B) {
	text := strings.Repeat("Мы приехали поездом на рассвете, «Горы» уже были освещены. ", 50)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		Fold(text)
	}
}
