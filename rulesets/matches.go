package rulesets

import (
	"strings"

	"github.com/corazawaf/coraza/v3/types"
	"github.com/corazawaf/coraza/v3/types/variables"

	"github.com/qorgan/qorgan/event"
)

// logged is implemented by Coraza's matched rules: false for those that only
// do the rule set's book-keeping.
type logged interface{ Log() bool }

// Bounds of what an event keeps of the matches. Values are clipped around the
// match when they are redacted; this only bounds the work.
const (
	maxValue   = 4096
	maxMatches = 100
)

// matches lists what matched, in the order in which it did: one entry for each
// value that a rule matched on, and for a rule with a chain one for its first.
func (t *transaction) matches() (matches []event.Match, denied *Rule) {
	for _, m := range t.tx.MatchedRules() {
		rule := t.e.rules[m.Rule().ID()]
		if rule == nil || t.e.half == outbound && rule.Phase < 3 {
			continue // what the request matched was said when it was judged
		}
		if rule.deny != 0 && denied == nil && !evaluation(rule.ID) {
			denied = rule
		}
		if l, ok := m.(logged); ok && !l.Log() {
			continue
		}
		data := m.MatchedDatas()
		value := ""
		if len(data) > 0 {
			value = told(data).Value()
		}
		base := event.Match{
			Rule: rule.ID, Message: m.Message(), Data: clip(withValue(m.Data(), value), maxValue),
			Severity: m.Rule().Severity().String(), Phase: rule.Phase, Tags: rule.Tags,
		}
		if len(data) == 0 {
			matches = append(matches, base)
			continue
		}
		if len(rule.scores) > 1 {
			base.Score = t.chainScore(rule, data)
			describe(&base, origin(data))
			matches = append(matches, base)
			continue
		}
		base.Score = t.severityScore(rule, 0)
		for i, d := range data {
			if i > 0 && len(matches) >= maxMatches {
				break
			}
			one := base
			if d.Message() != "" {
				one.Message = d.Message()
			}
			if d.Data() != "" {
				one.Data = clip(withValue(d.Data(), d.Value()), maxValue)
			}
			describe(&one, d)
			matches = append(matches, one)
		}
	}
	return matches, denied
}

// told is the match whose value a rule's logdata speaks of: the last of a chain,
// which is written when the whole chain matched, and else the one it belongs to.
func told(data []types.MatchData) types.MatchData {
	last := data[len(data)-1]
	if last.ChainLevel() > 0 {
		return last
	}
	for _, d := range data {
		if d.Message() != "" {
			return d
		}
	}
	return data[0]
}

// withValue puts the value matched where logdata names it.
func withValue(data, value string) string {
	if !strings.Contains(data, valueMark) {
		return data
	}
	return strings.ReplaceAll(data, valueMark, clip(value, maxValue))
}

func describe(m *event.Match, d types.MatchData) {
	if d.Variable() != variables.Unknown {
		m.Variable = d.Variable().Name()
	}
	m.Key = d.Key()
	m.Value = clip(d.Value(), maxValue)
}

// origin finds the value of the request on which a whole chain matched. Its
// first rule often matches more values than the chain is about, and its last
// looks at what the earlier ones noted.
func origin(data []types.MatchData) types.MatchData {
	last := data[len(data)-1]
	for _, d := range data {
		if d.ChainLevel() > last.ChainLevel() {
			last = d
		}
	}
	if last.ChainLevel() == 0 {
		return last
	}
	var fits types.MatchData
	for _, d := range data {
		if d.ChainLevel() > 0 || d.Variable() == variables.TX {
			continue
		}
		name := d.Variable().Name() + ":" + d.Key()
		switch last.Variable() {
		case variables.MatchedVars, variables.MatchedVarsNames, variables.MatchedVar:
			if last.Key() != "" && !strings.HasSuffix(strings.ToLower(last.Key()), strings.ToLower(name)) {
				continue
			}
		case variables.TX:
			// The rule set notes a name under it: tx.header_name_920450_expect.
			if !strings.HasSuffix(strings.ToLower(last.Key()), "_"+strings.ToLower(d.Key())) {
				continue
			}
		}
		if fits == nil || name < fits.Variable().Name()+":"+fits.Key() {
			fits = d
		}
	}
	if fits != nil {
		return fits
	}
	return data[0]
}

// severityScore is what one match at a level of a rule's chain adds.
func (t *transaction) severityScore(r *Rule, level int) int {
	if level >= len(r.scores) || r.scores[level] == "" {
		return 0
	}
	return t.number(r.scores[level] + "_anomaly_score")
}

// chainScore sums over a chain: actions run once for each value matched, at
// the level where they are written.
func (t *transaction) chainScore(r *Rule, data []types.MatchData) int {
	sum := 0
	for _, d := range data {
		sum += t.severityScore(r, d.ChainLevel())
	}
	return sum
}

// evaluation reports whether a rule compares the score with a threshold. Such
// rules express a verdict that the judge draws itself.
func evaluation(id int) bool {
	return id >= 949000 && id < 950000 || id >= 959000 && id < 960000 || id >= 980000 && id < 990000
}

// clip shortens s to at most n bytes without cutting a UTF-8 sequence.
func clip(s string, n int) string {
	if len(s) <= n {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return strings.ToValidUTF8(s[:n], "\uFFFD") + "…"
}
