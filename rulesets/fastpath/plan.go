package fastpath

import (
	"fmt"
	"slices"
)

func (c *compiler) regexpPattern(expr string) (*pattern, error) {
	return c.opt.Expressions.get(expr)
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

// patternIn is a pattern as it is searched for in the texts of a dialect.
type patternIn struct {
	p *pattern
	d dialect
}

// factors returns the patterns of the union automaton that stand for a pattern
// in a dialect.
func (c *compiler) factors(p *pattern, d dialect) []int32 {
	key := patternIn{p, d}
	if f, ok := c.factorsOf[key]; ok {
		return f
	}
	var out []int32
	if p.words != nil {
		if id, ok := c.factor(factor{words: p.words, d: d}); ok {
			out = append(out, id)
		}
	}
	for _, t := range p.trees {
		if id, ok := c.factor(factor{tree: t, d: d}); ok {
			out = append(out, id)
		}
	}
	c.factorsOf[key] = out
	return out
}
