package fastpath

import (
	"sync"
	"sync/atomic"
)

// A long text may meet many states of the union automaton, because the states of
// all factors are multiplied with each other. So long texts have a union of their
// own, that they may fill, and the factors are also laid out in parts, for texts
// that need too many states of it. Such a text is shown only the parts that are
// looked for in it.

const (
	longText    = 4 << 10 // bytes of a long text
	longStates  = 1000    // of its union that one text may make
	longRetry   = 8       // after a failure one text in so many tries the union
	partFactors = 24
	partStates  = 1500
)

// long is the union automaton of long texts, made when the first one comes.
type long struct {
	n      *nfa
	once   sync.Once
	auto   *dfa
	failed atomic.Bool
	turn   atomic.Uint32
}

// scan is dfa.scan, but gives up early, and mostly at once after it has.
func (l *long) scan(s string, found bitset) bool {
	if l.failed.Load() && l.turn.Add(1)%longRetry != 0 {
		return false
	}
	l.once.Do(func() { l.auto = newDFA(l.n, unionStates, false) })
	budget := longStates
	ok := l.auto.scan(s, found, &budget)
	l.failed.Store(!ok)
	return ok
}

// part is an automaton for some of the factors, made when it is first needed.
type part struct {
	n     *nfa
	ids   []int32 // factors
	index int     // in Program.parts

	once sync.Once
	auto *dfa
}

// part returns the part that the next factor goes to. Word lists have parts of
// their own.
func (c *compiler) part(words bool) *part {
	p := c.open[words]
	if p == nil || len(p.ids) >= partFactors {
		p = &part{n: newNFA(), index: len(c.prog.parts)}
		c.prog.parts = append(c.prog.parts, p)
		c.open[words] = p
	}
	return p
}

// factor gives the next factor, which p has taken, its number.
func (c *compiler) factor(p *part) int32 {
	id := c.nfactors
	c.nfactors++
	p.ids = append(p.ids, id)
	c.prog.partOf = append(c.prog.partOf, p)
	return id
}

// scanParts adds to found which factors of some parts may occur in s. Of a part
// for which that costs more than the budget it says all.
func scanParts(parts []*part, s string, found bitset, budget *int) {
	var rs [lanes]runner
	for len(parts) > 0 {
		now := parts[:min(len(parts), lanes)]
		parts = parts[len(now):]
		for k := range rs {
			// A lane to spare repeats the last part.
			rs[k].begin(now[min(k, len(now)-1)])
		}
		runTogether(&rs, s, found, budget)
		for k := range now {
			if !rs[k].gaveUp {
				continue
			}
			for _, id := range now[k].ids {
				found.set(int(id))
			}
		}
	}
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
	recent [32]uint32 // states whose reports were noted
	gaveUp bool
}

func (r *runner) begin(p *part) {
	p.once.Do(func() { p.auto = newDFA(p.n, partStates, false) })
	*r = runner{d: p.auto, class: &p.auto.class}
	r.t = p.auto.table.Load()
	r.trans, r.at = r.t.trans, r.t.root
}

// Where an automaton ends that gave up: a state that no byte leaves.
var (
	sinkTrans = []uint32{stepQuiet}
	sinkClass [256]uint8
)

// step goes on by class c.
func (r *runner) step(c uint32, found bitset, budget *int) {
	if r.gaveUp {
		return
	}
	e := atomic.LoadUint32(&r.trans[r.at+c])
	if e == 0 {
		was := r.t
		if r.t, e = r.d.make(r.t, r.at, int(c), budget); e == 0 {
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

// runTogether runs all of rs over s.
func runTogether(rs *[lanes]runner, s string, found bitset, budget *int) {
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
			// One of them is not made yet, or reports.
			if (e0|e1|e2|e3)&stepReports|((e0-1)|(e1-1)|(e2-1)|(e3-1))>>31 != 0 {
				break
			}
			at0, at1, at2, at3 = e0>>stepBits, e1>>stepBits, e2>>stepBits, e3>>stepBits
		}
		a.at, b.at, c.at, d.at = at0, at1, at2, at3
		if i < len(s) {
			for k := range rs {
				rs[k].step(uint32(rs[k].class[s[i]]), found, budget)
			}
			i++
		}
	}
	for k := range rs {
		rs[k].step(uint32(rs[k].d.nclass), found, budget)
	}
}
