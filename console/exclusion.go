package console

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
)

// exclusion returns the narrowest exclusions that would let the request pass,
// as they stand in a site's configuration, or the key of the reason why there
// are none.
func exclusion(e event.Event) (text, refusal string) {
	list, refusal := exclusionsOf(e)
	if refusal != "" {
		return "", refusal
	}
	var b strings.Builder
	b.WriteString("exclusions:\n")
	for _, x := range list {
		ids := make([]int, len(x.Rules))
		for i, r := range x.Rules {
			ids[i] = r.First
		}
		fmt.Fprintf(&b, "  - rules: [%s]\n    path: %s\n    methods: [%s]\n    targets: [%s]\n    reason: %s\n",
			joinInts(ids), quote(x.Path), quote(x.Methods[0]), quote(x.Targets[0]), quote(x.Reason))
	}
	return b.String(), ""
}

// exclusionsOf returns the narrowest exclusions that would let the request
// pass, one for each target, or the key of the reason why there are none. Rules
// that only add up the score are never excluded: that would disarm the verdict
// itself.
func exclusionsOf(e event.Event) (list []config.Exclusion, refusal string) {
	switch {
	case e.Kind == event.KindProtocol:
		return nil, "mistake.protocol"
	case e.Kind != event.KindRule:
		return nil, "mistake.other-kind"
	}
	path, ok := literalPath(e.Request.Target)
	if !ok {
		return nil, "mistake.no-place"
	}
	rules := map[string][]int{} // by target
	var targets []string        // in the order of the matches
	left := 0                   // score that stays
	for _, m := range e.Matches {
		if verdictRule(m.Rule) {
			continue
		}
		target := exclusionTarget(m)
		if target == "" || m.Rule <= 0 {
			left += m.Score
			continue
		}
		if !slices.Contains(targets, target) {
			targets = append(targets, target)
		}
		if !slices.Contains(rules[target], m.Rule) {
			rules[target] = append(rules[target], m.Rule)
		}
	}
	if len(targets) == 0 || left >= e.Threshold && e.Threshold > 0 {
		return nil, "mistake.no-place"
	}
	for _, target := range targets {
		slices.Sort(rules[target])
		x := config.Exclusion{Path: path, Methods: []string{e.Request.Method}, Targets: []string{target}, Reason: "incident " + e.Code}
		for _, id := range rules[target] {
			x.Rules = append(x.Rules, config.RuleRange{First: id, Last: id})
		}
		list = append(list, x)
	}
	return list, ""
}

// quote writes a YAML string; double-quoted YAML reads what Go's quoting
// writes.
func quote(s string) string { return strconv.QuoteToASCII(s) }

// literalPath returns a target's path when an exclusion can name it and
// nothing else: without what stands for other characters there, and not cut
// or masked.
func literalPath(target string) (string, bool) {
	path, _, _ := strings.Cut(target, "?")
	ok := strings.HasPrefix(path, "/") && len(path) <= 512 && !strings.ContainsAny(path, "*{}# \t\r\n‹…")
	return path, ok
}

// exclusionTarget names the place of a match as an exclusion does; empty when
// that would excuse too much, such as a whole body.
func exclusionTarget(m event.Match) string {
	if strings.ContainsAny(m.Key, "‹…") || len(m.Key) > 128 || strings.HasPrefix(m.Key, "/") {
		return ""
	}
	switch m.Variable {
	case "REQUEST_URI", "REQUEST_URI_RAW", "REQUEST_FILENAME", "REQUEST_BASENAME", "QUERY_STRING":
		return m.Variable // the exclusion names the path
	case "ARGS", "ARGS_GET", "ARGS_POST":
		if m.Key != "" {
			return "ARGS:" + m.Key
		}
	case "REQUEST_COOKIES", "REQUEST_HEADERS", "ARGS_NAMES", "FILES":
		if m.Key != "" {
			return m.Variable + ":" + m.Key
		}
	}
	return ""
}

// verdictRule reports whether a rule of the Core Rule Set sets up, adds up or
// reports scores (901, 949, 959, 980) and detects nothing itself.
func verdictRule(id int) bool {
	switch id / 1000 {
	case 900, 901, 949, 959, 980:
		return true
	}
	return false
}
