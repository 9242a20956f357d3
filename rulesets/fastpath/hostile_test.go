package fastpath

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/qorgan/qorgan/rulesets/reader"
)

// TestHostileTextCannotGrowMemory feeds texts made to need ever new states.
func TestHostileTextCannotGrowMemory(t *testing.T) {
	o := oracleAt(t, 4)
	p, _ := Compile(o.raws, testOptions)
	r := rand.New(rand.NewPCG(1, 2))
	values := material(t)
	rounds := 60
	if testing.Short() {
		rounds = 6
	}
	for range rounds {
		var b strings.Builder
		for b.Len() < 20000 {
			if r.IntN(2) == 0 {
				b.WriteString(values[r.IntN(len(values))])
			} else {
				b.WriteByte(byte(r.IntN(256)))
			}
		}
		in := &Input{Request: request("POST", "/", browser...)}
		in.Request.Post = []reader.Arg{{Name: "a", Value: b.String()}}
		p.Judge(in, nil)
	}
	if n := p.union.table.Load().used; n > unionStates {
		t.Errorf("the union automaton has %d states, %d are allowed", n, unionStates)
	}
	for _, x := range searches(p) {
		if x.pat.own != nil && x.pat.own.table.Load().used > ownStates {
			t.Errorf("%.60q has %d states", x.pat.expr, x.pat.own.table.Load().used)
		}
	}
}

// TestGivesUpRatherThanPass exhausts the budget of states.
func TestGivesUpRatherThanPass(t *testing.T) {
	o := oracleAt(t, 1)
	p, _ := Compile(o.raws, testOptions)
	p.union.max = 4
	for range 3 {
		in := &Input{Request: request("GET", "/?q=%3Cscript%3Ealert(1)%3C/script%3E", browser...), Remote: "203.0.113.7"}
		in.Request.Get = []reader.Arg{{Name: "q", Value: "<script>alert(1)</script>"}}
		if res := p.Judge(in, nil); res.Clean {
			t.Fatalf("passed an attack without states to see it: %+v", res)
		}
	}
}

// TestConcurrentJudgements shares one fresh program among goroutines, so that
// all make its states and fill its memory at once.
func TestConcurrentJudgements(t *testing.T) {
	o := oracleAt(t, 2)
	p, _ := Compile(o.raws, testOptions)
	samples := regression(t)
	var ins []*Input
	var want []bool
	for i := 0; i < len(samples); i += 40 {
		s := samples[i]
		req, err := reader.Head(s.r.Method, s.r.Target, s.r.Proto, s.r.Fields, reader.Limits{})
		if err != nil || req.ParseBody(s.body) != nil {
			continue
		}
		in := &Input{Request: req, Remote: "203.0.113.7"}
		ins = append(ins, in)
		want = append(want, o.prog.Judge(in, nil).Clean)
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range ins {
				k := (i*7 + g*13) % len(ins)
				if got := p.Judge(ins[k], nil).Clean; got != want[k] {
					t.Errorf("%s: clean is %v, alone it is %v", ins[k].Request.Target, got, want[k])
				}
			}
		})
	}
	wg.Wait()
}

// TestUnknownRulesAskWhereTheyLook loads rules that the compiler cannot read.
func TestUnknownRulesAskWhereTheyLook(t *testing.T) {
	for _, tc := range []struct {
		rule  string
		clean bool // a request without what the rule looks at
		asked bool // a request with it
	}{
		{`SecRule ARGS:foo "@geoLookup" "id:1,phase:2,deny"`, true, true},
		{`SecRule ARGS:foo "@rx x" "id:1,phase:2,deny,t:none,t:noSuchThing"`, true, true},
		{`SecRule DURATION "@gt 5" "id:1,phase:2,deny"`, false, true},
		{`SecRule ARGS:foo "@streq bar" "id:1,phase:2,deny"`, true, true},
		{`SecRule ARGS:foo "@streq other" "id:1,phase:2,deny"`, true, false},
		{`SecRule TX:never "@streq x" "id:1,phase:2,deny"`, true, false},
		{`SecAction "id:1,phase:2,deny"`, false, true},
		{`SecRule &ARGS:foo "@eq 0" "id:1,phase:2,deny"`, false, false},
		{`SecRuleUpdateActionById 1 "pass"`, false, true},
		{`SecRule ARGS:foo "@rx [" "id:1,phase:2,deny"`, true, true},
	} {
		p, _ := Compile([]string{tc.rule}, testOptions)
		without := &Input{Request: request("GET", "/")}
		with := &Input{Request: request("GET", "/?foo=bar")}
		with.Request.Get = []reader.Arg{{Name: "foo", Value: "bar"}}
		if got := p.Judge(without, nil).Clean; got != tc.clean {
			t.Errorf("%s: clean is %v without its target", tc.rule, got)
		}
		if got := p.Judge(with, nil).Clean; got == tc.asked {
			t.Errorf("%s: clean is %v with its target", tc.rule, got)
		}
	}
}

