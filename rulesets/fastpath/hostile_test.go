package fastpath

import (
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
