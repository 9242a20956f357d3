package fastpath

import (
	"regexp/syntax"
	"sync"
	"sync/atomic"
)

// A long text may meet many states of the union automaton, because the states of
// all factors are multiplied with each other. So long texts have a union of their
// own, that they may fill, and the factors are also laid out in parts, for texts
// that need too many states of it. Such a text is shown only the parts that are
// looked for in it. A part that needs too many states itself is replaced by
// smaller ones, down to one factor; of that it is said that it occurs.

const (
	longText    = 4 << 10 // bytes of a long text
	longStates  = 1000    // of its union that one text may make
	partFactors = 24
	partSplit   = 4 // parts that a part is split into
	partStates  = 1500
	fewStates   = 150 // of an automaton for one factor
	partEvery   = 256 // bytes for each state that a part may make beyond that
	rarest      = 64
)

// trial says whether to try an automaton on a text. After a failure one text in
// four is shown to it, after each further one half as many.
type trial struct {
	every atomic.Uint32
	turn  atomic.Uint32
}

func (t *trial) due() bool {
	n := t.every.Load()
	return n == 0 || t.turn.Add(1)%n == 0
}

func (t *trial) done(ok bool) {
	switch n := t.every.Load(); {
	case !ok:
		t.every.Store(min(max(4, 2*n), rarest))
	case n != 0:
		t.every.Store(0)
	}
}

// long is the union automaton of long texts, made when the first one comes.
type long struct {
	n     *nfa
	once  sync.Once
	auto  *dfa
	trial trial
}

// scan is dfa.scan, but gives up early, and mostly at once after it has.
func (l *long) scan(s string, found bitset) bool {
	if !l.trial.due() {
		return false
	}
	l.once.Do(func() { l.auto = newDFA(l.n, unionStates, false) })
	budget := longStates
	ok := l.auto.scan(s, found, &budget)
	l.trial.done(ok)
	return ok
}

// factor is what an automaton looks for: an expression or a list of words.
type factor struct {
	id    int32
	tree  *syntax.Regexp
	words []string
	d     dialect
}

func (f *factor) addTo(n *nfa) error {
	if f.words != nil {
		n.addWords(f.words, &f.d, f.id)
		return nil
	}
	return n.addRegexp(f.tree, &f.d, f.id)
}

// part is an automaton for some of the factors, made when it is first needed.
type part struct {
	factors []factor
	index   int // in Program.parts

	once  sync.Once
	auto  *dfa
	trial trial
	split sync.Once
	into  []*part // the same factors in smaller parts
}

func (p *part) make() {
	n := newNFA()
	for i := range p.factors {
		_ = p.factors[i].addTo(n) // the union took it
	}
	p.auto = newDFA(n, p.states(), false)
}

// states is how many its automaton may have.
func (p *part) states() int {
	return fewStates + (partStates-fewStates)*(len(p.factors)-1)/(partFactors-1)
}

// allowance is how many of them a text of n bytes may make.
func (p *part) allowance(n int) int {
	return min(p.states(), 50+n/4) + n/partEvery*len(p.factors)/partFactors
}

// smaller returns the parts that p is split into; none when it cannot be.
func (p *part) smaller() []*part {
	p.split.Do(func() {
		rest := p.factors
		for n := partSplit; n > 0 && len(p.factors) > 1; n-- {
			k := (len(rest) + n - 1) / n
			if k > 0 {
				p.into = append(p.into, &part{factors: rest[:k]})
			}
			rest = rest[k:]
		}
	})
	return p.into
}

// part returns the part that the next factor goes to. Word lists have parts of
// their own.
func (c *compiler) part(words bool) *part {
	p := c.open[words]
	if p == nil || len(p.factors) >= partFactors {
		p = &part{index: len(c.prog.parts)}
		c.prog.parts = append(c.prog.parts, p)
		c.open[words] = p
	}
	return p
}

// factor adds a factor to the union automaton and to a part. It returns false
// for one that no automaton can take.
func (c *compiler) factor(f factor) (id int32, ok bool) {
	f.id = c.nfactors
	if f.addTo(c.union) != nil {
		return 0, false
	}
	c.nfactors++
	p := c.part(f.words != nil)
	p.factors = append(p.factors, f)
	c.prog.partOf = append(c.prog.partOf, p)
	return f.id, true
}

// scanParts adds to found which factors of some parts may occur in s.
func scanParts(parts []*part, s string, found bitset) {
	var rs [lanes]runner
	for len(parts) > 0 {
		var now []*part
		var lane [lanes]*part
		for now = lane[:0]; len(parts) > 0 && len(now) < lanes; {
			p := parts[0]
			if parts = parts[1:]; p.trial.due() {
				now = append(now, p)
			} else {
				parts = p.instead(parts, found)
			}
		}
		if len(now) == 0 {
			return
		}
		for k := range rs {
			rs[k].begin(now[min(k, len(now)-1)], len(s)) // a lane to spare repeats the last
		}
		if len(now) == 1 {
			rs[0].alone(s, found)
		} else {
			runTogether(&rs, s, found)
		}
		for k, p := range now {
			if p.trial.done(!rs[k].gaveUp); rs[k].gaveUp {
				parts = p.instead(parts, found)
			}
		}
	}
}

