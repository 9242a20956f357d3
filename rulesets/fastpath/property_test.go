package fastpath

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/corazawaf/coraza/v3"
)

// searched is a pattern with one way in which it is searched for.
type searched struct {
	pat  *pattern
	plan plan
}

func searches(p *Program) (out []searched) {
	type key struct {
		pat  *pattern
		node *chainNode
	}
	seen := map[key]bool{}
	for _, u := range p.units {
		for _, l := range u.links {
			for _, pl := range l.plans {
				if k := (key{l.test.pattern, pl.node}); l.test.searched() && !seen[k] {
					seen[k] = true
					out = append(out, searched{l.test.pattern, pl})
				}
			}
		}
	}
	return out
}

// engineMatch is what Coraza's engine says, without any automaton of ours.
func engineMatch(p *pattern, s string) bool {
	p.once.Do(p.build)
	switch {
	case p.re != nil:
		return p.re.MatchString(s)
	case p.binary != nil:
		return p.binary.MatchString(s)
	}
	return p.engineList().Iter(s).Next() != nil
}

// checkSearch fails when a pattern that the engine finds after the
// transformations is overlooked by the search, with the transformations or
// before them, or when the pattern's own automaton is wrong.
func checkSearch(tb testing.TB, prog *Program, value string) {
	a := &arena{}
	seen := map[string]bitset{}
	scan := func(s string) bitset {
		f, ok := seen[s]
		if !ok {
			f = newBitset(prog.factors)
			budget := 1 << 30
			for !prog.union.scan(s, f, &budget) {
				f.clear()
			}
			seen[s] = f
		}
		return f
	}
	texts := map[*chainNode]string{}
	at := func(n *chainNode) string {
		s, ok := texts[n]
		if !ok {
			s = strings.Clone(n.apply(a, value))
			texts[n] = s
		}
		return s
	}
	matches := map[*pattern]map[string]bool{}
	for _, x := range searches(prog) {
		s := at(x.plan.node)
		want, ok := matches[x.pat][s]
		if !ok {
			want = engineMatch(x.pat, s)
			if matches[x.pat] == nil {
				matches[x.pat] = map[string]bool{}
			}
			matches[x.pat][s] = want
			budget := 1 << 30
			if got := x.pat.match(s, ascii(s), utf8.ValidString(s), &budget); got != want {
				tb.Errorf("%.60q on %q: engine says %v, we say %v", x.pat.expr, s, want, got)
			}
		}
		if !want {
			continue
		}
		if !hasAll(scan(s), x.plan.plain) {
			tb.Errorf("%.60q matches %q, but is not found in it", x.pat.expr, s)
		}
		if x.plan.peel == nil {
			continue
		}
		t := text{s: at(x.plan.peel.base)}
		t.mask = maskOf(t.s)
		if x.plan.peel.holds(&t) && !hasAll(scan(t.s), x.plan.peeled) {
			tb.Errorf("%.60q matches %q, but is not found in %q, what it was before %s", x.pat.expr, s, t.s, x.plan.node.name)
		}
	}
}

// material are values that the rule set's own tests send.
func material(tb testing.TB) []string {
	seen := map[string]bool{}
	for _, s := range regression(tb) {
		for _, v := range append([]string{s.r.Target, string(s.body)}, fragments...) {
			seen[v] = true
		}
		for _, part := range strings.FieldsFunc(string(s.body)+"&"+s.r.Target, func(r rune) bool { return r == '&' || r == '=' || r == '?' }) {
			seen[part] = true
		}
		for _, f := range s.r.Fields {
			seen[f.Value] = true
		}
	}
	var out []string
	for s := range seen {
		if len(s) < 2000 {
			out = append(out, s)
		}
	}
	return out
}

func TestSearchOverlooksNothing(t *testing.T) {
	prog := oracleAt(t, 4).prog
	values := material(t)
	r := rand.New(rand.NewPCG(7, 7))
	m := &mutator{r: r, pool: values}
	n := 300
	if testing.Short() {
		n = 50
	}
	for range n {
		v := values[r.IntN(len(values))]
		checkSearch(t, prog, v)
		checkSearch(t, prog, m.text(v))
		if t.Failed() {
			return
		}
	}
}

func FuzzSearch(f *testing.F) {
	for _, s := range fragments {
		f.Add(s)
	}
	for _, s := range []string{"c a t /e t c/p a s s w d", "C:\\Win^dows\\..\\x.", "sel/**/ect \u212aelvin \u0130d", "&lt;a\x00b&#x3c;", "a+b%20c%u0441"} {
		f.Add(s)
	}
	prog := oracleAt(f, 4).prog
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) < 500 {
			checkSearch(t, prog, s)
		}
	})
}

// transformer asks Coraza to transform.
type transformer struct {
	waf   coraza.WAF
	names []string
}

