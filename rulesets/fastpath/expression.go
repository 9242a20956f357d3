package fastpath

import (
	"sync"
	"unicode/utf8"
)

// Expressions are the arguments of @rx with the automata made for them, shared
// by whoever asks for the same one. The zero value is ready; it is safe for
// concurrent use.
type Expressions struct {
	mu    sync.Mutex
	byArg map[string]*pattern
}

// get returns the pattern of an argument of @rx.
func (x *Expressions) get(arg string) (*pattern, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if p, ok := x.byArg[arg]; ok {
		return p, nil
	}
	p, err := newRegexp(arg)
	if err != nil {
		return nil, err
	}
	if x.byArg == nil {
		x.byArg = map[string]*pattern{}
	}
	x.byArg[arg] = p
	return p, nil
}

// Expression answers for one argument of @rx what the engine would that Coraza
// uses, sooner on long texts. It is safe for concurrent use.
type Expression struct{ p *pattern }

// Expression returns the expression of an argument of @rx.
func (x *Expressions) Expression(arg string) (Expression, error) {
	p, err := x.get(arg)
	return Expression{p}, err
}

// Match reports whether the expression matches in s.
func (x Expression) Match(s string) bool {
	budget := expressionBudget(s)
	isASCII := ascii(s)
	return x.p.match(s, isASCII, isASCII || utf8.ValidString(s), &budget)
}

// Find returns where the leftmost match and its groups are, as
// [regexp.Regexp.FindStringSubmatchIndex] does; nil without a match.
func (x Expression) Find(s string) []int {
	budget := expressionBudget(s)
	return x.p.find(s, utf8.ValidString(s), &budget)
}

func expressionBudget(s string) int { return buildBudget + len(s)/buildEvery }

// brief is how much of a text Brief looks at, in bytes.
const brief = 2 << 10

// Brief is Find for whoever only shows what was found: it is nil exactly when
// Find is, but may cut a long match, and its groups, short.
func (x Expression) Brief(s string) []int {
	budget := expressionBudget(s)
	if len(s) <= brief || !utf8.ValidString(s) {
		return x.Find(s)
	}
	return x.p.brief(s, &budget)
}
