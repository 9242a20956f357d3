package fastpath

import (
	"fmt"
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

	// Expressions are shared with other programs and with [Expressions.Expression];
	// nil for none to share.
	Expressions *Expressions

	// Transformations replace or add to those of Coraza, by name, as the
	// process registered them with it.
	Transformations map[string]Transformation
}

// Transformation is a t: action that is not Coraza's own.
type Transformation struct {
	Apply func(string) (string, bool, error)
	ASCII bool // it leaves text of ASCII alone

	// Append, where it is not nil, appends what Apply makes of s to dst, and
	// reports whether that is another text; nothing is appended when it is not.
	Append func(dst []byte, s string) (out []byte, changed bool)
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
	open       map[bool]*part // that have room: of word lists, and others
	nfactors   int32
	factorsOf  map[patternIn][]int32
	removals   []ranRemoval
	setters    []*unit // silent rules that write TX and depend on the request
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
		union: newNFA(), open: map[bool]*part{}, prog: &Program{},
		factorsOf: map[patternIn][]int32{},
	}
	if c.opt.Expressions == nil {
		c.opt.Expressions = &Expressions{}
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