// hostileTexts return texts of n bytes made to be slow to look at.
func hostileTexts(tb testing.TB) map[string]func(n int) string {
	values := material(tb)
	repeat := func(s string) func(int) string {
		return func(n int) string { return strings.Repeat(s, n/len(s)+1)[:n] }
	}
	return map[string]func(int) string{
		"one letter":   repeat("a"),
		"blanks":       repeat(" \t\n"),
		"tags":         repeat("<a href='x' onx=1>"),
		"near misses":  repeat("union selec ' or 1 = 'x "),
		"never closed": repeat("(((([[[[{{{{\"'`"),
		"escapes":      repeat("%25%u0041\\x41&#x3c;"),
		"no UTF-8":     repeat("\xff\xc3(\xe2\x82"),
		"many states": func(n int) string {
			r := rand.New(rand.NewPCG(5, 8))
			var b strings.Builder
			for b.Len() < n {
				b.WriteString(values[r.IntN(len(values))])
				b.WriteByte(byte(r.IntN(256)))
			}
			return b.String()[:n]
		},
	}
}

// BenchmarkHostile shows what a text costs by its length: a row's ns/B must not
// grow with it.
func BenchmarkHostile(b *testing.B) {
	p := oracleAt(b, 2).prog
	for name, text := range hostileTexts(b) {
		for _, n := range []int{16 << 10, 128 << 10, 1 << 20} {
			in := &Input{Request: request("POST", "/", browser...)}
			in.Request.Post = []reader.Arg{{Name: "a", Value: text(n)}}
			b.Run(fmt.Sprintf("%s/%dk", name, n>>10), func(b *testing.B) {
				from := cpu()
				for range b.N {
					p.Judge(in, nil)
				}
				b.ReportMetric(float64(cpu()-from)/float64(b.N)/float64(n), "cpu-ns/B")
			})
		}
	}
}

// TestHostileRequestsStayWithinBounds judges values of a megabyte and thousands
// of parameters, and looks at what every automaton has grown to.
func TestHostileRequestsStayWithinBounds(t *testing.T) {
	o := oracleAt(t, 2)
	p, _ := Compile(o.raws, testOptions)
	size := 1 << 20
	if testing.Short() {
		size = 64 << 10
	}
	for name, text := range hostileTexts(t) {
		in := &Input{Request: request("POST", "/", browser...)}
		in.Request.Post = []reader.Arg{{Name: "a", Value: text(size)}}
		p.Judge(in, nil)
		in.Request.Post = nil
		for i := range 3000 {
			in.Request.Post = append(in.Request.Post, reader.Arg{Name: fmt.Sprint(name, i), Value: text(i % 300)})
		}
		p.Judge(in, nil)
	}
	within := func(name string, d *dfa, max int) {
		if d == nil {
			return
		}
		if tab := d.table.Load(); tab.used > max || len(tab.states) > max || len(tab.trans) > max*d.stride {
			t.Errorf("%s has %d states and room for %d, %d are allowed", name, tab.used, len(tab.states), max)
		}
	}
	within("the union automaton", p.union, unionStates)
	within("that of long texts", p.long.auto, unionStates)
	eachPart(p.parts, func(p *part) { within("a part", p.auto, p.states()) })
	for _, x := range searches(p) {
		within(x.pat.expr, x.pat.own, ownStates)
		within(x.pat.expr, x.pat.exact, exactStates)
		within(x.pat.expr, x.pat.ends, exactStates)
	}
}

// TestHostileTextsMakeFewStates counts the work that a long text causes: steps
// of automata that must be made, each of which costs as much as thousands of
// bytes that meet only steps made before.
func TestHostileTextsMakeFewStates(t *testing.T) {
	const size = 64 << 10
	o := oracleAt(t, 2)
	for name, text := range hostileTexts(t) {
		p, _ := Compile(o.raws, Options{ReadFile: testOptions.ReadFile}) // with expressions of its own
		in := &Input{Request: request("POST", "/", browser...)}
		in.Request.Post = []reader.Arg{{Name: "a", Value: text(size)}}
		p.Judge(in, nil)
		before := madeSteps(p)
		for range 4 {
			p.Judge(in, nil)
		}
		if n := madeSteps(p) - before; n > 4*size/2 {
			t.Errorf("%s: %d steps made for four times %d bytes", name, n, size)
		}
	}
}

// eachPart calls f with parts and what they were split into.
func eachPart(parts []*part, f func(*part)) {
	for _, p := range parts {
		f(p)
		eachPart(p.into, f)
	}
}

// madeSteps counts the steps that all automata of p were made of so far.
func madeSteps(p *Program) (n int) {
	add := func(d *dfa) {
		if d != nil {
			n += d.made
		}
	}
	add(p.union)
	add(p.long.auto)
	eachPart(p.parts, func(p *part) { add(p.auto) })
	seen := map[*pattern]bool{}
	for _, x := range searches(p) {
		if !seen[x.pat] {
			seen[x.pat] = true
			add(x.pat.own)
			add(x.pat.exact)
			add(x.pat.ends)
		}
	}
	return n
}
