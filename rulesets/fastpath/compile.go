package fastpath

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/corazawaf/coraza/v3/types/variables"
)

// Options are what Compile needs besides the rules.
type Options struct {
	// ReadFile returns the word list that @pmFromFile names. Without it such
	// rules are not understood.
	ReadFile func(name string) ([]byte, error)

	// Responses compiles the rules of phases 3 and 4, for JudgeResponse, instead
	// of those of phases 1 and 2.
	Responses bool

	// TX are the variables that are set before the first rule runs, by name in
	// lower case: the paranoia level, the thresholds.
	TX map[string]string

	// Transformations replace or add to those of Coraza, by name, as the
	// process registered them with it.
	Transformations map[string]Transformation
}

// Transformation is a t: action that is not Coraza's own.
type Transformation struct {
	Apply func(string) (string, bool, error)
	ASCII bool // it leaves text of ASCII alone
}

// Report says what Compile made of the rules.
type Report struct {
	Rules      int // rules read, markers not counted
	Detections int // rules whose match Coraza would report
	Folded     int // rules that cannot match whatever is requested
	Unknown    []Unknown
	Always     []int // detections that match every request
}

// Unknown is a rule that is not understood, wholly or in part. Where it looks,
// Coraza is asked.
type Unknown struct {
	Rule   int // 0 when not even that is known
	Reason string
	Raw    string
}

// compiler carries the walk over the rules.
type compiler struct {
	opt        Options
	report     Report
	transforms map[string]transformation
	rules      []*rule
	prog       *Program
	patterns   map[string]*pattern
	nodes      map[string]*chainNode
	union      *nfa
	nfactors   int32
	removals   []ranRemoval
	setters    []*unit // silent rules that write TX and depend on the request
	blind      bool    // nothing can be known: always ask
}

type ranRemoval struct{ m removal }

// unit is a rule as far as it depends on the request.
type unit struct {
	index     int // in Program.units
	id        int
	phase     int
	detection bool
	links     []*plink
	guards    []*unit    // when one of them matches, Coraza skips this unit
	exposed   []int      // removals that may have taken the rule out
	local     bool       // the rest of the chain depends on the head's match alone
	readers   []*ptarget // TX targets that read what the head sets
}

// plink is one link of a unit.
type plink struct {
	targets []*ptarget
	test    *test
	negated bool
	node    *chainNode // all transformations
	plans   []plan     // how its pattern is searched for
	multi   bool
	capture bool
	sets    []setvar
	setKeys []macro // of sets, as far as known beforehand
	setVals []macro
	sure    bool // everything about it is understood
}

// ptarget is one target of a link.
type ptarget struct {
	target
	sources []source
	tx      bool     // TX as the chain has set it
	consts  []string // TX as known beforehand
	setters []*unit  // TX as these units set it
	rv      variables.RuleVariable
	matched bool // MATCHED_VAR
	all     bool // MATCHED_VARS
	maybe   bool // not understood
}

// chainNode is a chain of transformations, sharing its beginning with others.
type chainNode struct {
	id      int
	name    string
	foreign bool // not Coraza's own
	parent  *chainNode
	tr      transformation
}

// Compile reads directives in the order in which they are loaded, as
// [Directives] returns them. Those that neither are rules nor change rules are
// passed over. Nothing is an error: what is not understood is in the report, and
// Coraza is asked about it.
func Compile(directives []string, opt Options) (*Program, Report) {
	c := &compiler{
		opt: opt, patterns: map[string]*pattern{}, nodes: map[string]*chainNode{},
		union: newNFA(), prog: &Program{},
	}
	c.transforms = transformations(bestFit())
	for name, t := range opt.Transformations {
		c.transforms[strings.ToLower(name)] = t.wrap()
	}
	c.root()
	c.read(directives)
	c.walk()
	c.prog.finish(c)
	return c.prog, c.report
}

func (c *compiler) root() *chainNode { return c.chain(nil) }

