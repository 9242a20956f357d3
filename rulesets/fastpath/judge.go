package fastpath

import (
	"math/bits"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/corazawaf/coraza/v3/types/variables"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/reader"
)

const (
	unionStates = 6000
	buildBudget = 3000 // automaton states that one judgement may make
	buildEvery  = 16   // and one more for so many bytes of a long text
)

// Program is a compiled set of rules. It is immutable but for caches, which are
// bounded, and safe for concurrent use.
type Program struct {
	units   []*unit
	chains  []*chainNode
	tables  [sourceCount]table
	scalars []head  // heads that look at counts and at TX
	always  []*unit // match every request
	union   *dfa
	long    long
	factors int
	parts   []*part
	partOf  []*part // by factor
	blind   bool
	removes [][]*unit // by removal: the units that carry it out

	mu       sync.Mutex
	classIDs map[string]*class // guarded by mu after Compile
	verdicts *verdicts
	pool     sync.Pool
}

// Input is one request with what the connection adds to it.
type Input struct {
	Request *reader.Request
	Remote  string // REMOTE_ADDR
	Host    string // SERVER_NAME
	// BodyError tells that the body could not be read: REQBODY_ERROR and the
	// variables like it.
	BodyError bool
}

// Mask says what is excluded for the request at hand: the rule does not look at
// the variable, as the rule names it, under key.
type Mask interface {
	Excludes(rule int, variable variables.RuleVariable, key string) bool
}

// Candidate is a rule that may match, and the first value found that makes it.
type Candidate struct {
	Rule     int
	Variable string
	Key      string
}

// Result is what is known about a request without Coraza.
type Result struct {
	// Clean is true when no rule can match that Mask does not exclude.
	Clean bool
	// Candidates are the rules that may match otherwise, each once.
	Candidates []Candidate
	// GaveUp tells that the request was too costly to look at, and that other
	// rules may match than the candidates.
	GaveUp bool
}

// judgement is the working memory of one Judge.
type judgement struct {
	p      *Program
	in     *Input
	res    *Response // nil for a request
	mask   Mask
	budget int
	gaveUp bool
	work   int

	arena   arena
	texts   []text
	at      []int // by chain: index into texts
	steps   []textStep
	lower   []byte
	hits    []uint16
	parts   []*part
	found   []Candidate
	pending []match
	views   views
	vals    []kv
}

// text is one form of a value.
type text struct {
	s     string
	mask  mask
	seen  bool   // whether found holds what the union automaton saw
	parts bitset // the parts whose factors found holds
	found bitset
	utf8  memo
	known [memos]memo // outcomes of tests that are costly
}

type memo int8

const (
	memoNone memo = iota
	memoNo
	memoYes
)

// match is a head that matches.
type match struct {
	head
	variable, key string
	value         string // after all transformations
	unknown       bool   // the value is not known
}

func (m *match) name() string {
	if m.key == "" {
		return m.variable
	}
	return m.variable + ":" + m.key
}

// Response is an upstream's answer, with the request it belongs to.
type Response struct {
	Input
	Status int
	Proto  string // of the request line, as Coraza is told
	Fields []event.Field
	Body   []byte // as far as the rules see it, decoded
}

// Judge looks at a request. mask may be nil.
func (p *Program) Judge(in *Input, mask Mask) Result { return p.judge(in, nil, mask) }

// JudgeResponse looks at a response, with a program compiled for responses.
// mask may be nil.
func (p *Program) JudgeResponse(res *Response, mask Mask) Result {
	return p.judge(&res.Input, res, mask)
}

func (p *Program) judge(in *Input, res *Response, mask Mask) Result {
	if p.blind {
		return Result{GaveUp: true}
	}
	j, _ := p.pool.Get().(*judgement)
	if j == nil {
		j = &judgement{p: p, at: make([]int, len(p.chains))}
	}
	j.in, j.res, j.mask, j.budget, j.gaveUp, j.work = in, res, mask, buildBudget, false, 0
	j.found, j.pending, j.vals = j.found[:0], j.pending[:0], j.vals[:0]
	j.visit()
	j.scalars()
	j.settle()
	r := Result{Clean: len(j.found) == 0 && !j.gaveUp, GaveUp: j.gaveUp}
	if len(j.found) > 0 {
		r.Candidates = append([]Candidate(nil), j.found...)
	}
	j.release()
	p.pool.Put(j)
	return r
}

