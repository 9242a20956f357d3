package mistake

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets"
)

// maskMark is how a redactor writes what it hid; see [event.Redactor].
var maskMark = regexp.MustCompile(`‹hidden:([0-9a-f]{8})›|%E2%80%B9hidden%3A([0-9a-f]{8})%E2%80%BA`)

// unmark makes masks plain words: the rules are to judge what stands around
// them, not the marks.
func unmark(s string) string { return maskMark.ReplaceAllString(s, "hidden$1$2") }

// maxMasked is the longest body that Masked can mask: a redactor looks no
// further.
const maxMasked = 16 << 10

// Masked returns the request with its secrets hidden, which may be written
// down, when it still tells the same story: the same rules match in the same
// places. ok is false when it does not, as when what matched was itself a
// secret.
func Masked(ctx context.Context, j *rulesets.Judge, site *config.Site, p rulesets.Probe, r *event.Redactor) (out rulesets.Probe, ok bool, err error) {
	if len(p.Body) > maxMasked {
		return rulesets.Probe{}, false, nil
	}
	out = p
	out.Client = p.Client
	out.Target = unmark(r.Target(p.Target))
	out.Fields = make([]event.Field, len(p.Fields))
	for i, f := range p.Fields {
		f = r.Field(f)
		out.Fields[i] = event.Field{Name: unmark(f.Name), Value: unmark(f.Value)}
	}
	if len(p.Body) > 0 {
		out = withBody(out, []byte(unmark(r.Text(string(p.Body)))))
	}
	was, err := story(ctx, j, site, p)
	if err != nil {
		return rulesets.Probe{}, false, err
	}
	is, err := story(ctx, j, site, out)
	return out, err == nil && slices.Equal(was, is), err
}

// story lists which rules match where.
func story(ctx context.Context, j *rulesets.Judge, site *config.Site, p rulesets.Probe) ([]string, error) {
	f, err := j.Probe(ctx, site, p, false)
	if err != nil {
		return nil, err
	}
	out := []string{f.Reason}
	for _, m := range f.Matches {
		if !bookkeeping(m.Rule) {
			out = append(out, strconv.Itoa(m.Rule)+" "+m.Variable+":"+m.Key)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// FromRecord makes a request from what was recorded of an incident: its target
// and headers, and, where it had a body, a form of the matched parameters. ok is
// false when that does not tell the same story: when it is not refused, or by
// other rules than those recorded.
func FromRecord(ctx context.Context, j *rulesets.Judge, site *config.Site, ev event.Event) (p rulesets.Probe, ok bool, err error) {
	p = rulesets.Probe{
		Method: ev.Request.Method, Target: unmark(ev.Request.Target), Proto: ev.Request.Proto, Client: ev.Client.Addr,
		Rank: RankOf(ev.Author), Profile: ev.Profile,
	}
	for _, f := range ev.Request.Headers {
		p.Fields = append(p.Fields, event.Field{Name: unmark(f.Name), Value: unmark(f.Value)})
	}
	if ev.Request.Bytes > 0 {
		p.Body = []byte(recordedForm(ev))
		p = withBody(p, p.Body)
		p.Fields = slices.DeleteFunc(p.Fields, func(f event.Field) bool { return strings.EqualFold(f.Name, "Transfer-Encoding") })
		for i, f := range p.Fields {
			if strings.EqualFold(f.Name, "Content-Type") {
				p.Fields[i].Value = "application/x-www-form-urlencoded"
			}
		}
	}
	told, err := j.Probe(ctx, site, p, false)
	if err != nil || told.Reason != "" {
		return rulesets.Probe{}, false, err
	}
	want, have := scoring(ev.Matches), scoring(told.Matches)
	if !told.Refused { // by an exclusion that was made since, perhaps
		bare := p
		bare.Exclusions = []config.Exclusion{}
		if told, err = j.Probe(ctx, site, bare, false); err != nil {
			return rulesets.Probe{}, false, err
		}
		have = scoring(told.Matches)
	}
	return p, told.Refused && slices.Equal(want, have), nil
}

// recordedForm writes the matched parameters of a body whose values were kept
// whole.
func recordedForm(ev event.Event) string {
	var pairs []string
	seen := map[string]bool{}
	for _, m := range ev.Matches {
		if !strings.HasPrefix(m.Variable, "ARGS") || strings.HasSuffix(m.Variable, "_NAMES") || m.Key == "" || seen[m.Key] || strings.Contains(m.Value, "…") {
			continue
		}
		seen[m.Key] = true
		pairs = append(pairs, url.QueryEscape(m.Key)+"="+url.QueryEscape(unmark(m.Value)))
	}
	return strings.Join(pairs, "&")
}

// scoring lists the rules that added to the score, with their places.
func scoring(matches []event.Match) []string {
	var out []string
	for _, m := range matches {
		if m.Score > 0 && !bookkeeping(m.Rule) {
			out = append(out, strconv.Itoa(m.Rule)+" "+m.Variable+":"+m.Key)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