// chain returns the node of a chain, nil when a transformation is not known.
func (c *compiler) chain(names []string) *chainNode {
	key := strings.Join(names, ",")
	if n, ok := c.nodes[key]; ok {
		return n
	}
	n := &chainNode{id: len(c.prog.chains)}
	if len(names) > 0 {
		tr, ok := c.transforms[names[len(names)-1]]
		if !ok {
			return nil
		}
		if n.parent = c.chain(names[:len(names)-1]); n.parent == nil {
			return nil
		}
		n.tr, n.id, n.name = tr, len(c.prog.chains), names[len(names)-1]
		for name := range c.opt.Transformations {
			n.foreign = n.foreign || strings.EqualFold(name, n.name)
		}
	}
	c.nodes[key] = n
	c.prog.chains = append(c.prog.chains, n)
	return n
}

func (c *compiler) unknown(id int, raw, format string, args ...any) {
	c.report.Unknown = append(c.report.Unknown, Unknown{Rule: id, Reason: fmt.Sprintf(format, args...), Raw: raw})
}

// walk runs the rules of each phase over what is known beforehand.
func (c *compiler) walk() {
	st := newTxState()
	for k, v := range c.opt.TX {
		st.put(strings.ToLower(k), txValue{kind: txConst, s: v})
	}
	w := walker{c: c, st: st}
	last := 2
	if c.opt.Responses {
		last = 4
	}
	for phase := 1; phase <= last; phase++ {
		w.phase = phase
		w.active = nil
		for _, r := range c.rules {
			w.visit(r)
		}
	}
}

// walker is the state of the walk.
type walker struct {
	c      *compiler
	st     txState
	phase  int
	gate   *gate    // a constant skip in force
	active []*guard // skips in force that depend on the request
}

type gate struct {
	until   string
	count   int
	exposed []int
}

type guard struct {
	u     *unit // nil: cannot be evaluated
	until string
	count int
}

func (w *walker) visit(r *rule) {
	if r.marker != "" {
		w.marker(r.marker)
		return
	}
	if r.phase != w.phase {
		return
	}
	exposed := w.c.exposed(r)
	guards := w.cover()
	if w.gate != nil {
		g := w.gate
		if g.until == "" {
			if g.count--; g.count == 0 {
				w.gate = nil
			}
		}
		if subset(g.exposed, exposed) {
			w.c.report.Folded++
			return
		}
	}
	w.run(r, exposed, guards)
}

// marker ends the skips that wait for it. It also counts as a rule skipped.
func (w *walker) marker(label string) {
	if g := w.gate; g != nil {
		if g.until == label {
			w.gate = nil
		} else if g.until == "" {
			if g.count--; g.count == 0 {
				w.gate = nil
			}
		}
	}
	w.active = slices.DeleteFunc(w.active, func(g *guard) bool {
		if g.until == "" {
			g.count--
			return g.count <= 0
		}
		return g.until == label
	})
}

// cover returns the guards that may skip the rule now visited.
func (w *walker) cover() []*guard {
	out := slices.Clone(w.active)
	w.active = slices.DeleteFunc(w.active, func(g *guard) bool {
		if g.until == "" {
			g.count--
			return g.count <= 0
		}
		return false
	})
	return out
}

// exposed lists the removals met so far that would take r out.
func (c *compiler) exposed(r *rule) []int {
	var out []int
	for i, m := range c.removals {
		if m.m.hits(r) {
			out = append(out, i)
		}
	}
	return out
}

func subset(a, b []int) bool {
	for _, x := range a {
		if !slices.Contains(b, x) {
			return false
		}
	}
	return true
}

