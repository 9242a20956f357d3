package fastpath

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The rules keep books in TX variables: the paranoia level, the allowed
// methods, the scores. fold follows them through the rules in the order in
// which they run, on the assumption that no detection matches (when one does,
// Coraza is asked and nothing here matters).

type txKind uint8

const (
	txAbsent txKind = iota
	txConst
	txUnknown
)

// txValue is what is known about one variable. One that is not known may still
// hold one of also, or what a unit sets when the request makes it match; opaque
// tells that it may hold anything.
type txValue struct {
	kind   txKind
	s      string
	also   []string
	opaque bool
}

func anything() txValue { return txValue{kind: txUnknown, opaque: true} }

// or is v, or what a unit sets instead.
func (v txValue) or() txValue {
	out := txValue{kind: txUnknown, also: v.also, opaque: v.opaque}
	if v.kind == txConst {
		out.also = append(slices.Clone(v.also), v.s)
	}
	return out
}

// txState is what is known about the TX collection at one point of the rules.
type txState struct {
	vals     map[string]txValue
	prefixes *[]txPrefix     // keys that start so may have been set
	chain    map[string]bool // keys set by earlier links of the rule at hand
}

type txPrefix struct {
	s      string
	opaque bool
}

func newTxState() txState {
	return txState{vals: map[string]txValue{}, prefixes: new([]txPrefix)}
}

func (s txState) get(key string) txValue {
	if s.chain[key] {
		return anything()
	}
	v := s.vals[key]
	for _, p := range *s.prefixes {
		if strings.HasPrefix(key, p.s) {
			v = v.or()
			v.opaque = v.opaque || p.opaque
		}
	}
	return v
}

func (s txState) put(key string, v txValue) { s.vals[key] = v }

// matching returns the values that the keys which rx selects may hold; whether
// units may have set others; and whether they may hold anything.
func (s txState) matching(rx *regexp.Regexp) (vals []string, units, opaque bool) {
	for k := range s.vals {
		if !rx.MatchString(k) {
			continue
		}
		v := s.get(k)
		vals = append(vals, v.also...)
		switch v.kind {
		case txConst:
			vals = append(vals, v.s)
		case txUnknown:
			units = true
			opaque = opaque || v.opaque
		}
	}
	for _, p := range *s.prefixes {
		units = true
		opaque = opaque || p.opaque
	}
	slices.Sort(vals)
	return vals, units, opaque
}

// certainty of a condition that only looks at what is known beforehand.
type certainty uint8

const (
	depends certainty = iota // on the request
	yes
	no
)

// constant evaluates a link that looks at TX only.
func (c *compiler) constant(l *link, s txState) certainty {
	if l.always {
		return yes
	}
	if l.bad != "" || l.multi || len(l.chain) > 0 && !allKnown(c.transforms, l.chain) {
		return depends
	}
	t := c.compileTest(l, s)
	if t.unknown != "" {
		return depends
	}
	matched := false
	for _, tg := range l.targets {
		if tg.variable != "TX" || tg.keyRx != nil || tg.key == "" || len(tg.except) > 0 {
			return depends
		}
		v := s.get(strings.ToLower(tg.key))
		if v.kind == txUnknown {
			return depends
		}
		text := v.s
		switch {
		case tg.count && v.kind == txAbsent:
			text = "0"
		case tg.count:
			text = "1"
		case v.kind == txAbsent:
			continue
		default:
			for _, name := range l.chain {
				text = c.transforms[name].apply(&arena{}, text)
			}
		}
		budget := 1 << 20
		m, sure := t.eval(text, nil, &budget)
		if !sure {
			return depends
		}
		matched = matched || m != l.negated
	}
	if matched {
		return yes
	}
	return no
}

func allKnown(t map[string]transformation, chain []string) bool {
	for _, n := range chain {
		if _, ok := t[n]; !ok {
			return false
		}
	}
	return true
}

// how an action runs.
type how uint8

const (
	surely  how = iota // for every request
	byUnit             // when a unit matches that readers know of
	perhaps            // in ways that are not followed
)

// apply carries out the actions of a link that write TX.
func (l *link) apply(s txState, h how) {
	if l.capture {
		for i := range 10 {
			s.put(strconv.Itoa(i), anything())
		}
	}
	for _, v := range l.sets {
		v.apply(s, h)
	}
}

func (v setvar) apply(s txState, h how) {
	km, err := parseMacro(v.key)
	if err != nil {
		*s.prefixes = append(*s.prefixes, txPrefix{"", true})
		return
	}
	km = km.fold(s)
	key, ok := km.constant()
	if !ok {
		*s.prefixes = append(*s.prefixes, txPrefix{strings.ToLower(km.prefix()), h != byUnit})
		return
	}
	key = strings.ToLower(key)
	old := s.get(key)
	if h == byUnit {
		s.put(key, old.or())
		return
	}
	next := v.result(s, old)
	if h == perhaps && (next.kind != old.kind || next.s != old.s) {
		next = anything()
	}
	s.put(key, next)
}

// result is the value of a variable after the action, old being before.
func (v setvar) result(s txState, old txValue) txValue {
	if v.remove {
		return txValue{}
	}
	m, err := parseMacro(v.value)
	if err != nil {
		return anything()
	}
	val, ok := m.fold(s).constant()
	if !ok || val == "" {
		return anything()
	}
	if val[0] != '+' && val[0] != '-' {
		return txValue{kind: txConst, s: val}
	}
	n, err := strconv.Atoi(val[1:])
	if err != nil || old.kind == txUnknown {
		return anything()
	}
	base := 0
	if old.s != "" {
		if base, err = strconv.Atoi(old.s); err != nil {
			return old
		}
	}
	if val[0] == '-' {
		n = -n
	}
	return txValue{kind: txConst, s: strconv.Itoa(base + n)}
}
