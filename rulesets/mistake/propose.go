package mistake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets"
	"github.com/qorgan/qorgan/rulesets/exclude"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// Case is a refused request that somebody calls a mistake.
type Case struct {
	Site    *config.Site
	InForce []config.Exclusion // all that the site has today

	Event   event.Event
	Request rulesets.Probe // the request, whole
	Exact   bool           // byte for byte as it came; otherwise made from what was recorded

	Others []Other // other incidents of the site, of a day or so

	carrier bool // Request only carries attacks
}

// Other is another incident of the site.
type Other struct {
	Event   event.Event
	Request *rulesets.Probe // the request, when it is at hand
}

// Scope is how far an exclusion reaches.
type Scope string

// The scopes.
const (
	ScopeNumbers Scope = "numbers" // this path and those that differ in a number
	ScopePath    Scope = "path"    // exactly this path
)

// Proposal is exclusions that belong together, and what is proved of them.
type Proposal struct {
	Scope      Scope
	Exclusions []config.Exclusion
	Proof      Proof
}

// Answer is what Propose found.
type Answer struct {
	Reason    Reason     // why nothing is proposed; empty when something is
	Detail    string     // in English, for whoever looks closer
	Proposals []Proposal // proved, the recommended first
	Rejected  []Proposal // not offered: their proofs say why
}

// Propose looks for the narrowest exclusions under which the request passes,
// and proves them. Its error is the engine's or the context's; that there is
// nothing to propose is an Answer.
func Propose(ctx context.Context, j *rulesets.Judge, c Case) (Answer, error) {
	corpus, err := readCorpora()
	if err != nil {
		return Answer{}, err
	}
	p := prover{j: j, c: c, corpus: corpus}
	now, err := p.judge(ctx, c.Request, nil)
	if err != nil {
		return Answer{}, err
	}
	switch {
	case now.Reason != "":
		return Answer{Reason: Protocol, Detail: now.Reason}, nil
	case !now.Refused:
		return Answer{Reason: PassesNow}, nil
	}
	hits, reason, detail, err := p.gather(ctx, now)
	if err != nil || reason != "" {
		return Answer{Reason: reason, Detail: detail}, err
	}
	if hits, err = p.fewest(ctx, hits); err != nil {
		return Answer{}, err
	}
	var out Answer
	for _, draft := range p.drafts(hits) {
		if err := permitted(draft.Exclusions); err != nil {
			out.Detail = err.Error()
			continue
		}
		if draft.Proof, err = p.prove(ctx, draft.Exclusions); err != nil {
			return Answer{}, err
		}
		if draft.Proof.Holds() {
			out.Proposals = append(out.Proposals, draft)
		} else {
			out.Rejected = append(out.Rejected, draft)
		}
	}
	if len(out.Proposals) == 0 {
		out.Reason = NoPlace
		if len(out.Rejected) > 0 {
			out.Reason = LetsAttacksIn
		}
	}
	return out, nil
}

func permitted(list []config.Exclusion) error {
	var errs []error
	for _, x := range list {
		errs = append(errs, Permitted(x))
	}
	return errors.Join(errs...)
}

// hit is a rule in a place.
type hit struct {
	rule  int
	at    Place
	value string
	score int
}

// needed lists the rules and places that made the verdict, or says why they
// cannot be excused.
func needed(f rulesets.Finding) (hits []hit, reason Reason, detail string) {
	for _, m := range f.Matches {
		if bookkeeping(m.Rule) {
			continue
		}
		if patchRule(m.Rule) {
			return nil, Patch, strings.Join(m.Tags, " ")
		}
		at, ok := placeOf(m)
		if !ok {
			continue // the score that stays shows whether it matters
		}
		if !slices.ContainsFunc(hits, func(h hit) bool { return h.rule == m.Rule && h.at == at }) {
			hits = append(hits, hit{m.Rule, at, m.Value, m.Score})
		}
	}
	if len(hits) == 0 {
		return nil, NoPlace, ""
	}
	return hits, "", ""
}

// gather lists what must be excused for the request to pass. A chain of rules
// that matched in several places names one of them, so that the request is
// judged again without what was found, until it passes.
func (p *prover) gather(ctx context.Context, f rulesets.Finding) (hits []hit, reason Reason, detail string, err error) {
	const rounds = 8
	for range rounds {
		more, reason, detail := needed(f)
		if reason != "" {
			return nil, reason, detail, nil
		}
		known := len(hits)
		for _, h := range more {
			if !slices.ContainsFunc(hits, func(o hit) bool { return o.rule == h.rule && o.at == h.at }) {
				hits = append(hits, h)
			}
		}
		if len(hits) == known {
			break
		}
		list := p.exclusions(hits, ScopePath)
		if _, err := exclude.Compile(list); err != nil {
			return nil, NoPlace, err.Error(), nil
		}
		if f, err = p.judge(ctx, p.c.Request, list); err != nil {
			return nil, "", "", err
		}
		if !f.Refused {
			return hits, "", "", nil
		}
	}
	return nil, NoPlace, "", nil
}

