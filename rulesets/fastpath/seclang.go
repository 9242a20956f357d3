package fastpath

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// rule is one SecRule (with the rules chained to it), SecAction or SecMarker.
type rule struct {
	id     int
	phase  int
	marker string // SecMarker: the label, everything else is empty
	tags   []string
	msg    string
	links  []link // the head and what is chained to it
	raw    string
	open   bool // the last link waits for another

	silent    bool // says nothing when it matches: an explicit nolog and an explicit pass
	harmless  bool // every action of it is one whose effect is known
	skip      int
	skipAfter string
	removes   []removal // other rules that a match of this one takes out
}

// removal is a ctl:ruleRemoveById, ByTag or ByMsg.
type removal struct {
	from, to int
	tag, msg string
}

func (m removal) hits(r *rule) bool {
	switch {
	case m.tag != "":
		for _, t := range r.tags {
			if t == m.tag {
				return true
			}
		}
		return false
	case m.msg != "":
		return r.msg == m.msg
	}
	return r.id >= m.from && r.id <= m.to
}

// link is one SecRule of a chain.
type link struct {
	always  bool // SecAction: matches without looking
	targets []target
	op      string // lower case, without @ and !
	arg     string
	negated bool
	chain   []string // transformations in order, lower case, "none" resolved
	multi   bool     // multiMatch
	capture bool
	sets    []setvar

	bad string // why this link is not understood; empty when it is
}

// target is one variable of a rule with its selector and its exceptions.
type target struct {
	variable string // upper case
	key      string
	keyRx    *regexp.Regexp
	count    bool
	except   []exception
}

type exception struct {
	key string
	rx  *regexp.Regexp
}

// hides reports whether Coraza drops a value with this lower-case key.
func (e exception) hides(lower string) bool {
	if e.rx != nil {
		return e.rx.MatchString(lower)
	}
	return e.key == "" || strings.ToLower(e.key) == lower
}

// setvar is one setvar:tx.… action.
type setvar struct {
	key, value string // macros not expanded
	remove     bool
}

// parseRule reads one SecRule, SecAction or SecMarker; also a whole chain as
// Coraza keeps it, joined by a space and a newline.
func parseRule(raw string) (*rule, error) {
	r := &rule{phase: 2, harmless: true, raw: raw}
	for i, line := range strings.Split(raw, " \n") {
		line = strings.TrimSpace(line)
		name, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		switch strings.ToLower(name) {
		case "secmarker":
			r.marker = strings.Trim(rest, `"`)
			return r, nil
		case "secaction":
			l := link{always: true}
			if err := r.parseActions(&l, unquote(rest), i == 0); err != nil {
				return nil, err
			}
			r.links = append(r.links, l)
		case "secrule":
			vars, op, actions, err := splitRule(rest)
			if err != nil {
				return nil, err
			}
			var l link
			if l.targets, err = parseTargets(vars); err != nil {
				l.bad = err.Error()
			}
			l.parseOperator(op)
			if err := r.parseActions(&l, actions, i == 0); err != nil {
				return nil, err
			}
			r.links = append(r.links, l)
		default:
			return nil, fmt.Errorf("read directive %q", name)
		}
	}
	return r, nil
}

// splitRule cuts `VARIABLES "operator" "actions"`.
func splitRule(s string) (vars, op, actions string, err error) {
	vars, rest, ok := strings.Cut(s, " ")
	rest = strings.TrimLeft(rest, " ")
	if !ok || rest == "" || rest[0] != '"' {
		return "", "", "", errors.New("find the operator")
	}
	end, escapes := -1, 0
	for i := 1; i < len(rest); i++ {
		if rest[i] == '\\' {
			escapes++
			continue
		}
		if rest[i] == '"' && escapes%2 == 0 {
			end = i
			break
		}
		escapes = 0
	}
	if end < 0 {
		return "", "", "", errors.New("find the end of the operator")
	}
	op = strings.ReplaceAll(rest[1:end], `\"`, `"`)
	return vars, op, unquote(strings.TrimSpace(rest[end+1:])), nil
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

func (l *link) parseOperator(op string) {
	switch {
	case op == "" || op[0] != '@' && op[0] != '!':
		op = "@rx " + op
	case op == "!":
		op = "!@rx"
	case op[0] == '!' && op[1] != '@':
		op = "!@rx " + op[1:]
	}
	name, arg, _ := strings.Cut(op, " ")
	if name[0] == '!' {
		l.negated = true
		name = name[1:]
	}
	l.op = strings.ToLower(strings.TrimPrefix(strings.TrimSpace(name), "@"))
	l.arg = strings.TrimSpace(arg)
}

// parseTargets reads the variable list of a rule. Forms that Coraza reads in a
// way of its own (a slash inside a plain key) are refused.
func parseTargets(s string) ([]target, error) {
	var out []target
	for s != "" {
		var t target
		negated := false
		for s != "" && (s[0] == '!' || s[0] == '&') {
			if s[0] == '!' {
				negated = true
			} else {
				t.count = true
			}
			s = s[1:]
		}
		n := strings.IndexAny(s, ":|")
		if n < 0 {
			n = len(s)
		}
		t.variable, s = strings.ToUpper(s[:n]), s[n:]
		var key string
		isRx := false
		if s != "" && s[0] == ':' {
			s = s[1:]
			var err error
			if key, isRx, s, err = cutKey(t.variable, s); err != nil {
				return nil, err
			}
		}
		s = strings.TrimPrefix(s, "|")
		if err := t.setKey(key, isRx); err != nil {
			return nil, err
		}
		if !negated {
			out = append(out, t)
			continue
		}
		for i := range out {
			if out[i].variable == t.variable {
				out[i].except = append(out[i].except, exception{key: key, rx: t.keyRx})
			}
		}
	}
	if len(out) == 0 {
		return nil, errors.New("find a variable")
	}
	return out, nil
}

// cutKey reads a selector: a name, or a regular expression between slashes.
func cutKey(variable, s string) (key string, isRx bool, rest string, err error) {
	if variable == "XML" || variable == "JSON" {
		n := strings.IndexByte(s, '|')
		if n < 0 {
			n = len(s)
		}
		return s[:n], false, s[n:], nil
	}
	quoted := strings.HasPrefix(s, "'")
	if quoted {
		s = s[1:]
	}
	if !strings.HasPrefix(s, "/") {
		n := strings.IndexByte(s, '|')
		if n < 0 {
			n = len(s)
		}
		if quoted || strings.ContainsAny(s[:n], "/'") {
			return "", false, "", fmt.Errorf("read the selector %q", s[:n])
		}
		return s[:n], false, s[n:], nil
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '/':
			rest = s[i+1:]
			if quoted {
				rest = strings.TrimPrefix(rest, "'")
			}
			return s[1:i], true, rest, nil
		}
	}
	return "", false, "", fmt.Errorf("find the end of the selector %q", s)
}

