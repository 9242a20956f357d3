package fastpath

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	ahocorasick "github.com/petar-dambovaliev/aho-corasick"
	"rsc.io/binaryregexp"
)

// pattern is one expression or word list that is searched for in values. It is
// looked at in three steps, each cheaper and blunter than the next: its factors
// in the union automaton, its own automaton, and the engine that Coraza uses.
// The last two are made when they are first needed; most never are.
type pattern struct {
	expr    string // of an expression, without flags
	words   []string
	trees   []*syntax.Regexp    // factors of an expression
	factors map[dialect][]int32 // patterns of the union automaton, by dialect
	latin1  bool                // Coraza matches it bytewise
	plain   bool                // its own automaton can be made

	once   sync.Once
	own    *dfa // nil: none, ask the engine
	re     *regexp.Regexp
	binary *binaryregexp.Regexp
	list   *ahocorasick.AhoCorasick
}

const ownStates = 600

// newRegexp reads the argument of @rx as Coraza does.
func newRegexp(expr string) (*pattern, error) {
	p := &pattern{expr: expr, latin1: arbitraryBytes("(?sm)" + expr)}
	tree, err := syntax.Parse(p.text(), syntax.Perl)
	if p.latin1 {
		re, rerr := binaryregexp.Compile(expr)
		if rerr != nil {
			return nil, fmt.Errorf("compile expression: %w", rerr)
		}
		p.binary = re
	} else if err != nil {
		return nil, fmt.Errorf("compile expression: %w", err)
	}
	if err != nil || p.latin1 && !ascii(expr) || hasRune(tree, cutRune) {
		return p, nil // the engine alone knows
	}
	p.plain = true
	p.trees = factors(tree)
	return p, nil
}

// text is the expression with the flags that Coraza gives it.
func (p *pattern) text() string {
	if p.latin1 {
		return p.expr
	}
	return "(?sm)" + p.expr
}

// build makes what only a verification needs.
func (p *pattern) build() {
	if p.words != nil {
		b := ahocorasick.NewAhoCorasickBuilder(ahocorasick.Opts{
			AsciiCaseInsensitive: true, MatchKind: ahocorasick.LeftMostLongestMatch, DFA: false,
		})
		list := b.Build(p.words)
		p.list = &list
		return
	}
	if !p.latin1 {
		p.re = regexp.MustCompile(p.text()) // it parsed
	}
	if !p.plain {
		return
	}
	tree, err := syntax.Parse(p.text(), syntax.Perl)
	if err != nil {
		return
	}
	n := newNFA()
	if err := n.addRegexp(tree, &dialect{latin1: p.latin1}, 0); err == nil {
		p.own = newDFA(n, ownStates)
	}
}

// match reports whether the engine would match s.
func (p *pattern) match(s string, isASCII bool, budget *int) bool {
	p.once.Do(p.build)
	if p.own != nil {
		m, sure := p.own.matches(s, budget)
		if !m || sure && isASCII {
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

// capture returns what the engine puts into TX:0 to TX:8.
func (p *pattern) capture(s string) []string {
	p.once.Do(p.build)
	var m []string
	switch {
	case p.re != nil:
		m = p.re.FindStringSubmatch(s)
	case p.binary != nil:
		m = p.binary.FindStringSubmatch(s)
	}
	return m[:min(len(m), 9)]
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
