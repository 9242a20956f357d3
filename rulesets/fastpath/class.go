package fastpath

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// head is the first link of a unit looking at one of its targets.
type head struct {
	u  *unit
	l  *plink
	t  *ptarget
	at int // in its class
}

// class is the set of heads that look at one kind of value: "the User-Agent
// header", "any other header", "a parameter of the query".
type class struct {
	id       uint32
	groups   []group
	quiet    []head // with multiMatch over a transformation that can change a value unnoticed
	maybes   []head
	heads    []head
	uncached bool // the outcome depends on more than the value
}

// group are the heads of a class that look at a value after the same
// transformations.
type group struct {
	node   *chainNode
	peel   *peel
	plain  search // in the result of the transformations
	peeled search // in the text before what is peeled off
	direct []head // other operators
}

// search is what is searched for in one form of a value.
type search struct {
	firsts bitset  // first factors of the patterns
	parts  []*part // in which the factors are
	byBit  map[int][]wanted
	always []head // patterns without a factor
}

// wanted is a head that may match when all factors of its pattern were seen.
type wanted struct {
	head
	factors []int32
}

func (s *search) add(h head, factors []int32, p *Program) {
	if len(factors) == 0 {
		s.always = append(s.always, h)
		return
	}
	if s.firsts == nil {
		s.firsts, s.byBit = newBitset(p.factors), map[int][]wanted{}
	}
	for _, f := range factors {
		if pt := p.partOf[f]; !slices.Contains(s.parts, pt) {
			s.parts = append(s.parts, pt)
		}
	}
	f := int(factors[0])
	s.firsts.set(f)
	s.byBit[f] = append(s.byBit[f], wanted{h, factors})
}

func (s *search) empty() bool { return len(s.byBit) == 0 && len(s.always) == 0 }

// table finds the class of a value of one source by its key.
type table struct {
	id      uint32 // in the memory of verdicts; no class has it
	heads   []head
	plain   *class            // of a key that no selector names
	keyed   map[string]*class // by the lower-case keys that selectors name
	regexes []*regexp.Regexp
	early   bool // a phase 1 rule looks at a variable that is still empty then
	mu      sync.Mutex
	sigs    map[string]*class // by which of regexes match
}

// selects reports whether a target looks at a value with this key.
func (t *target) selects(lower string) bool {
	switch {
	case t.keyRx != nil:
		if !t.keyRx.MatchString(lower) {
			return false
		}
	case t.key != "":
		if strings.ToLower(t.key) != lower {
			return false
		}
	}
	for _, e := range t.except {
		if e.hides(lower) {
			return false
		}
	}
	return true
}

// finish builds what judging needs once all units are known.
func (p *Program) finish(c *compiler) {
	p.verdicts = newVerdicts()
	for _, u := range p.units {
		if len(u.links) == 0 {
			p.always = append(p.always, u)
			continue
		}
		if !u.detection && len(u.readers) == 0 {
			continue // nobody asks; a guard is evaluated when it is needed
		}
		l := u.links[0]
		c.plan(l)
		for _, t := range l.targets {
			if t.count || t.sources == nil {
				p.scalars = append(p.scalars, head{u: u, l: l, t: t})
				continue
			}
			for _, s := range t.sources {
				p.tables[s].heads = append(p.tables[s].heads, head{u: u, l: l, t: t})
				p.tables[s].early = p.tables[s].early || s.empty(u.phase)
			}
		}
	}
	p.factors = int(c.nfactors)
	p.union = newDFA(c.union, unionStates, false)
	p.long.n = c.union
	p.classIDs = map[string]*class{}
	for s := range p.tables {
		p.tables[s].id = 1<<31 + uint32(s)
		p.tables[s].build(p)
	}
}

