package rulesets

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/corazawaf/coraza/v3/types/variables"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets/exclude"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// Probe is a request to be judged without being served.
type Probe struct {
	Method string
	Target string // raw request target
	Proto  string // HTTP/1.1 when empty
	Fields []event.Field
	Body   []byte

	Client  netip.Addr
	Rank    exchange.Rank
	Profile string // the profile in force; the site's own when empty
	Runs    *exchange.Runs

	// Exclusions, when not nil, stand in place of the site's own and of those
	// that stand beside the configuration; the profile's hold all the same.
	Exclusions []config.Exclusion
}

// Finding is what a site would have done with a probe in block mode.
type Finding struct {
	Verdict
	Level     int
	Threshold int
	Profile   string

	// Reason and Detail name the ambiguity for which the request would be
	// refused before any rule saw it. The verdict is then what the rules would
	// have said in compat mode.
	Reason string
	Detail string

	// Excluded are the matches that do not count, and why.
	Excluded []Excluded
}

// Excluded is a match that an exclusion took away.
type Excluded struct {
	Match     event.Match
	Exclusion *config.Exclusion // nil when it follows from another
}

// Probe judges a request as the handler would, and records nothing. With
// excluded it judges once more without exclusions, to tell what those took
// away.
func (j *Judge) Probe(ctx context.Context, site *config.Site, p Probe, excluded bool) (Finding, error) {
	return j.current.Load().Probe(ctx, site, p, excluded)
}

// Probe judges by a build that need not be in force: to prove it before it is.
func (b *Build) Probe(ctx context.Context, site *config.Site, p Probe, excluded bool) (Finding, error) {
	if p.Proto == "" {
		p.Proto = "HTTP/1.1"
	}
	x := &exchange.Exchange{Site: site, Profile: p.Profile, Client: p.Client, Rank: p.Rank, Runs: p.Runs}
	r, a := readProbe(&p, site)
	f := b.facts(x, r, hostName(hostOf(p.Fields)))
	if p.Exclusions != nil {
		own, err := exclude.Compile(p.Exclusions)
		if err != nil {
			return Finding{}, err
		}
		now := time.Now()
		f.Mask = b.profileMask(own.Match(exclude.Mask{}, r, x.Rank, now), x, r, now)
	}
	out := Finding{Level: f.Level, Threshold: f.Inbound, Profile: profileOf(x)}
	if a != nil {
		out.Reason, out.Detail = a.Name, a.Detail
		f.native = true
		r.Body = p.Body
	}
	e, err := b.engine(inbound, profileOf(x))
	if err != nil {
		return out, err
	}
	out.Verdict, _, err = e.decide(ctx, "", r, &f, false)
	if err != nil {
		return out, err
	}
	b.holes(x, out.Matches)
	if a != nil && !site.Compat {
		out.Refused, out.Status = true, a.Status
	}
	if excluded && f.Mask.Len() > 0 {
		out.Excluded, err = e.takenAway(ctx, r, f, out.Matches)
	}
	return out, err
}

// takenAway lists the matches that are gone because of the exclusions.
func (e *engine) takenAway(ctx context.Context, r *reader.Request, f Facts, left []event.Match) ([]Excluded, error) {
	mask := f.Mask
	f.Mask, f.candidates = exclude.Mask{}, nil
	whole, err := e.judge(ctx, "", r, &f, false)
	if err != nil {
		return nil, err
	}
	var out []Excluded
	for _, m := range whole.Matches {
		if evaluation(m.Rule) || slices.ContainsFunc(left, func(l event.Match) bool {
			return l.Rule == m.Rule && l.Variable == m.Variable && l.Key == m.Key
		}) {
			continue
		}
		ex := Excluded{Match: m}
		if v, err := variables.Parse(m.Variable); err == nil {
			if by := mask.By(m.Rule, v, m.Key); by != nil {
				ex.Exclusion = by.Source
			}
		}
		out = append(out, ex)
	}
	return out, nil
}

// readProbe reads a probe as the handler reads a request.
func readProbe(p *Probe, site *config.Site) (*reader.Request, *reader.Ambiguity) {
	r, err := reader.Head(p.Method, p.Target, p.Proto, p.Fields, reader.Limits{Args: site.Limits.Args, Inspect: site.Limits.Inspect})
	if err == nil && len(p.Body) > 0 {
		err = r.ParseBody(p.Body)
	}
	var a *reader.Ambiguity
	if err != nil && !errors.As(err, &a) {
		a = &reader.Ambiguity{Name: "unreadable", Detail: err.Error(), Status: 400}
	}
	return r, a
}

func hostOf(fields []event.Field) string {
	for _, f := range fields {
		if strings.EqualFold(f.Name, "Host") {
			return f.Value
		}
	}
	return ""
}
