package fastpath

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// alone is what d finds when it runs over a text from its beginning to its end.
func alone(d *dfa, s string, n int) bitset {
	budget := 1 << 30
	var known noted
	found := newBitset(n)
	r := d.runner(&known, &budget)
	r.run(s, found)
	r.end(found)
	return found
}

// TestPiecesFindWhatOneRunFinds cuts long texts at every odd place and looks for
// matches across the cuts.
func TestPiecesFindWhatOneRunFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 11))
	values := material(t)
	long := func() string {
		var b strings.Builder
		for filler := fragments[r.IntN(len(fragments))] + "день a "; b.Len() < 3*longText; {
			if r.IntN(4) == 0 {
				b.WriteString(values[r.IntN(len(values))])
			} else {
				b.WriteString(strings.Repeat(filler, 1+r.IntN(40)))
			}
		}
		return b.String()
	}
	prog, _ := Compile(oracleAt(t, 2).raws, testOptions)
	texts := 40
	if testing.Short() {
		texts = 4
	}
	for range texts {
		s := long()
		for _, p := range prog.parts {
			p.once.Do(p.make)
			budget := 1 << 30
			found := newBitset(prog.factors)
			if !p.auto.scan(s, found, &budget) {
				t.Fatal("a run without a bound gave up")
			}
			for i, w := range alone(p.auto, s, prog.factors) {
				if w&^found[i] != 0 {
					t.Fatalf("pieces overlook factors %x of part %d in %q", w&^found[i], p.index, s)
				}
			}
		}
		for _, x := range searches(prog) {
			x.pat.once.Do(x.pat.build)
			for _, d := range []*dfa{x.pat.own, x.pat.exact} {
				if d == nil {
					continue
				}
				budget := 1 << 30
				got, sure := d.matches(s, &budget)
				if want := !alone(d, s, 1).empty(); got != want || !sure {
					t.Fatalf("%s in pieces: %v, in one run: %v\n%q", x.pat.expr, got, want, s)
				}
			}
		}
	}
}

// TestPiecesJoinWhereTheyAreCut puts one match, long or short, over each of the
// cuts.
func TestPiecesJoinWhereTheyAreCut(t *testing.T) {
	for _, expr := range []string{`<script[^>]*>`, `\bunion\b.{0,40}\bselect\b`, `(?i)a[^a-z]{3}b`, `\d+x$`, `^\s*q`, `é+z`} {
		p, err := newRegexp(expr)
		if err != nil {
			t.Fatal(err)
		}
		p.build()
		for _, match := range []string{"<script x='" + strings.Repeat("é", 3000) + "'>", "union 1 select", "a\u00a0b", strings.Repeat("1", 9000) + "x\n", "\n \t q", "éééz"} {
			for at := longText; at < 5*longText; at += 61 {
				s := strings.Repeat("- ", at/2) + match + strings.Repeat("- ", (6*longText-at)/2)
				budget := 1 << 30
				got, _ := p.exact.matches(s, &budget)
				if want := p.re.MatchString(s); got != want {
					t.Fatalf("%s, %.20q at %d of %d: %v, the engine says %v", expr, match, at, len(s), got, want)
				}
			}
		}
	}
}