// run evaluates one rule as far as that is possible now.
func (w *walker) run(r *rule, exposed []int, guards []*guard) {
	c := w.c
	sure := len(exposed) == 0 && len(guards) == 0
	u := &unit{id: r.id, phase: r.phase, detection: !r.silent || !r.harmless, exposed: exposed}
	st := w.st
	st.chain = map[string]bool{}
	var pending []*link // dynamic links whose actions may run
	possible := true
	dropped := false
	for i := range r.links {
		l := &r.links[i]
		switch c.constant(l, st) {
		case yes:
			h := perhaps
			if sure && len(pending) == 0 {
				h = surely
			}
			l.apply(w.st, h)
			dropped = true
			continue
		case no:
			possible = false
		case depends:
			u.links = append(u.links, c.plink(l, st, u, dropped, r))
			pending = append(pending, l)
			l.keys(st)
			continue
		}
		break
	}
	if w.c.opt.Responses && w.phase < 3 {
		w.before(r, u, pending, possible, exposed, guards)
		return
	}
	for i, l := range pending {
		if possible && u.detection && i == len(pending)-1 {
			break // it would have matched
		}
		if possible && i == 0 {
			l.apply(w.st, byUnit)
		} else {
			l.apply(w.st, perhaps)
		}
	}
	if !possible {
		c.report.Folded++
		return
	}
	for _, m := range r.removes {
		c.removals = append(c.removals, ranRemoval{m})
		c.prog.removes = append(c.prog.removes, []*unit{u})
	}
	if len(u.links) == 0 {
		w.certain(r, u, exposed, guards)
		return
	}
	c.add(u, r, guards)
	if !u.detection && (r.skip > 0 || r.skipAfter != "") {
		w.active = append(w.active, &guard{u: u, until: r.skipAfter, count: r.skip})
	}
}

// before is a rule of the request's phases, seen while the response's are
// compiled: it may have matched, and what it did then counts.
func (w *walker) before(r *rule, u *unit, pending []*link, possible bool, exposed []int, guards []*guard) {
	for _, l := range pending {
		l.apply(w.st, perhaps)
	}
	switch {
	case !possible:
	case len(pending) == 0:
		u.detection = false
		w.certain(r, u, exposed, guards)
	default:
		for _, m := range r.removes {
			w.c.removals = append(w.c.removals, ranRemoval{m})
			w.c.prog.removes = append(w.c.prog.removes, []*unit{nil})
		}
		if r.skip > 0 || r.skipAfter != "" {
			w.active = append(w.active, &guard{until: r.skipAfter, count: r.skip})
		}
	}
}

// certain is a rule that matches every request.
func (w *walker) certain(r *rule, u *unit, exposed []int, guards []*guard) {
	if u.detection {
		w.c.report.Always = append(w.c.report.Always, r.id)
		w.c.add(u, r, guards)
		return
	}
	if r.skipAfter == "" && r.skip == 0 {
		return
	}
	for _, g := range guards {
		if g.until == "" || g.until != r.skipAfter {
			return // the gate itself may be skipped
		}
	}
	w.gate = &gate{until: r.skipAfter, count: r.skip, exposed: exposed}
}

// keys adds to st.chain what a link writes.
func (l *link) keys(st txState) {
	if l.capture {
		for i := range 10 {
			st.chain[string(rune('0'+i))] = true
		}
	}
	for _, v := range l.sets {
		if m, err := parseMacro(v.key); err == nil {
			if k, ok := m.fold(st).constant(); ok {
				st.chain[strings.ToLower(k)] = true
			}
		}
	}
}

// plink compiles a link.
func (c *compiler) plink(l *link, st txState, u *unit, dropped bool, r *rule) *plink {
	p := &plink{negated: l.negated, multi: l.multi, capture: l.capture, sets: l.sets, sure: true}
	fail := func(reason string) {
		c.unknown(r.id, r.raw, "%s", reason)
		p.sure = false
	}
	for _, v := range l.sets {
		key, err := parseMacro(v.key)
		if err != nil {
			key = macro{{variable: "?"}}
		}
		val, err := parseMacro(v.value)
		if err != nil {
			val = macro{{variable: "?"}}
		}
		p.setKeys = append(p.setKeys, key.fold(st))
		p.setVals = append(p.setVals, val.fold(st))
	}
	p.test = c.compileTest(l, st)
	if p.test.unknown != "" {
		fail(p.test.unknown)
	}
	p.node = c.chain(l.chain)
	switch {
	case p.node == nil:
		fail("a transformation is not known")
		p.test = &test{unknown: "a transformation is not known"}
		p.node, p.multi = c.root(), false
	}
	if l.bad != "" {
		fail(l.bad)
		p.targets = []*ptarget{{maybe: true}}
		return p
	}
	for _, t := range l.targets {
		pt := c.ptarget(t, st, u, dropped)
		if pt.maybe {
			fail("the variable " + t.variable + " is not known beforehand")
		}
		p.targets = append(p.targets, pt)
	}
	return p
}

