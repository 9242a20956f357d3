package exclude

import (
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/corazawaf/coraza/v3/types/variables"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// Target is a variable, or one key of it, that a rule is not to look at. It
// means what the same target means in Coraza's ctl:ruleRemoveTargetById: the
// variable is the one that the rule names, the key is compared without regard
// to case.
type Target struct {
	Variable variables.RuleVariable
	Key      string         // empty for every key, when Rx is nil
	Rx       *regexp.Regexp // matched against the key in lower case
	text     string
}

// String returns the target as it was written.
func (t Target) String() string { return t.text }

func (t *Target) covers(v variables.RuleVariable, key string) bool {
	if t.Variable != v {
		return false
	}
	if t.Rx != nil {
		return t.Rx.MatchString(strings.ToLower(key))
	}
	return t.Key == "" || strings.EqualFold(t.Key, key)
}

// Exclusion is one compiled exclusion.
type Exclusion struct {
	Rules   []config.RuleRange
	Targets []Target // empty for every target
	Source  *config.Exclusion

	methods []string
	shape   shape
	when    []condition
}

// condition is a parameter that must be there, and what it must say.
type condition struct{ name, value string }

// met reports whether r carries the parameter and every value sent under its
// name fits: which of several a CMS takes is not for us to guess.
func (c condition) met(r *reader.Request) bool {
	found := false
	for _, list := range [...][]reader.Arg{r.Get, r.Post} {
		for _, a := range list {
			if a.Name != c.name {
				continue
			}
			if !matchSegment(c.value, a.Value) {
				return false
			}
			found = true
		}
	}
	return found
}

// holds reports whether the exclusion applies to a rule, whatever the target.
func (x *Exclusion) holds(rule int) bool {
	return slices.ContainsFunc(x.Rules, func(r config.RuleRange) bool { return r.First <= rule && rule <= r.Last })
}

func (x *Exclusion) asked(r *reader.Request) bool {
	for _, c := range x.when {
		if !c.met(r) {
			return false
		}
	}
	return true
}

// Set is the compiled exclusions of a site or a profile. The nil Set excludes
// nothing.
type Set struct{ all []*Exclusion }

// Error is what is wrong with one exclusion of a list.
type Error struct {
	Index int // from 0
	Err   error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("exclusion %d: %v", e.Index+1, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Compile checks and compiles exclusions. Its error joins an [Error] for each
// that cannot be used.
func Compile(list []config.Exclusion) (*Set, error) {
	s := &Set{}
	var errs []error
	for i := range list {
		x, err := compile(&list[i])
		if err != nil {
			errs = append(errs, &Error{i, err})
			continue
		}
		s.all = append(s.all, x)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return s, nil
}

func compile(src *config.Exclusion) (*Exclusion, error) {
	if len(src.Rules) == 0 {
		return nil, errors.New("names no rule; list rule ids or ranges")
	}
	x := &Exclusion{Rules: src.Rules, Source: src}
	for _, r := range src.Rules {
		if r.First <= 0 || r.Last < r.First {
			return nil, fmt.Errorf("rule range %d-%d is empty", r.First, r.Last)
		}
		if id, why := untouchable(r); why != "" {
			return nil, fmt.Errorf("rule %d cannot be excluded: it %s", id, why)
		}
	}
	for _, m := range src.Methods {
		x.methods = append(x.methods, strings.ToUpper(m))
	}
	shape, err := parseShape(src.Path)
	if err != nil {
		return nil, err
	}
	x.shape = shape
	for _, w := range src.When {
		name, value, ok := strings.Cut(w, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("when %q; write a parameter and its value, such as action=save", w)
		}
		x.when = append(x.when, condition{name, value})
	}
	for _, t := range src.Targets {
		target, err := parseTarget(t)
		if err != nil {
			return nil, err
		}
		x.Targets = append(x.Targets, target)
	}
	switch src.Who {
	case "", config.Anyone, config.Member, config.Author, config.Admin:
	default:
		return nil, fmt.Errorf("who is %q; write anyone, member, author or admin", src.Who)
	}
	return x, nil
}

// untouchable names the rules that are the rule set's machinery. Without them
// there is no score, and so no verdict: an exclusion of one is a switch for the
// whole firewall in disguise.
func untouchable(r config.RuleRange) (int, string) {
	for _, part := range []struct {
		first, last int
		why         string
	}{
		{901000, 901999, "initialises the rule set; set the level and thresholds of the site instead"},
		{949000, 949999, "adds up the inbound score; exclude the rules that matched, or raise the threshold"},
		{959000, 959999, "adds up the outbound score; exclude the rules that matched, or raise the threshold"},
		{980000, 980999, "reports the scores and refuses nothing; exclude the rules that matched"},
	} {
		if r.First <= part.last && part.first <= r.Last {
			return max(r.First, part.first), part.why
		}
	}
	return 0, ""
}

func parseTarget(s string) (Target, error) {
	name, key, keyed := strings.Cut(s, ":")
	name = strings.TrimPrefix(strings.TrimSpace(name), "!")
	v, err := variables.Parse(strings.ToUpper(name))
	if err != nil {
		return Target{}, fmt.Errorf("target %q: %q is no variable of the rules; write for example ARGS:content", s, name)
	}
	t := Target{Variable: v, text: s}
	if !keyed {
		return t, nil
	}
	if key == "" {
		return Target{}, fmt.Errorf("target %q: nothing after the colon; write %s for every key", s, name)
	}
	if len(key) > 1 && key[0] == '/' && key[len(key)-1] == '/' {
		if len(key) == 2 {
			return Target{}, fmt.Errorf("target %q: empty expression", s)
		}
		// Keys are compared in lower case, so the expression must not insist
		// on capitals.
		rx, err := regexp.Compile("(?i)" + key[1:len(key)-1])
		if err != nil {
			return Target{}, fmt.Errorf("target %q: %w", s, err)
		}
		t.Rx = rx
		return t, nil
	}
	t.Key = key
	return t, nil
}

// Mask is the exclusions that hold for one request. The zero Mask excludes
// nothing.
type Mask struct{ hold []*Exclusion }

// Match adds to m the exclusions of s that hold for a request: its method, its
// raw path, its parameters, and what was witnessed about its session.
func (s *Set) Match(m Mask, r *reader.Request, rank exchange.Rank, now time.Time) Mask {
	if s == nil || len(s.all) == 0 {
		return m
	}
	_, unambiguous := Normal(r.Path)
	for _, x := range s.all {
		if !rank.Covers(x.Source.Who) ||
			len(x.methods) > 0 && !slices.Contains(x.methods, r.Method) ||
			!x.Source.Expires.IsZero() && now.After(x.Source.Expires) {
			continue
		}
		if x.shape.covers(r.Path, unambiguous) && x.asked(r) {
			m.hold = append(m.hold, x)
		}
	}
	return m
}

// Len returns the number of exclusions that hold.
func (m Mask) Len() int { return len(m.hold) }

// All yields the exclusions that hold.
func (m Mask) All() iter.Seq[*Exclusion] { return slices.Values(m.hold) }

// Excludes reports whether the rule is not to look at the variable's key. The
// variable is the one that the rule names (ARGS, not ARGS_GET, for a rule that
// says ARGS).
func (m Mask) Excludes(rule int, variable variables.RuleVariable, key string) bool {
	return m.By(rule, variable, key) != nil
}

// By returns the first exclusion that excludes the rule on the variable's key,
// or nil.
func (m Mask) By(rule int, variable variables.RuleVariable, key string) *Exclusion {
	for _, x := range m.hold {
		if !x.holds(rule) {
			continue
		}
		if len(x.Targets) == 0 {
			return x
		}
		for i := range x.Targets {
			if x.Targets[i].covers(variable, key) {
				return x
			}
		}
	}
	return nil
}
