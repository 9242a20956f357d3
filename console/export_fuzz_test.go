package console

import (
	"strings"
	"testing"
	"unicode"
)

// FuzzHarmlessCell holds that no text begins like a formula for a spreadsheet
// that drops what stands before it, and that nothing of a text is lost but
// control characters.
func FuzzHarmlessCell(f *testing.F) {
	for _, s := range []string{"=1+1", " \u00a0@x", "\t=1", "＝1", "a=1", "", "\ufeff+1", "%0|cmd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := harmlessCell(s)
		first := strings.TrimLeft(got, " \t\r\n\u00a0\ufeff")
		for _, sign := range []string{"=", "+", "-", "@", "|", "%", "＝", "＋", "－", "＠"} {
			if strings.HasPrefix(first, sign) {
				t.Fatalf("%q begins a formula", got)
			}
		}
		if strings.ContainsFunc(got, unicode.IsControl) {
			t.Fatalf("a control character in %q", got)
		}
		if rest := strings.TrimPrefix(got, "'"); len([]rune(rest)) != len([]rune(s)) && len([]rune(got)) != len([]rune(s)) {
			t.Fatalf("%q became %q", s, got)
		}
	})
}
