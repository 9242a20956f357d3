package fastpath

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// expressions are the arguments of @rx in the rule set.
func expressions(prog *Program) (out []*pattern) {
	for _, u := range prog.units {
		for _, l := range u.links {
			if p := l.test.pattern; p != nil && p.words == nil && !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// checkExpression fails when an expression finds another match, or other
// groups, than the engine that Coraza uses.
func checkExpression(tb testing.TB, p *pattern, s string) {
	tb.Helper()
	p.once.Do(p.build)
	var want []int
	if p.binary != nil {
		want = p.binary.FindStringSubmatchIndex(s)
	} else {
		want = p.re.FindStringSubmatchIndex(s)
	}
	x := Expression{p}
	if got := x.Match(s); got != (want != nil) {
		tb.Errorf("%.80q on %.200q: matches is %v", p.expr, s, got)
	}
	if got := x.Find(s); !slices.Equal(got, want) {
		tb.Errorf("%.80q on %.200q: found at %v, the engine finds %v", p.expr, s, got, want)
	}
	got := x.Brief(s)
	switch {
	case (got == nil) != (want == nil), got != nil && len(got) != len(want):
		tb.Errorf("%.80q on %.200q: shown at %v, the engine finds %v", p.expr, s, got, want)
	case got != nil && (got[0] < 0 || got[0] > want[0] || got[1] > len(s) || p.binary == nil && !utf8.ValidString(s[got[0]:got[1]]) && utf8.ValidString(s)):
		tb.Errorf("%.80q on %.200q: shown at %v, the engine finds %v", p.expr, s, got, want)
	}
}

// TestExpressionsFindWhatTheEngineFinds looks for every expression of the rule
// set in texts long and short that the rule set's own tests send, in UTF-8 and
// not, between text in which nothing is found.
func TestExpressionsFindWhatTheEngineFinds(t *testing.T) {
	all := expressions(oracleAt(t, 4).prog)
	values := material(t)
	r := rand.New(rand.NewPCG(3, 9))
	m := &mutator{r: r, pool: values}
	filling := []string{"", strings.Repeat("хлеб ", 30), strings.Repeat("a quiet text ", 20), "é", "\n", "\xe9", strings.Repeat("abc, ", 800), "\u212a"}
	tail := strings.Repeat("Тихий текст; a quiet text\n", 200) // longer than longText
	n := 40
	if testing.Short() {
		n = 6
	}
	for range n {
		s := filling[r.IntN(len(filling))] + m.text(values[r.IntN(len(values))]) + filling[r.IntN(len(filling))] + values[r.IntN(len(values))]
		for _, p := range all {
			checkExpression(t, p, s)
			checkExpression(t, p, s+tail)
		}
		if t.Failed() {
			return
		}
	}
}

// TestOddExpressions are those in which an automaton of bytes might go astray.
func TestOddExpressions(t *testing.T) {
	texts := []string{"", "a", "é", "aé", "éa", "aéb", "é\n", "\né", "x\xe9y", "日本", "日本語 text", "\u212a", "ſ", "\ufffd", "\xff", "\xed\xa0\x80", "\U0010ffff", "a\u0301", "naïve café", strings.Repeat("é", 900) + "z"}
	for _, expr := range []string{
		`\b`, `\B`, `^`, `$`, `\Bx*`, `x*`, `[^a]`, `[^a]b`, `(?i)k`, `(?i)s$`, `[é-ü]`, `[\x{80}-\x{10ffff}]{2}`, `.$`, `^.$`, `^..$`, `(a|é)+(b?)`,
		`\W\w`, `[^\x00-\x7f]+`, `\p{L}+`, `\p{Greek}|本`, `é?z`, `(?-m)^é`, `\Aé`, `é\z`, `(.*)z`, `(é)*?z`, `\x{fffd}`, `a(?:\b|é)`, `(?i)ï`, `[^é]*z`,
		`a(?:[^@]+@)?(é*)`, `(a[\s\S]*?b)|é`, `(é+)(?:.*z)?`, `é(?:[^;]*;)*?`,
	} {
		p, err := (&Expressions{}).get(expr)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range texts {
			checkExpression(t, p, s)
			checkExpression(t, p, "; "+s+" ;"+s)
			checkExpression(t, p, s+strings.Repeat(" \n", longText)+s)
		}
	}
}

func FuzzExpression(f *testing.F) {
	for i, s := range fragments {
		f.Add(i, s, uint16(i*100))
	}
	all := expressions(oracleAt(f, 4).prog)
	f.Fuzz(func(t *testing.T, which int, s string, pad uint16) {
		p := all[uint(which)%uint(len(all))]
		checkExpression(t, p, s)
		checkExpression(t, p, strings.Repeat("quiet é ", int(pad%600))+s)
		checkExpression(t, p, s+strings.Repeat(" quiet é", longText/8)+s)
	})
}