// byName orders hits by their rules and places. The judge goes through a
// request's fields in no order; what is proposed must be the same each time,
// since it is accepted by its name.
func byName(a, b hit) int {
	return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(a.at.String(), b.at.String()))
}

// fewest leaves out of hits what need not be excused for the request to pass,
// the smallest scores first, and returns the others by name.
func (p *prover) fewest(ctx context.Context, hits []hit) ([]hit, error) {
	slices.SortFunc(hits, func(a, b hit) int { return cmp.Or(cmp.Compare(a.score, b.score), byName(a, b)) })
	for i := 0; i < len(hits) && len(hits) > 1; {
		without := slices.Delete(slices.Clone(hits), i, i+1)
		f, err := p.judge(ctx, p.c.Request, p.exclusions(without, ScopePath))
		if err != nil {
			return nil, err
		}
		if f.Refused {
			i++
		} else {
			hits = without
		}
	}
	slices.SortFunc(hits, byName)
	return hits, nil
}

// drafts are the exclusions worth proving: for this path, and for paths that
// differ in a number.
func (p *prover) drafts(hits []hit) []Proposal {
	all := []Proposal{{Scope: ScopePath, Exclusions: p.exclusions(hits, ScopePath)}}
	if numbered := p.exclusions(hits, ScopeNumbers); fmt.Sprint(numbered) != fmt.Sprint(all[0].Exclusions) {
		all = append(all, Proposal{Scope: ScopeNumbers, Exclusions: numbered})
	}
	return all
}

var number = regexp.MustCompile(`[0-9]+`)

// exclusions writes hits down: one exclusion for each set of rules.
func (p *prover) exclusions(hits []hit, scope Scope) []config.Exclusion {
	path, _, _ := strings.Cut(p.c.Request.Target, "?")
	if scope == ScopeNumbers {
		path = number.ReplaceAllString(path, "{n}")
	}
	var order []Place
	rules := map[Place][]int{}
	for _, h := range hits {
		if rules[h.at] == nil {
			order = append(order, h.at)
		}
		if !slices.Contains(rules[h.at], h.rule) {
			rules[h.at] = append(rules[h.at], h.rule)
		}
	}
	when := p.dispatch(order, scope)
	var out []config.Exclusion
	for _, at := range order {
		place := at.String()
		if scope == ScopeNumbers && at.Variable == "ARGS" && number.MatchString(at.Key) && strings.ContainsAny(at.Key, "[.") {
			place = "ARGS:/^" + number.ReplaceAllString(regexp.QuoteMeta(at.Key), `\d+`) + "$/"
		}
		x := config.Exclusion{Methods: []string{p.c.Request.Method}, Path: path, When: when, Targets: []string{place}, Who: who(p.c.Request.Rank)}
		slices.Sort(rules[at])
		for _, id := range rules[at] {
			x.Rules = append(x.Rules, config.RuleRange{First: id, Last: id})
		}
		if i := slices.IndexFunc(out, func(o config.Exclusion) bool { return slices.Equal(o.Rules, x.Rules) }); i >= 0 {
			out[i].Targets = append(out[i].Targets, place)
			continue
		}
		out = append(out, x)
	}
	return out
}

// who is the least a requester must be: what was witnessed of this one.
func who(r exchange.Rank) config.Who {
	switch r {
	case exchange.Member:
		return config.Member
	case exchange.Author:
		return config.Author
	case exchange.Admin:
		return config.Admin
	}
	return config.Anyone
}

// dispatchers are parameters by which a CMS finds the code that a request is
// for, where one path serves many.
var dispatchers = []string{"action", "wc-ajax", "rest_route", "option", "view", "task", "route", "controller", "page"}

// dispatch returns the conditions that name the code the request is for.
func (p *prover) dispatch(places []Place, scope Scope) []string {
	r, err := read(p.c.Request, p.c.Site)
	if err != nil {
		return nil
	}
	var when []string
	for _, name := range dispatchers {
		if slices.ContainsFunc(places, func(at Place) bool { return strings.EqualFold(at.Key, name) }) {
			continue
		}
		if value, ok := only(r, name); ok && plainName.MatchString(value) {
			if scope == ScopeNumbers {
				value = number.ReplaceAllString(value, "{n}")
			}
			when = append(when, name+"="+value)
		}
	}
	return when
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_./-]{1,64}$`)

// only returns a parameter's value when it was sent once.
func only(r *reader.Request, name string) (value string, ok bool) {
	for _, list := range [...][]reader.Arg{r.Get[:len(r.Get)-r.GetAliases], r.Post[:len(r.Post)-r.PostAliases]} {
		for _, a := range list {
			if a.Name != name {
				continue
			}
			if ok {
				return "", false
			}
			value, ok = a.Value, true
		}
	}
	return value, ok
}

// read reads a request as the judge does.
func read(p rulesets.Probe, site *config.Site) (*reader.Request, error) {
	proto := p.Proto
	if proto == "" {
		proto = "HTTP/1.1"
	}
	r, err := reader.Head(p.Method, p.Target, proto, p.Fields, reader.Limits{Args: site.Limits.Args, Inspect: site.Limits.Inspect})
	if err == nil && len(p.Body) > 0 {
		err = r.ParseBody(p.Body)
	}
	return r, err
}