func newTransformer(tb testing.TB) *transformer {
	x := &transformer{}
	text := "SecRuleEngine DetectionOnly\nSecAuditEngine Off\n"
	for name := range transformations(bestFit()) {
		if name == "utf8tounicode" {
			continue // the process may have replaced it
		}
		x.names = append(x.names, name)
		text += "SecRule ARGS_GET \"@unconditionalMatch\" \"id:" + number(len(x.names)) + ",phase:1,log,pass,t:none,t:" + name + "\"\n"
	}
	var err error
	if x.waf, err = coraza.NewWAF(coraza.NewWAFConfig().WithDirectives(text)); err != nil {
		tb.Fatal(err)
	}
	return x
}

func (x *transformer) check(tb testing.TB, s string) {
	tx := x.waf.NewTransaction()
	defer func() { _ = tx.Close() }()
	tx.AddGetRequestArgument("v", s)
	tx.ProcessRequestHeaders()
	ours := transformations(bestFit())
	for _, m := range tx.MatchedRules() {
		name := x.names[m.Rule().ID()-1]
		want := m.MatchedDatas()[0].Value()
		tr := ours[name]
		if got := tr.apply(&arena{}, s); got != want {
			tb.Errorf("t:%s of %q is %q, Coraza makes %q", name, s, got, want)
		}
		if maskOf(s)&tr.needs == 0 && want != s {
			tb.Errorf("t:%s changes %q to %q, which its mask denies", name, s, want)
		}
	}
}

func TestTransformationsAreCorazas(t *testing.T) {
	x := newTransformer(t)
	values := material(t)
	r := rand.New(rand.NewPCG(3, 9))
	m := &mutator{r: r, pool: values}
	for _, s := range []string{"", ".", "/", "//", "./", "a/..", "a/../", "..", "C:", "c:/x:y/", "a. /b . /", "\\", "\\x4", "\\u{41}", "\\400", "\\777", "%", "%u", "%u00", "/*", "/**", "a/*b*/c", "a/*b*/", "<!--", "--", "a-->b", "QUI=", "QUJ", "QQ", "Q", "\xa0", "\u0085", "\xc3", "é\xff ", "İK", "&nbsp&lt", "\x00", "'\" / (", ",;\t", "a\\\nb\\41 c", "\\0"} {
		x.check(t, s)
	}
	for range 20000 {
		s := values[r.IntN(len(values))]
		x.check(t, m.text(s))
		if t.Failed() {
			return
		}
	}
}

func FuzzTransformations(f *testing.F) {
	x := newTransformer(f)
	for _, s := range fragments {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { x.check(t, s) })
}

func TestUTF8ToUnicode(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "abc": "abc", "é": "%u00e9", "aшb": "a%u0448b", "\xff": "%ufffd", "😀": "%u1f600", "€\xe2": "%u20ac%ufffd",
	} {
		if got := utf8ToUnicode(&arena{}, in); got != want {
			t.Errorf("utf8ToUnicode(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestBytewiseAutomatonIsTheEngine holds the automaton of an expression that
// Coraza matches bytewise against its engine, on any bytes.
func TestBytewiseAutomatonIsTheEngine(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	exprs := []string{
		`\xe9[^>\xbe]*[>\xbe]|<[^\xbe]*\xbe`, `(?i)\xe9K\b`, `\B\xffs`, `(?i)[\xe0-\xe5]{2,4}$`, `^.\xc3?[^a\xa9]+\z`, `(?s:\xfe.+\n)[[:^alpha:]]`,
	}
	for _, x := range searches(oracleAt(t, 4).prog) {
		if x.pat.latin1 {
			exprs = append(exprs, x.pat.expr)
		}
	}
	const bytes = "\xe9\xc9\xbe\xbc\xfe\xff\xc3\xa9\xe0\xc5\xb5s\xdfKk\xc2\xb4\xe2\x80\x99aA>< \n_-1\x00"
	both := 0
	for _, expr := range exprs {
		p, err := newRegexp(expr)
		if err != nil || !p.latin1 {
			t.Errorf("%q: bytewise is %v, %v", expr, p != nil && p.latin1, err)
			continue
		}
		p.once.Do(p.build)
		if p.own == nil {
			continue
		}
		hits, texts := 0, 4000
		for range texts {
			s := make([]byte, r.IntN(12))
			for i := range s {
				s[i] = bytes[r.IntN(len(bytes))]
			}
			budget := buildBudget
			got := p.match(string(s), false, false, &budget)
			if want := p.binary.Match(s); got != want {
				t.Fatalf("%q in %q: %v, the engine says %v", expr, s, got, want)
			} else if got {
				hits++
			}
		}
		if hits > 0 && hits < texts {
			both++
		}
	}
	if both < 6 {
		t.Errorf("only %d expressions matched some of the texts", both)
	}
}
