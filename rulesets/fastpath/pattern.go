package fastpath

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	ahocorasick "github.com/petar-dambovaliev/aho-corasick"
	"rsc.io/binaryregexp"
)

// pattern is one expression or word list that is searched for in values. It is
// looked at in three steps, each cheaper and blunter than the next: its factors
// in the union automaton, its own automata, and the engine that Coraza uses.
// The last two are made when they are first needed; most never are.
type pattern struct {
	expr   string // of an expression, without flags
	words  []string
	trees  []*syntax.Regexp // factors of an expression
	latin1 bool             // Coraza matches it bytewise
	plain  bool             // its own automaton can be made

	once   sync.Once
	own    *dfa // nil: none, ask the engine. Of a word list it is exact
	exact  *dfa // of a text in UTF-8
	ends   *dfa // where matches end that exact has seen begin; nil: not known
	re     *regexp.Regexp
	binary *binaryregexp.Regexp
	listed sync.Once
	list   *ahocorasick.AhoCorasick
}

const (
	ownStates   = 600
	exactStates = 1500
)

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
		if !slices.Contains(p.words, "") {
			n := newNFA()
			n.addWords(p.words, &dialect{}, 0)
			p.own = newDFA(n, exactStates, false)
		}
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
		p.own = newDFA(n, ownStates, false)
	}
	// Inside a rune an automaton of bytes sees places where Go's engine sees
	// none. That matters to an expression that may match there without a rune.
	if !p.latin1 && !hasOp(tree, syntax.OpNoWordBoundary) {
		n := newNFA()
		if err := n.addRegexp(tree, &dialect{exact: true}, 0); err == nil {
			p.exact = newDFA(n, exactStates, true)
			// Where a text is cut, an assertion would see its end.
			if !hasOp(tree, syntax.OpEndText) && !hasOp(tree, syntax.OpEndLine) && !hasOp(tree, syntax.OpWordBoundary) {
				p.ends = newClosed(n, exactStates)
			}
		}
	}
}

// engineList is the engine of a word list.
func (p *pattern) engineList() *ahocorasick.AhoCorasick {
	p.listed.Do(func() {
		b := ahocorasick.NewAhoCorasickBuilder(ahocorasick.Opts{
			AsciiCaseInsensitive: true, MatchKind: ahocorasick.LeftMostLongestMatch, DFA: false,
		})
		list := b.Build(p.words)
		p.list = &list
	})
	return p.list
}

func hasOp(re *syntax.Regexp, op syntax.Op) bool {
	return re.Op == op || slices.ContainsFunc(re.Sub, func(s *syntax.Regexp) bool { return hasOp(s, op) })
}

// match reports whether the engine would match s. isUTF8 tells that s is UTF-8,
// ASCII included.
func (p *pattern) match(s string, isASCII, isUTF8 bool, budget *int) bool {
	p.once.Do(p.build)
	if isUTF8 && p.exact != nil {
		if m, sure := p.exact.matches(s, budget); sure {
			return m
		}
		return p.re.MatchString(s)
	}
	if p.own != nil {
		m, sure := p.own.matches(s, budget)
		if !m || sure && (isASCII || p.latin1 || p.words != nil) {
			return m
		}
	}
	switch {
	case p.re != nil:
		return p.re.MatchString(s)
	case p.binary != nil:
		return p.binary.MatchString(s)
	}
	return p.engineList().Iter(s).Next() != nil
}

// find returns what the engine's FindStringSubmatchIndex would. It looks from
// where the leftmost match may begin.
func (p *pattern) find(s string, isUTF8 bool, budget *int) []int {
	p.once.Do(p.build)
	if !isUTF8 || p.exact == nil {
		switch {
		case p.own != nil && !p.mayMatch(s, budget):
			return nil
		case p.binary != nil:
			return p.binary.FindStringSubmatchIndex(s)
		}
		return p.re.FindStringSubmatchIndex(s)
	}
	from, to, then, m, sure := p.exact.locate(s, budget)
	if !m {
		return nil
	}
	// The leftmost match begins before the first to end does. Where none of
	// those that began by then ends any more, the text may end.
	end := len(s)
	if sure && p.ends != nil && len(s)-to > longText {
		end = runeEnd(s, p.ends.last(then, s, to+1, budget))
	}
	return moved(p.re.FindStringSubmatchIndex(s[from:end]), from)
}

// brief is find where it suffices to show how a match begins. s is UTF-8.
func (p *pattern) brief(s string, budget *int) []int {
	p.once.Do(p.build)
	if p.exact == nil {
		return p.find(s, true, budget)
	}
	from, to, _, m, sure := p.exact.locate(s, budget)
	switch {
	case !m:
		return nil
	case !sure:
		return moved(p.re.FindStringSubmatchIndex(s), 0)
	case to-from > brief:
		loc := make([]int, 2*p.re.NumSubexp()+2)
		for i := range loc {
			loc[i] = -1
		}
		loc[0], loc[1] = from, runeEnd(s, from+brief)
		return loc
	}
	// A match ends at to; the rune behind it may be what the match asks for.
	if loc := p.re.FindStringSubmatchIndex(s[from:runeEnd(s, max(to+1, from+brief))]); loc != nil {
		return moved(loc, from)
	}
	return p.find(s, true, budget)
}

// runeEnd returns the first place not before i where no rune is cut.
func runeEnd(s string, i int) int {
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return min(i, len(s))
}

func moved(loc []int, by int) []int {
	for i := range loc {
		if loc[i] >= 0 {
			loc[i] += by
		}
	}
	return loc
}

// mayMatch asks the pattern's own automaton, whose "no" is final.
func (p *pattern) mayMatch(s string, budget *int) bool {
	m, _ := p.own.matches(s, budget)
	return m
}

// capture returns what the engine puts into TX:0 to TX:8.
func (p *pattern) capture(s string, budget *int) (groups []string) {
	if p.words != nil {
		return nil
	}
	loc := p.find(s, utf8.ValidString(s), budget)
	for i := 0; i+1 < len(loc) && len(groups) < 9; i += 2 {
		if loc[i] < 0 {
			groups = append(groups, "")
			continue
		}
		groups = append(groups, s[loc[i]:loc[i+1]])
	}
	return groups
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