// release drops what refers to the request.
func (j *judgement) release() {
	j.in, j.res, j.mask = nil, nil, nil
	j.arena.reset()
	clear(j.pending[:cap(j.pending)])
	clear(j.vals[:cap(j.vals)])
	clear(j.found[:cap(j.found)])
	for i := range j.texts[:cap(j.texts)] {
		j.texts[:cap(j.texts)][i].s = ""
	}
	j.views.reset()
}

func (j *judgement) lowered(key string) []byte {
	j.lower = j.lower[:0]
	for i := 0; i < len(key); i++ {
		if key[i] >= 0x80 {
			return append(j.lower[:0], strings.ToLower(key)...)
		}
		j.lower = append(j.lower, lowerByte(key[i]))
	}
	return j.lower
}

// value looks at one value of the request.
func (j *judgement) value(src source, key, value string) {
	t := &j.p.tables[src]
	if len(t.heads) == 0 || j.gaveUp {
		return
	}
	c := t.plain
	if len(t.keyed) > 0 || len(t.regexes) > 0 {
		c = t.resolve(j.p, j.lowered(key))
	}
	if c == nil {
		return
	}
	if len(value) > cacheValue || c.uncached {
		j.evaluate(c, key, value, true)
		j.report(c, key, value, j.hits)
		return
	}
	h := j.p.verdicts.hash(c.id, value)
	if v := j.p.verdicts.get(h, c.id, value); v != nil {
		if len(v.hits) > 0 {
			j.report(c, key, value, v.hits)
		}
		return
	}
	j.evaluate(c, key, value, false)
	if !j.gaveUp && j.p.verdicts.again(h) {
		j.p.verdicts.put(h, &verdict{id: c.id, value: value, hits: j.hits})
	}
	j.report(c, key, value, j.hits)
}

// excluded reports whether the caller's mask or nothing covers a head here.
func (j *judgement) excluded(h head, key string) bool {
	return h.u.detection && j.mask != nil && j.mask.Excludes(h.u.id, h.t.rv, key)
}

// evaluate fills j.hits with the heads of c that match value. With masked set,
// heads that the mask excludes are not looked at.
func (j *judgement) evaluate(c *class, key, value string, masked bool) {
	j.hits = j.hits[:0]
	j.texts = j.texts[:0]
	j.steps = j.steps[:0]
	j.addText(value)
	for i := range j.at {
		j.at[i] = unmade
	}
	for i := range c.groups {
		j.group(&c.groups[i], key, masked)
	}
	for _, h := range c.quiet {
		j.unnoticed(h, key, masked)
	}
	for _, h := range c.maybes {
		j.hit(h)
	}
}

const unmade = -1

// textAt returns the text that a chain makes of the value at hand.
func (j *judgement) textAt(n *chainNode) int {
	if n.parent == nil {
		return 0
	}
	if j.at[n.id] == unmade {
		j.at[n.id] = j.transform(n)
	}
	return j.at[n.id]
}

func (j *judgement) transform(n *chainNode) int {
	if n.name == "base64decode" && !n.foreign && n.parent.name == "removewhitespace" {
		i := j.textAt(n.parent.parent)
		return j.sameOrNew(i, base64Decode(&j.arena, removeWhitespace(&j.arena, base64Prefix(j.texts[i].s)), false))
	}
	i := j.textAt(n.parent)
	if j.texts[i].mask&n.tr.needs == 0 {
		return i
	}
	if len(j.texts[i].s) < longText {
		return j.sameOrNew(i, n.tr.apply(&j.arena, j.texts[i].s))
	}
	// Chains that differ often come to the same text.
	for _, s := range j.steps {
		if s.from == i && s.name == n.name {
			return s.to
		}
	}
	to := j.sameOrNew(i, n.tr.apply(&j.arena, j.texts[i].s))
	j.steps = append(j.steps, textStep{from: i, name: n.name, to: to})
	return to
}

// textStep is a transformation that was carried out: indexes into texts.
type textStep struct {
	from int
	name string
	to   int
}

