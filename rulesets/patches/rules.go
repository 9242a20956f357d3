package patches

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// mistake is what is wrong with a line of a patch's rules.
type mistake struct {
	line int // from 1, the first after the header
	what string
}

var (
	ruleID = regexp.MustCompile(`(?:^|[,\s])id:'?(\d+)`)
	chains = regexp.MustCompile(`(?:^|[,\s])chain(?:[,\s]|$)`)
	// reaches are actions by which a rule changes more than its own verdict.
	reaches = regexp.MustCompile(`(?i)(?:^|[,\s])(allow|ctl|exec|skip|skipAfter|redirect|proxy|pause|append|prepend)(?:[:,\s]|$)`)
	quoted  = regexp.MustCompile(`'(?:[^'\\]|\\.)*'`)
)

// readRules returns the ids of a patch's rules. A patch only adds rules that
// judge: a directive that changes the engine, or an action that lets a request
// off the other rules, does not belong into one.
func readRules(text string) (ids []int, wrong []mistake) {
	chained := false
	for _, d := range joinLines(text) {
		say := func(format string, args ...any) { wrong = append(wrong, mistake{d.line, fmt.Sprintf(format, args...)}) }
		if !strings.HasPrefix(d.what, "SecRule ") {
			say("%q: a patch holds SecRule and nothing else", clip(d.what))
			continue
		}
		actions := quoted.ReplaceAllStringFunc(lastQuoted(d.what), func(s string) string {
			if strings.Trim(s, "'0123456789") == "" {
				return strings.Trim(s, "'") // id:'2100001'
			}
			return "''"
		})
		if m := reaches.FindStringSubmatch(actions); m != nil {
			say("the action %s reaches beyond the rule", m[1])
		}
		m := ruleID.FindStringSubmatch(actions)
		switch {
		case m == nil && !chained:
			say("a rule without an id; choose one from %d to %d", OwnRule, LastRule)
		case m != nil && chained:
			say("a rule in a chain has no id of its own")
		case m != nil:
			id, err := strconv.Atoi(m[1])
			if err != nil || id < FirstRule || id > LastRule {
				say("rule id %s; ids of patches are %d to %d, your own from %d on", m[1], FirstRule, LastRule, OwnRule)
			}
			ids = append(ids, id)
		}
		chained = chains.MatchString(actions)
	}
	if chained {
		wrong = append(wrong, mistake{1, "the last rule begins a chain that has no second rule"})
	}
	return ids, wrong
}

// joinLines returns the directives, each on one line, without comments.
func joinLines(text string) (all []mistake) {
	var open *mistake
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		n++
		line = strings.TrimSpace(line)
		if open == nil {
			if line == "" || line[0] == '#' {
				continue
			}
			all = append(all, mistake{line: n})
			open = &all[len(all)-1]
		}
		more, goesOn := strings.CutSuffix(line, `\`)
		open.what += more
		if !goesOn {
			open = nil
		}
	}
	return all
}

// lastQuoted returns the last double-quoted text of a rule: its actions.
func lastQuoted(s string) string {
	end := strings.LastIndexByte(s, '"')
	for i := end - 1; i >= 0; i-- {
		if s[i] == '"' && (i == 0 || s[i-1] != '\\') {
			return s[i+1 : end]
		}
	}
	return ""
}

func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