func (t *table) build(p *Program) {
	t.keyed, t.sigs = map[string]*class{}, map[string]*class{}
	if len(t.heads) == 0 {
		return
	}
	keys := map[string]bool{}
	for _, h := range t.heads {
		if h.t.keyRx != nil {
			t.regexes = append(t.regexes, h.t.keyRx)
		} else if h.t.key != "" {
			keys[strings.ToLower(h.t.key)] = true
		}
		for _, e := range h.t.except {
			if e.rx != nil {
				t.regexes = append(t.regexes, e.rx)
			} else {
				keys[strings.ToLower(e.key)] = true
			}
		}
	}
	slices.SortFunc(t.regexes, func(a, b *regexp.Regexp) int { return strings.Compare(a.String(), b.String()) })
	t.regexes = slices.CompactFunc(t.regexes, func(a, b *regexp.Regexp) bool { return a.String() == b.String() })
	for k := range keys {
		t.keyed[k] = p.class(t.at(k))
	}
	if len(t.regexes) == 0 {
		t.plain = p.class(t.at(noKey))
	}
}

// noKey is a key that no selector names.
const noKey = "\x00none"

// at returns the heads that look at a key.
func (t *table) at(lower string) []head {
	var out []head
	for _, h := range t.heads {
		if h.t.selects(lower) {
			out = append(out, h)
		}
	}
	return out
}

// resolve returns the class of a lower-case key; nil when nobody looks.
func (t *table) resolve(p *Program, lower []byte) *class {
	if len(t.keyed) > 0 {
		if c, ok := t.keyed[string(lower)]; ok {
			return c
		}
	}
	if len(t.regexes) == 0 {
		return t.plain
	}
	if len(lower) > cacheValue {
		return t.match(p, lower)
	}
	key := bytesString(lower)
	h := p.verdicts.hash(t.id, key)
	if v := p.verdicts.get(h, t.id, key); v != nil {
		return v.class
	}
	c := t.match(p, lower)
	if p.verdicts.again(h) {
		p.verdicts.put(h, &verdict{id: t.id, value: key, class: c})
	}
	return c
}

// match is resolve without the memory.
func (t *table) match(p *Program, lower []byte) *class {
	sig := make([]byte, len(t.regexes))
	for i, rx := range t.regexes {
		if rx.Match(lower) {
			sig[i] = 1
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.sigs[string(sig)]
	if !ok {
		p.mu.Lock()
		c = p.class(t.at(string(lower)))
		p.mu.Unlock()
		t.sigs[string(sig)] = c
	}
	return c
}

// class returns the class of a set of heads, the same for the same heads.
func (p *Program) class(heads []head) *class {
	if len(heads) == 0 {
		return nil
	}
	var b strings.Builder
	for _, h := range heads {
		b.WriteString(string(rune(h.u.index)))
		b.WriteString(h.t.variable)
		b.WriteByte(0)
	}
	if c, ok := p.classIDs[b.String()]; ok {
		return c
	}
	c := &class{id: uint32(len(p.classIDs)) + 1, heads: heads}
	for i := range heads {
		heads[i].at = i
		c.uncached = c.uncached || !macroLocal(heads[i].l.test.arg)
		c.add(heads[i], p)
	}
	p.classIDs[b.String()] = c
	return c
}

func (c *class) add(h head, p *Program) {
	if h.l.test.unknown != "" {
		c.maybes = append(c.maybes, h)
		return
	}
	for i := range h.l.plans {
		pl := &h.l.plans[i]
		g := c.group(pl)
		if !h.l.test.searched() || h.l.negated {
			g.direct = append(g.direct, h)
			continue
		}
		g.plain.add(h, pl.plain, p)
		if pl.peel != nil {
			g.peeled.add(h, pl.peeled, p)
		}
		if h.l.multi && pl.node != h.l.node && pl.node.parent != nil && pl.node.tr.quiet != nil {
			c.quiet = append(c.quiet, h)
		}
	}
}

// group returns the group of a plan. Plans that peel differently are kept
// apart.
func (c *class) group(pl *plan) *group {
	for i := range c.groups {
		g := &c.groups[i]
		if g.node == pl.node && (g.peel == nil) == (pl.peel == nil) && (g.peel == nil || g.peel.forbid == pl.peel.forbid) {
			return g
		}
	}
	c.groups = append(c.groups, group{node: pl.node, peel: pl.peel})
	return &c.groups[len(c.groups)-1]
}