func (j *judgement) sameOrNew(i int, s string) int {
	if s == j.texts[i].s {
		return i
	}
	for k := range j.texts {
		if j.texts[k].s == s {
			return k
		}
	}
	return j.addText(s)
}

func (j *judgement) addText(s string) int {
	n := len(j.texts)
	if n < cap(j.texts) {
		j.texts = j.texts[:n+1]
	} else {
		j.texts = append(j.texts, text{})
	}
	t := &j.texts[n]
	t.s, t.mask, t.seen, t.utf8, t.known = s, maskOf(s), false, memoNone, [memos]memo{}
	t.parts.clear()
	if len(s) >= longText {
		j.budget += len(s) / buildEvery
	}
	return n
}

// isUTF8 reports whether the text is UTF-8.
func (t *text) isUTF8() bool {
	if t.utf8 == memoNone {
		t.utf8 = memoNo
		if t.mask&hasHigh == 0 || utf8.ValidString(t.s) {
			t.utf8 = memoYes
		}
	}
	return t.utf8 == memoYes
}

// search looks once for the factors of s in a text.
func (j *judgement) search(t *text, s *search) {
	if t.seen {
		return
	}
	if t.found == nil {
		t.found, t.parts = newBitset(j.p.factors), newBitset(len(j.p.parts))
	}
	if t.parts.empty() {
		t.found.clear()
		if len(t.s) >= longText {
			t.seen = j.p.long.scan(t.s, t.found)
		} else {
			budget := min(j.budget, 300+len(t.s)/2)
			j.budget -= budget
			t.seen = j.p.union.scan(t.s, t.found, &budget)
			j.budget += budget
		}
		if t.seen {
			return
		}
		t.found.clear()
	}
	j.parts = j.parts[:0]
	for _, p := range s.parts {
		if !t.parts.has(p.index) {
			t.parts.set(p.index)
			j.parts = append(j.parts, p)
		}
	}
	scanParts(j.parts, t.s, t.found)
}

func (j *judgement) group(g *group, key string, masked bool) {
	if !g.plain.empty() {
		s, i := &g.plain, 0
		if g.peel != nil {
			i = j.textAt(g.peel.base)
		}
		if g.peel != nil && g.peel.holds(&j.texts[i]) {
			s = &g.peeled
		} else {
			i = j.textAt(g.node)
		}
		j.find(g, s, i, key, masked)
	}
	if len(g.direct) == 0 {
		return
	}
	t := &j.texts[j.textAt(g.node)]
	s := t.s
	x := expansion{j: j}
	for _, h := range g.direct {
		if masked && j.excluded(h, key) {
			continue
		}
		if h.l.test.memo > 0 {
			if j.remembered(h.l.test, t) != h.l.negated {
				j.confirm(h, key, s)
			}
			continue
		}
		m, sure := h.l.test.eval(s, &x, &j.budget)
		if !sure || m != h.l.negated {
			j.confirm(h, key, s)
		}
	}
}

// remembered evaluates a costly test once a text.
func (j *judgement) remembered(test *test, t *text) bool {
	known := &t.known[test.memo-1]
	if *known == memoNone {
		*known = memoNo
		if m, _ := test.eval(t.s, nil, &j.budget); m {
			*known = memoYes
		}
	}
	return *known == memoYes
}

// find searches for patterns in text i and verifies what may be there.
func (j *judgement) find(g *group, s *search, i int, key string, masked bool) {
	if len(s.byBit) > 0 {
		t := &j.texts[i]
		j.search(t, s)
		found := t.found
		for w := range found {
			for x := found[w] & s.firsts[w]; x != 0; x &= x - 1 {
				for _, h := range s.byBit[w<<6|bits.TrailingZeros64(x)] {
					if hasAll(found, h.factors) {
						j.try(h.head, g, key, masked)
					}
				}
			}
		}
	}
	for _, h := range s.always {
		j.try(h, g, key, masked)
	}
}

func hasAll(found bitset, factors []int32) bool {
	for _, f := range factors {
		if !found.has(int(f)) {
			return false
		}
	}
	return true
}

