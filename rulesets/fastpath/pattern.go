package fastpath

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	ahocorasick "github.com/petar-dambovaliev/aho-corasick"
	"rsc.io/binaryregexp"
)

// pattern is one expression or word list that is searched for in values. It is
// looked at in three steps, each cheaper and blunter than the next: its factors
// in the union automaton, its own automaton, and the engine that Coraza uses.
type pattern struct {
	expr    string
	words   bool                // @pm
	trees   []*syntax.Regexp    // its factors
	list0   []string            // @pm: the words
	factors map[dialect][]int32 // by dialect: patterns of the union automaton that must all be seen
	own     *dfa                // nil: none, ask the engine
	exact   bool                // own is right about any text of ASCII
	re      *regexp.Regexp
	binary  *binaryregexp.Regexp
	list    *ahocorasick.AhoCorasick
}

const ownStates = 600

// newRegexp compiles the argument of @rx as Coraza does.
func newRegexp(expr string) (*pattern, error) {
	p := &pattern{expr: expr}
	text := "(?sm)" + expr
	var d dialect
	if arbitraryBytes(text) {
		re, err := binaryregexp.Compile(expr)
		if err != nil {
			return nil, fmt.Errorf("compile expression: %w", err)
		}
		p.binary, text, d.latin1 = re, expr, true
	} else {
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, fmt.Errorf("compile expression: %w", err)
		}
		p.re = re
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil || d.latin1 && !ascii(expr) || hasRune(tree, cutRune) {
		return p, nil // the engine alone knows
	}
	n := newNFA()
	if err := n.addRegexp(tree, &d, 0); err != nil {
		return p, nil
	}
	p.own, p.exact = newDFA(n, ownStates), true
	p.trees = factors(tree)
	return p, nil
}

// newWords compiles the argument of @pm.
func newWords(words []string) *pattern {
	b := ahocorasick.NewAhoCorasickBuilder(ahocorasick.Opts{
		AsciiCaseInsensitive: true, MatchKind: ahocorasick.LeftMostLongestMatch, DFA: false,
	})
	list := b.Build(words)
	return &pattern{words: true, list: &list, list0: words}
}

// match reports whether the engine would match s.
func (p *pattern) match(s string, isASCII bool, budget *int) bool {
	if p.own != nil {
		m, sure := p.own.matches(s, budget)
		if !m || sure && p.exact && isASCII {
			return m
		}
	}
	switch {
	case p.re != nil:
		return p.re.MatchString(s)
	case p.binary != nil:
		return p.binary.MatchString(s)
	}
	return p.list.Iter(s).Next() != nil
}

// capture returns what the engine puts into TX:0 to TX:8, and how many.
func (p *pattern) capture(s string) []string {
	var m []string
	switch {
	case p.re != nil:
		m = p.re.FindStringSubmatch(s)
	case p.binary != nil:
		m = p.binary.FindStringSubmatch(s)
	}
	return m[:min(len(m), 9)]
}

// groups is how many of TX:0 to TX:8 a match always sets.
func (p *pattern) groups() int {
	switch {
	case p.re != nil:
		return min(p.re.NumSubexp()+1, 9)
	case p.binary != nil:
		return min(p.binary.NumSubexp()+1, 9)
	}
	return 0
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// arbitraryBytes reports whether Coraza matches an expression bytewise: when
// what its \x escapes stand for is not UTF-8. A backslash before anything else
// counts for itself, as it does there.
func arbitraryBytes(expr string) bool {
	var out []byte
	for i := 0; i < len(expr); i++ {
		if expr[i] != '\\' {
			out = append(out, expr[i])
			continue
		}
		if len(expr)-i < 4 {
			out = append(out, expr[i:]...)
			break
		}
		if expr[i+1] != 'x' {
			out = append(out, '\\')
			continue
		}
		digits, used := expr[i+2:], 4
		if end := strings.IndexByte(expr[i:], '}'); len(expr)-i >= 6 && expr[i+2] == '{' && end > 0 {
			digits, used = expr[i+3:i+end], end+1
		}
		if len(digits) < 2 {
			out = append(out, '\\')
			continue
		}
		v, err := strconv.ParseUint(digits[:2], 16, 8)
		if err != nil {
			out = append(out, '\\')
			continue
		}
		out = append(out, byte(v))
		i += used - 1
	}
	return !utf8.Valid(out)
}
