package language

import (
	"strings"
	"testing"
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

func BenchmarkFold(b *testing.B) {
	text := strings.Repeat("Мы приехали поездом на рассвете, «Горы» уже были освещены. ", 50)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	Fold(text)
	for b.Loop() {
		Fold(text)
	}
}