// try verifies a head whose pattern may be in the text of a group.
func (j *judgement) try(h head, g *group, key string, masked bool) {
	if masked && j.excluded(h, key) {
		return
	}
	t := &j.texts[j.textAt(g.node)]
	if h.l.test.pattern.match(t.s, t.mask&hasHigh == 0, t.isUTF8(), &j.budget) {
		j.confirm(h, key, t.s)
	}
}

// confirm notes a head that matches, unless the rest of its chain cannot.
func (j *judgement) confirm(h head, key, s string) {
	m := match{head: h, variable: h.t.variable, key: key, value: s}
	if h.u.local && len(h.u.links) > 1 && !j.chain(h.u, &m, []match{m}) && !j.feeds(&m) {
		return
	}
	if !h.u.detection && !j.feeds(&m) {
		return
	}
	j.hit(h)
}

func (j *judgement) hit(h head) { j.hits = append(j.hits, uint16(h.at)) }

// unnoticed evaluates a head with multiMatch again when a transformation
// changed the value in a way that Coraza might not notice: what follows then
// starts from the value before.
func (j *judgement) unnoticed(h head, key string, masked bool) {
	for n := h.l.node.parent; n != nil && n.parent != nil; n = n.parent {
		if n.tr.quiet == nil {
			continue
		}
		before := j.texts[j.textAt(n.parent)].s
		if n.tr.calm != nil && n.tr.calm(before) {
			continue
		}
		after := j.texts[j.textAt(n)].s
		if before != after && n.tr.quiet(before, after) {
			j.multi(h, key, masked)
			return
		}
	}
}

// multi evaluates a head with multiMatch: on the value and on every result of a
// transformation that changed it.
func (j *judgement) multi(h head, key string, masked bool) {
	if masked && j.excluded(h, key) {
		return
	}
	n := len(j.hits)
	j.stages(h.l.node, j.texts[0].s, func(s string) bool {
		m, sure := h.l.test.eval(s, &expansion{j: j}, &j.budget)
		if !sure || m != h.l.negated {
			j.confirm(h, key, s)
		}
		return len(j.hits) == n
	})
}

// stages calls f with s and each changed result until f returns false. Where
// Coraza might not report a change, f sees what follows from either.
func (j *judgement) stages(n *chainNode, s string, f func(string) bool) {
	var steps []*chainNode
	for ; n.parent != nil; n = n.parent {
		steps = append(steps, n)
	}
	if f(s) {
		j.stagesFrom(steps, s, f)
	}
}

// stagesFrom runs steps, the last one first.
func (j *judgement) stagesFrom(steps []*chainNode, s string, f func(string) bool) bool {
	for k := len(steps) - 1; k >= 0; k-- {
		tr := &steps[k].tr
		out := tr.apply(&j.arena, s)
		if out == s {
			continue
		}
		if tr.quiet != nil && tr.quiet(s, out) && !j.stagesFrom(steps[:k], s, f) {
			return false
		}
		if s = out; !f(s) {
			return false
		}
	}
	return true
}

// apply runs all transformations of a chain.
func (n *chainNode) apply(a *arena, s string) string {
	if n.parent == nil {
		return s
	}
	return n.tr.apply(a, n.parent.apply(a, s))
}

// report turns the matching heads of a value into candidates, or keeps them
// until all values were seen.
func (j *judgement) report(c *class, key, value string, hits []uint16) {
	for _, i := range hits {
		h := c.heads[i]
		if j.excluded(h, key) {
			continue
		}
		if h.u.detection && (len(h.u.links) == 1 || h.u.local) && len(h.u.readers) == 0 {
			j.candidate(h, key)
			continue
		}
		m := match{head: h, variable: h.t.variable, key: key}
		if h.l.multi || h.l.test.unknown != "" {
			m.unknown = true
		} else {
			m.value = h.l.node.apply(&j.arena, value)
		}
		j.pending = append(j.pending, m)
	}
}

func (j *judgement) candidate(h head, key string) {
	for i := range j.found {
		if j.found[i].Rule == h.u.id {
			return
		}
	}
	for _, g := range h.u.guards {
		if j.holds(g) {
			return
		}
	}
	j.found = append(j.found, Candidate{Rule: h.u.id, Variable: h.t.variable, Key: key})
}
