package fastpath

import (
	"regexp/syntax"
	"unicode"
)

// The union automaton does not look for whole expressions. An expression is cut
// at its gaps, the loops over almost any character (".*", "[^>]+"), because a
// state would have to remember for the rest of the text that the part before
// the gap was seen. What is left between the gaps are the factors: each must
// occur somewhere in a text that the expression matches. The order in which
// they occur is not looked at; the pattern's own automaton does that when all
// factors were seen.

const (
	gapWidth   = 90 // a loop over at least so many of the 128 ASCII characters is a gap
	maxRepeat  = 6  // longer counted repetitions are cut short
	maxFactors = 3
)

// factors returns expressions that all occur in whatever re matches. It may
// return none.
func factors(re *syntax.Regexp) []*syntax.Regexp {
	re = strip(re)
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = flatten(re.Sub)
	}
	var out []*syntax.Regexp
	var run []*syntax.Regexp
	flush := func() {
		if f := trim(run); f != nil && len(out) < maxFactors {
			out = append(out, f)
		}
		run = nil
	}
	for _, p := range parts {
		if isGap(p) {
			flush()
			continue
		}
		w, cut := weaken(p)
		run = append(run, w)
		if cut {
			flush()
		}
	}
	flush()
	return out
}

// strip removes captures: they do not matter for whether an expression matches.
func strip(re *syntax.Regexp) *syntax.Regexp {
	if re.Op == syntax.OpCapture {
		return strip(re.Sub[0])
	}
	if len(re.Sub) == 0 {
		return re
	}
	c := *re
	c.Sub = make([]*syntax.Regexp, len(re.Sub))
	for i, s := range re.Sub {
		c.Sub[i] = strip(s)
	}
	return &c
}

func flatten(subs []*syntax.Regexp) []*syntax.Regexp {
	var out []*syntax.Regexp
	for _, s := range subs {
		if s.Op == syntax.OpConcat {
			out = append(out, flatten(s.Sub)...)
		} else {
			out = append(out, s)
		}
	}
	return out
}

func isGap(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus:
		return isWide(re.Sub[0])
	case syntax.OpRepeat:
		return (re.Max < 0 || re.Max > maxRepeat) && isWide(re.Sub[0])
	}
	return false
}

func isWide(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpCharClass:
		n := 0
		for i := 0; i < len(re.Rune); i += 2 {
			if re.Rune[i] < 128 {
				n += int(min(re.Rune[i+1], 127)-re.Rune[i]) + 1
			}
		}
		return n >= gapWidth
	}
	return false
}

var cutMark = &syntax.Regexp{Op: syntax.OpLiteral, Rune: []rune{cutRune}}

// weaken returns an expression that matches at the start of whatever re
// matches, without the gaps inside: a branch that reaches a gap has matched.
// cut reports that every branch was cut, so that nothing can follow.
func weaken(re *syntax.Regexp) (out *syntax.Regexp, cut bool) {
	if isGap(re) {
		return cutMark, true
	}
	c := *re
	switch re.Op {
	case syntax.OpConcat:
		c.Sub = nil
		for _, s := range re.Sub {
			w, cut := weaken(s)
			c.Sub = append(c.Sub, w)
			if cut {
				return &c, true
			}
		}
		return &c, false
	case syntax.OpAlternate:
		c.Sub = nil
		all := true
		for _, s := range re.Sub {
			w, cut := weaken(s)
			c.Sub = append(c.Sub, w)
			all = all && cut
		}
		return &c, all
	case syntax.OpQuest, syntax.OpStar:
		w, _ := weaken(re.Sub[0])
		c.Sub = []*syntax.Regexp{w}
		return &c, false
	case syntax.OpPlus:
		w, cut := weaken(re.Sub[0])
		if cut {
			return w, true
		}
		c.Sub = []*syntax.Regexp{w}
		return &c, false
	case syntax.OpRepeat:
		w, cut := weaken(re.Sub[0])
		if cut && re.Min > 0 {
			return w, true
		}
		return repeat(w, re), false
	}
	return re, false
}

// repeat is sub{min,max} with the counts that cost states taken out: after the
// smallest count, any number.
func repeat(sub, re *syntax.Regexp) *syntax.Regexp {
	if re.Max >= 0 && re.Max <= 3 {
		c := *re
		c.Sub = []*syntax.Regexp{sub}
		return &c
	}
	star := &syntax.Regexp{Op: syntax.OpStar, Flags: re.Flags, Sub: []*syntax.Regexp{sub}}
	n := min(re.Min, maxRepeat)
	if n == 0 {
		return star
	}
	subs := make([]*syntax.Regexp, 0, n+1)
	for range n {
		subs = append(subs, sub)
	}
	return &syntax.Regexp{Op: syntax.OpConcat, Flags: re.Flags, Sub: append(subs, star)}
}

// trim drops what an unanchored search for run need not look at, and returns
// nil when nothing is left that a text could lack.
func trim(run []*syntax.Regexp) *syntax.Regexp {
	for len(run) > 0 {
		r := run[0]
		if r.Op == syntax.OpPlus {
			run = append([]*syntax.Regexp{r.Sub[0]}, run[1:]...)
			continue
		}
		if r.Op != syntax.OpStar && r.Op != syntax.OpQuest && r.Op != syntax.OpEmptyMatch {
			break
		}
		run = run[1:]
	}
	for len(run) > 0 {
		last := len(run) - 1
		r := run[last]
		if r.Op == syntax.OpPlus {
			run = append(append([]*syntax.Regexp{}, run[:last]...), r.Sub[0])
			continue
		}
		if r.Op != syntax.OpStar && r.Op != syntax.OpQuest && r.Op != syntax.OpEmptyMatch {
			break
		}
		run = run[:last]
	}
	if len(run) == 0 {
		return nil
	}
	f := &syntax.Regexp{Op: syntax.OpConcat, Sub: run}
	if canBeEmpty(f) {
		return nil
	}
	return f
}

// canBeEmpty reports whether re may match without consuming a byte that a text
// might lack: such a factor proves nothing.
func canBeEmpty(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune) == 0 || re.Rune[0] == cutRune
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpNoMatch:
		return false
	case syntax.OpConcat:
		for _, s := range re.Sub {
			if s.Op == syntax.OpLiteral && s.Rune[0] == cutRune {
				return true
			}
			if !canBeEmpty(s) {
				return false
			}
		}
		return true
	case syntax.OpAlternate:
		for _, s := range re.Sub {
			if canBeEmpty(s) {
				return true
			}
		}
		return false
	case syntax.OpPlus, syntax.OpCapture:
		return canBeEmpty(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min == 0 || canBeEmpty(re.Sub[0])
	case syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary, syntax.OpStar, syntax.OpQuest, syntax.OpEmptyMatch:
		return true
	}
	return true
}

// hasRune reports whether an expression names the rune that marks a cut.
func hasRune(re *syntax.Regexp, r rune) bool {
	if re.Op == syntax.OpLiteral || re.Op == syntax.OpCharClass {
		for i, x := range re.Rune {
			if x == r || re.Op == syntax.OpCharClass && i%2 == 1 && re.Rune[i-1] == r && x == unicode.MaxRune {
				return true
			}
		}
	}
	for _, s := range re.Sub {
		if hasRune(s, r) {
			return true
		}
	}
	return false
}
