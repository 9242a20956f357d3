package fastpath

import (
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/corazawaf/coraza/v3/types/variables"
)

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