func (t *target) setKey(key string, isRx bool) error {
	if isRx {
		if !caseSensitive[t.variable] {
			key = strings.ToLower(key)
		}
		rx, err := regexp.Compile(key)
		if err != nil {
			return fmt.Errorf("compile the selector: %w", err)
		}
		t.keyRx = rx
		return nil
	}
	t.key = key
	return nil
}

// caseSensitive are the variables whose selectors Coraza does not lower.
var caseSensitive = map[string]bool{
	"ARGS": true, "ARGS_NAMES": true, "ARGS_GET": true, "ARGS_POST": true,
	"ARGS_GET_NAMES": true, "ARGS_POST_NAMES": true,
}

// splitActions cuts an action list at the commas outside single quotes.
func splitActions(s string) [][2]string {
	var out [][2]string
	start, quoted := 0, false
	add := func(end int) {
		k, v, _ := strings.Cut(s[start:end], ":")
		out = append(out, [2]string{strings.ToLower(strings.TrimSpace(k)), unquote(strings.TrimSpace(v))})
		start = end + 1
	}
	for i := 1; i < len(s); i++ {
		switch {
		case s[i-1] == '\\':
		case s[i] == '\'':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			add(i)
		}
	}
	if start <= len(s) {
		add(len(s))
	}
	return out
}

func (r *rule) parseActions(l *link, s string, head bool) error {
	r.open = false
	nolog, pass := false, false
	for _, a := range splitActions(s) {
		switch key, val := a[0], a[1]; key {
		case "":
		case "id":
			n, err := strconv.Atoi(val)
			if err != nil {
				return fmt.Errorf("read id: %w", err)
			}
			r.id = n
		case "phase":
			if head {
				p, err := parsePhase(val)
				if err != nil {
					return err
				}
				r.phase = p
			}
		case "nolog":
			nolog = true
		case "log":
			nolog = false
		case "pass":
			pass = true
		case "deny", "drop", "block", "redirect", "allow", "proxy":
			pass = false
		case "t":
			l.addTransformation(strings.ToLower(val))
		case "multimatch":
			l.multi = true
		case "capture":
			l.capture = true
		case "tag":
			r.tags = append(r.tags, val)
		case "msg":
			if head {
				r.msg = val
			}
		case "setvar":
			l.sets = append(l.sets, parseSetvar(val))
		case "skip":
			n, err := strconv.Atoi(val)
			if err != nil {
				return fmt.Errorf("read skip: %w", err)
			}
			r.skip = n
		case "skipafter":
			r.skipAfter = val
		case "ctl":
			r.parseCtl(val)
		case "chain":
			r.open = true
		case "logdata", "severity", "ver", "rev", "status", "auditlog", "noauditlog",
			"maturity", "accuracy", "initcol", "expirevar", "setenv":
		default:
			r.harmless = false
		}
	}
	if head {
		r.silent = nolog && pass
	}
	return nil
}

func parsePhase(s string) (int, error) {
	switch strings.ToLower(s) {
	case "request":
		return 2, nil
	case "response":
		return 4, nil
	case "logging":
		return 5, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("read phase: %w", err)
	}
	return n, nil
}

func (l *link) addTransformation(name string) {
	switch name {
	case "none":
		l.chain = nil
	case "normalisepath":
		l.chain = append(l.chain, "normalizepath")
	case "normalisepathwin":
		l.chain = append(l.chain, "normalizepathwin")
	default:
		l.chain = append(l.chain, name)
	}
}

func parseSetvar(s string) setvar {
	var v setvar
	if strings.HasPrefix(s, "!") {
		v.remove, s = true, s[1:]
	}
	name, value, _ := strings.Cut(s, "=")
	_, v.key, _ = strings.Cut(name, ".")
	v.value = value
	return v
}

// parseCtl keeps what takes other rules out. The other controls either change
// what the request holds, which the caller has already settled in the Input, or
// make Coraza see less.
func (r *rule) parseCtl(s string) {
	name, val, _ := strings.Cut(s, "=")
	switch strings.ToLower(name) {
	case "ruleremovebyid":
		from, to, ok := strings.Cut(val, "-")
		a, err := strconv.Atoi(strings.TrimSpace(from))
		b := a
		if ok && err == nil {
			b, err = strconv.Atoi(strings.TrimSpace(to))
		}
		if err != nil {
			a, b = 0, 1<<31
		}
		r.removes = append(r.removes, removal{from: a, to: b})
	case "ruleremovebytag":
		r.removes = append(r.removes, removal{tag: val})
	case "ruleremovebymsg":
		r.removes = append(r.removes, removal{msg: val})
	}
}