// ptarget resolves where a target's values come from.
func (c *compiler) ptarget(t target, st txState, u *unit, dropped bool) *ptarget {
	p := &ptarget{target: t}
	p.rv, _ = variables.Parse(t.variable)
	switch t.variable {
	case "TX":
		c.txTarget(p, st, u)
	case "MATCHED_VAR":
		p.matched, p.maybe = true, dropped || len(u.links) == 0 || t.count
	case "MATCHED_VARS":
		p.all, p.maybe = true, dropped || len(u.links) == 0 || t.count || t.key != "" || t.keyRx != nil || len(t.except) > 0
	default:
		srcs, ok := sourcesOf[t.variable]
		p.sources, p.maybe = srcs, !ok
	}
	return p
}

func (c *compiler) txTarget(p *ptarget, st txState, u *unit) {
	if p.count || len(p.except) > 0 || p.keyRx == nil && p.key == "" {
		p.maybe = true
		return
	}
	if p.keyRx == nil {
		key := strings.ToLower(p.key)
		p.key = key
		if st.chain[key] {
			p.tx = true
			return
		}
		v := st.get(key)
		p.consts = v.also
		switch v.kind {
		case txConst:
			p.consts = append(slices.Clone(v.also), v.s)
		case txUnknown:
			p.maybe = v.opaque
			c.readSetters(p)
		}
		return
	}
	var units bool
	p.consts, units, p.maybe = st.matching(p.keyRx)
	p.tx = len(u.links) > 0
	if units {
		c.readSetters(p)
	}
}

// takes reports whether the target reads this TX key.
func (p *ptarget) takes(key string) bool {
	if p.keyRx != nil {
		return p.keyRx.MatchString(key)
	}
	return p.key == key
}

// mayStart reports whether the target may read a key that starts so.
func (p *ptarget) mayStart(prefix string) bool {
	if p.keyRx == nil {
		return strings.HasPrefix(p.key, prefix)
	}
	re, err := syntax.Parse(p.keyRx.String(), syntax.Perl)
	if err != nil || re.Op != syntax.OpConcat || re.Sub[0].Op != syntax.OpBeginText ||
		re.Sub[1].Op != syntax.OpLiteral || re.Sub[1].Flags&syntax.FoldCase != 0 {
		return true
	}
	lit := string(re.Sub[1].Rune)
	return strings.HasPrefix(prefix, lit) || strings.HasPrefix(lit, prefix)
}

// readSetters makes p read what the heads of earlier units may have set.
func (c *compiler) readSetters(p *ptarget) {
	for _, u := range c.setters {
		for _, v := range u.links[0].sets {
			if m, err := parseMacro(v.key); err == nil {
				key, whole := m.constant()
				if whole && !p.takes(strings.ToLower(key)) || !whole && !p.mayStart(strings.ToLower(m.prefix())) {
					continue
				}
			}
			p.setters = append(p.setters, u)
			u.readers = append(u.readers, p)
			break
		}
	}
}

// sure reports whether a unit can be evaluated exactly.
func (u *unit) sure() bool {
	for _, l := range u.links {
		if !l.sure {
			return false
		}
	}
	return true
}

// add registers a unit with the program.
func (c *compiler) add(u *unit, r *rule, guards []*guard) {
	for _, g := range guards {
		if g.u != nil && g.u.sure() && len(g.u.guards) == 0 {
			u.guards = append(u.guards, g.u)
		}
	}
	u.index = len(c.prog.units)
	u.local = u.isLocal()
	c.prog.units = append(c.prog.units, u)
	if u.detection {
		c.report.Detections++
	}
	if len(u.links) > 0 && len(u.links[0].sets) > 0 && (!u.detection || len(u.links) > 1) {
		c.setters = append(c.setters, u)
	}
}