// instead adds to parts what is tried in place of p, or to found all it has.
func (p *part) instead(parts []*part, found bitset) []*part {
	if len(p.factors) > 1 {
		return append(parts[:len(parts):len(parts)], p.smaller()...)
	}
	found.set(int(p.factors[0].id))
	return parts
}

// lanes is how many automata run over a text together: each waits for its next
// state, and the processor does the others meanwhile.
const lanes = 4

// runner is an automaton in the middle of a text.
type runner struct {
	d      *dfa
	t      *dfaTable
	trans  []uint32
	class  *[256]uint8
	at     uint32
	budget int
	recent [32]uint32 // states whose reports were noted
	gaveUp bool
}

// begin puts r at the start of a text of n bytes.
func (r *runner) begin(p *part, n int) {
	p.once.Do(p.make)
	*r = runner{d: p.auto, class: &p.auto.class, budget: p.allowance(n)}
	r.t = p.auto.table.Load()
	r.trans, r.at = r.t.trans, r.t.root
}

// Where an automaton ends that gave up: a state that no byte leaves.
var (
	sinkTrans = []uint32{stepQuiet}
	sinkClass [256]uint8
)

// idle reports whether the step e is made and says nothing new.
func (r *runner) idle(e uint32) bool {
	to := e >> stepBits
	return e != 0 && (e&stepReports == 0 || r.recent[to*0x9e3779b1>>27] == to)
}

// step goes on by class c.
func (r *runner) step(c uint32, found bitset) {
	if r.gaveUp {
		return
	}
	e := atomic.LoadUint32(&r.trans[r.at+c])
	if e == 0 {
		was := r.t
		if r.t, e = r.d.make(r.t, r.at, int(c), &r.budget); e == 0 {
			r.gaveUp, r.trans, r.class, r.at = true, sinkTrans, &sinkClass, 0
			return
		}
		if r.t.gen != was.gen {
			clear(r.recent[:])
		}
		r.trans = r.t.trans
	}
	r.at = e >> stepBits
	if e&stepReports == 0 {
		return
	}
	known := &r.recent[r.at*0x9e3779b1>>27]
	if *known == r.at {
		return
	}
	*known = r.at
	for _, p := range r.t.states[int(r.at)/r.d.stride].Load().reports {
		found.set(int(p))
	}
}

// alone runs r over s.
func (r *runner) alone(s string, found bitset) {
	for i := 0; i < len(s) && !r.gaveUp; i++ {
		trans, class, at := r.trans, r.class, r.at
		for ; i < len(s); i++ {
			e := atomic.LoadUint32(&trans[at+uint32(class[s[i]])])
			if e&stepReports|(e-1)>>31 != 0 && !r.idle(e) {
				break
			}
			at = e >> stepBits
		}
		if r.at = at; i < len(s) {
			r.step(uint32(class[s[i]]), found)
		}
	}
	r.step(uint32(r.d.nclass), found)
}

// runTogether runs all of rs over s.
func runTogether(rs *[lanes]runner, s string, found bitset) {
	a, b, c, d := &rs[0], &rs[1], &rs[2], &rs[3]
	for i := 0; i < len(s); {
		ta, tb, tc, td := a.trans, b.trans, c.trans, d.trans
		ka, kb, kc, kd := a.class, b.class, c.class, d.class
		at0, at1, at2, at3 := a.at, b.at, c.at, d.at
		for ; i < len(s); i++ {
			x := s[i]
			e0 := atomic.LoadUint32(&ta[at0+uint32(ka[x])])
			e1 := atomic.LoadUint32(&tb[at1+uint32(kb[x])])
			e2 := atomic.LoadUint32(&tc[at2+uint32(kc[x])])
			e3 := atomic.LoadUint32(&td[at3+uint32(kd[x])])
			if (e0|e1|e2|e3)&stepReports|((e0-1)|(e1-1)|(e2-1)|(e3-1))>>31 != 0 &&
				!(a.idle(e0) && b.idle(e1) && c.idle(e2) && d.idle(e3)) {
				break
			}
			at0, at1, at2, at3 = e0>>stepBits, e1>>stepBits, e2>>stepBits, e3>>stepBits
		}
		a.at, b.at, c.at, d.at = at0, at1, at2, at3
		if i < len(s) {
			for k := range rs {
				rs[k].step(uint32(rs[k].class[s[i]]), found)
			}
			i++
		}
	}
	for k := range rs {
		rs[k].step(uint32(rs[k].d.nclass), found)
	}
}
