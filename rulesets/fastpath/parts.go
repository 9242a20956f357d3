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
	rarest      = 256
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
	for len(parts) > 0 {
		p := parts[0]
		if parts = parts[1:]; !p.trial.due() {
			parts = p.instead(parts, found)
			continue
		}
		p.once.Do(p.make)
		budget := p.allowance(len(s))
		ok := p.auto.scan(s, found, &budget)
		if p.trial.done(ok); !ok {
			parts = p.instead(parts, found)
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
