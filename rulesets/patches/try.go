package patches

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets"
)

// Bench tries patches on a site that has the rule set and a list of patches.
// It is safe for concurrent use.
type Bench struct {
	judge *rulesets.Judge // nil for a build of somebody else's
	build *rulesets.Build
	site  *config.Site
}

// NewBench compiles the patches of list beside a profile. Close it.
func NewBench(ctx context.Context, profile rulesets.Profile, list []*Patch) (*Bench, error) {
	const name = "bench"
	known := map[string]rulesets.Profile{name: profile}
	Add(known, list)
	judge, err := rulesets.New(rulesets.Options{Profiles: known, FastPath: true, AuditEvery: -1})
	if err != nil {
		return nil, fmt.Errorf("try patches: %w", err)
	}
	b := &Bench{judge: judge, site: config.DefaultSite()}
	b.site.Name, b.site.Profile = name, name
	if b.build, err = judge.Prepare(ctx, []*config.Site{b.site}); err != nil {
		return nil, errors.Join(err, judge.Close())
	}
	return b, nil
}

// BenchOf is the bench of a build that is about to be put into force, with the
// profile and the level of one of its sites.
func BenchOf(build *rulesets.Build, like *config.Site) *Bench {
	site := config.DefaultSite()
	site.Name, site.Profile, site.Level = "bench", like.Profile, like.Level
	return &Bench{build: build, site: site}
}

// Close ends the bench.
func (b *Bench) Close() error {
	if b.judge == nil {
		return nil
	}
	return b.judge.Close()
}

// Judge says what the site does with a request of somebody of that rank.
func (b *Bench) Judge(ctx context.Context, r Request, rank exchange.Rank) (rulesets.Finding, error) {
	method, target, ok := strings.Cut(r.Request, " ")
	if !ok {
		return rulesets.Finding{}, fmt.Errorf("request %q has no target", r.Request)
	}
	p := rulesets.Probe{Method: method, Target: strings.ReplaceAll(target, " ", "%20"), Body: []byte(r.Body), Rank: rank}
	p.Fields = []event.Field{{Name: "Host", Value: "shop.example.kz"}, {Name: "User-Agent", Value: "Mozilla/5.0"}, {Name: "Accept", Value: "*/*"}}
	if r.Body != "" {
		kind := r.Type
		if kind == "" {
			kind = "application/x-www-form-urlencoded"
		}
		p.Fields = append(p.Fields, event.Field{Name: "Content-Type", Value: kind}, event.Field{Name: "Content-Length", Value: fmt.Sprint(len(r.Body))})
	}
	for _, h := range r.Header {
		name, value, _ := strings.Cut(h, ":")
		p.Fields = append(p.Fields, event.Field{Name: name, Value: strings.TrimSpace(value)})
	}
	return b.build.Probe(ctx, b.site, p, false)
}

// ranks are the ranks by their name in a header.
var ranks = map[config.Who]exchange.Rank{config.Member: exchange.Member, config.Author: exchange.Author, config.Admin: exchange.Admin}

// Try tries the promises of a patch: its exploit is refused by the patch itself,
// for everybody below whom it spares; its harmless request is let alone by it,
// and on a bench of its own by every other rule too. It returns an error for
// each promise that does not hold.
func (b *Bench) Try(ctx context.Context, p *Patch) error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(p.Name+": "+format, args...)) }
	try := func(r Request, rank exchange.Rank) (f rulesets.Finding, ours bool) {
		f, err := b.Judge(ctx, r, rank)
		if err != nil {
			wrong("%w", err)
		}
		return f, p.matched(f)
	}
	if f, ours := try(p.Exploit, exchange.Visitor); !ours || !f.Refused {
		wrong("its exploit is not refused by it (%s)", said(f))
	}
	if f, ours := try(p.Harmless, exchange.Visitor); ours || f.Refused && b.judge != nil {
		wrong("its harmless request is refused (%s)", said(f))
	}
	spared := exchange.Admin + 1
	if p.Spares != "" {
		spared = ranks[p.Spares]
		if f, ours := try(p.Exploit, spared); ours {
			wrong("it does not spare a witnessed %s (%s)", p.Spares, said(f))
		}
	}
	if f, ours := try(p.Exploit, spared-1); !ours {
		wrong("it spares a witnessed %s (%s)", spared-1, said(f))
	}
	return errors.Join(errs...)
}

// matched reports whether one of the patch's own rules did.
func (p *Patch) matched(f rulesets.Finding) bool {
	return slices.ContainsFunc(f.Matches, func(m event.Match) bool { return slices.Contains(p.Rules, m.Rule) })
}

// said is a finding in a few words.
func said(f rulesets.Finding) string {
	if f.Reason != "" {
		return f.Reason + ": " + f.Detail
	}
	var rules []string
	for _, m := range f.Matches {
		if id := fmt.Sprint(m.Rule); !slices.Contains(rules, id) {
			rules = append(rules, id)
		}
	}
	if len(rules) == 0 {
		return "no rule matched"
	}
	return "rules " + strings.Join(rules, ", ")
}
