package mistake

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/corazawaf/coraza/v3/types/variables"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets"
	"github.com/qorgan/qorgan/rulesets/exclude"
)

// others says what becomes of the site's other incidents: those that are at
// hand are judged again, of the rest the record is asked.
func (p *prover) others(ctx context.Context, list []config.Exclusion) (Others, error) {
	var out Others
	loose := slices.Clone(list)
	for i := range loose {
		loose[i].When = nil // the record has no bodies: a condition counts as met
	}
	recorded, err := exclude.Compile(loose)
	if err != nil {
		return out, err
	}
	for _, o := range p.c.Others {
		if o.Event.Code == p.c.Event.Code || o.Event.Kind != event.KindRule || o.Event.Action != event.Blocked {
			continue
		}
		out.Tried++
		passes := false
		if o.Request != nil {
			passes, err = p.wouldPass(ctx, *o.Request, list)
		} else {
			passes = p.recordPasses(o.Event, recorded)
		}
		switch {
		case err != nil:
			return out, err
		case !passes:
			out.Stay++
		case sameClient(o.Event, p.c.Event):
			out.Same = append(out.Same, o.Event.Code)
		default:
			out.Alike = append(out.Alike, o.Event.Code)
		}
	}
	return out, nil
}

// wouldPass reports whether the exclusions let a request pass that is refused
// without them.
func (p *prover) wouldPass(ctx context.Context, r rulesets.Probe, list []config.Exclusion) (bool, error) {
	today, err := p.judge(ctx, r, nil)
	if err != nil || !today.Refused {
		return false, err
	}
	then, err := p.judge(ctx, r, list)
	return err == nil && !then.Refused, err
}

// recordPasses reports whether what was recorded of an incident, without what
// the exclusions take away, is less than what refuses. A rule that refuses by
// itself and is left settles it.
func (p *prover) recordPasses(ev event.Event, set *exclude.Set) bool {
	r, err := read(rulesets.Probe{Method: ev.Request.Method, Target: ev.Request.Target, Proto: ev.Request.Proto, Fields: ev.Request.Headers}, p.c.Site)
	if err != nil && r == nil {
		return false // it has no single reading: no exclusion holds for it
	}
	mask := set.Match(exclude.Mask{}, r, RankOf(ev.Author), time.Now())
	if mask.Len() == 0 {
		return false
	}
	left := 0
	for _, m := range ev.Matches {
		if bookkeeping(m.Rule) || excludes(mask, m) {
			continue
		}
		if patchRule(m.Rule) {
			return false
		}
		left += m.Score
	}
	return left < ev.Threshold
}

func excludes(mask exclude.Mask, m event.Match) bool {
	v, err := variables.Parse(m.Variable)
	if err != nil {
		return false
	}
	if mask.Excludes(m.Rule, v, m.Key) {
		return true
	}
	// A match may name the half of ARGS in which it stood.
	return strings.HasPrefix(m.Variable, "ARGS_") && !strings.HasSuffix(m.Variable, "_NAMES") && mask.Excludes(m.Rule, variables.Args, m.Key)
}

// sameClient reports whether two incidents came from one visitor, as far as an
// edge can tell.
func sameClient(a, b event.Event) bool {
	return a.Client.Addr.IsValid() && b.Client.Addr.IsValid() && exchange.Network(a.Client.Addr) == exchange.Network(b.Client.Addr)
}

// RankOf returns the rank that an event names.
func RankOf(name string) exchange.Rank {
	for _, r := range []exchange.Rank{exchange.Member, exchange.Author, exchange.Admin} {
		if r.String() == name {
			return r
		}
	}
	return exchange.Visitor
}