// isLocal reports whether the links after the head look at nothing but the
// head's match, one at a time.
func (u *unit) isLocal() bool {
	usesTX, usesAll := false, 0
	for i, l := range u.links {
		if i == 0 {
			continue
		}
		if !macroLocal(l.test.arg) {
			return false
		}
		all := false
		for _, t := range l.targets {
			switch {
			case t.sources != nil, t.setters != nil, t.maybe:
				return false
			case t.all:
				all = true
			case t.tx && !u.setsLocal(t):
				return false
			case t.tx, t.matched:
				usesTX = true
			}
		}
		if all {
			usesAll++
		}
	}
	return usesAll == 0 || usesAll == 1 && !usesTX
}

// setsLocal reports whether what t reads of the chain's own writing depends on
// the head's match alone.
func (u *unit) setsLocal(t *ptarget) bool {
	for _, l := range u.links {
		for k := range l.sets {
			if key, whole := l.setKeys[k].constant(); whole && !t.takes(strings.ToLower(key)) {
				continue
			}
			if !macroLocal(l.setKeys[k]) || !macroLocal(l.setVals[k]) {
				return false
			}
		}
	}
	return true
}

func macroLocal(m macro) bool {
	for _, p := range m {
		if p.variable != "" && p.variable != "TX" && p.variable != "MATCHED_VAR" {
			return false
		}
	}
	return true
}

func (c *compiler) regexpPattern(expr string) (*pattern, error) {
	key := "rx\x00" + expr
	if p, ok := c.patterns[key]; ok {
		return p, nil
	}
	p, err := newRegexp(expr)
	if err != nil {
		return nil, err
	}
	c.patterns[key] = p
	return p, nil
}

func (c *compiler) wordsPattern(key string, words []string) (*pattern, error) {
	if p, ok := c.patterns[key]; ok {
		return p, nil
	}
	if len(words) == 0 || slices.Contains(words, "") {
		return nil, fmt.Errorf("the word list has an empty word or none")
	}
	p := &pattern{words: words}
	c.patterns[key] = p
	return p, nil
}

// plan is how a pattern is searched for in the result of a chain: in the
// result itself, or, where peel holds, in the text before what is peeled off.
type plan struct {
	node   *chainNode
	peel   *peel
	plain  []int32 // factors to be seen in the result
	peeled []int32 // factors to be seen in the text before
}

// plan makes the plans of a head: one, or with multiMatch one for each step.
func (c *compiler) plan(l *plink) {
	if l.plans != nil || l.test.unknown != "" {
		return
	}
	for n := l.node; n != nil; n = n.parent {
		p := plan{node: n}
		if l.test.searched() && !l.negated {
			pat := l.test.pattern
			p.plain = c.factors(pat, dialect{latin1: pat.latin1})
			if peel := peelOf(n); peel != nil && len(p.plain) > 0 {
				peel.d.latin1 = pat.latin1
				if pat.words != nil && peel.d.runes {
					peel.forbid |= hasHigh
				}
				p.peeled = c.factors(pat, peel.d)
				p.peel = peel
			}
		}
		l.plans = append(l.plans, p)
		if !l.multi {
			break
		}
	}
}

// factors returns the patterns of the union automaton that stand for a pattern
// in a dialect.
func (c *compiler) factors(p *pattern, d dialect) []int32 {
	if f, ok := p.factors[d]; ok {
		return f
	}
	var out []int32
	if p.words != nil {
		c.union.addWords(p.words, &d, c.nfactors)
		out = append(out, c.nfactors)
		c.nfactors++
	}
	for _, t := range p.trees {
		if err := c.union.addRegexp(t, &d, c.nfactors); err == nil {
			out = append(out, c.nfactors)
			c.nfactors++
		}
	}
	if p.factors == nil {
		p.factors = map[dialect][]int32{}
	}
	p.factors[d] = out
	return out
}
