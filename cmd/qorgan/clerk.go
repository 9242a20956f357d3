package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qorgan/qorgan/console"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/mistake"
	"github.com/qorgan/qorgan/rulesets/standing"
)

// clerk answers the console: what would let a refused request pass, and what
// was decided.
type clerk struct {
	e    *edge
	mask *event.Redactor
}

// exclusions is what the console gets.
func (k clerk) exclusions() *console.Exclusions {
	return &console.Exclusions{Propose: k.propose, Decide: k.decide, List: k.list, Confirm: k.confirm, Remove: k.remove}
}

// propose looks for exclusions and proves them.
func (k clerk) propose(ctx context.Context, ev event.Event, others []event.Event) (console.Answer, error) {
	c, reason, err := k.theCase(ctx, ev, others)
	if err != nil || reason != "" {
		return console.Answer{Reason: string(reason)}, err
	}
	found, err := mistake.Propose(ctx, k.e.judge, c)
	if err != nil {
		return console.Answer{}, fmt.Errorf("look for an exclusion: %w", err)
	}
	out := console.Answer{Reason: string(found.Reason), Detail: found.Detail}
	for _, p := range found.Proposals {
		out.Proposals = append(out.Proposals, shownProposal(p))
	}
	for _, p := range found.Rejected {
		out.Rejected = append(out.Rejected, shownProposal(p))
	}
	return out, nil
}

// theCase gathers what is known of an incident, or says why there is nothing to
// propose.
func (k clerk) theCase(ctx context.Context, ev event.Event, others []event.Event) (mistake.Case, mistake.Reason, error) {
	site := k.e.site(ev.Site)
	switch {
	case ev.Kind == event.KindProtocol:
		return mistake.Case{}, mistake.Protocol, nil
	case ev.Kind == event.KindSurface:
		return mistake.Case{}, mistake.Surface, nil
	case ev.Kind != event.KindRule || slices.ContainsFunc(ev.Matches, func(m event.Match) bool { return m.Phase == 3 || m.Phase == 4 }):
		return mistake.Case{}, mistake.NotRules, nil
	case site == nil:
		return mistake.Case{}, mistake.NoSite, nil
	}
	list, err := k.e.book.List()
	if err != nil {
		return mistake.Case{}, "", err
	}
	c := mistake.Case{Site: site, InForce: slices.Concat(site.Exclusions, standing.Beside(list, site.Name, "", time.Now())), Event: ev}
	if c.Request, c.Exact = k.e.recent.Find(ev.Code); !c.Exact {
		known := false
		if c.Request, known, err = mistake.FromRecord(ctx, k.e.judge, site, ev); err != nil {
			return mistake.Case{}, "", fmt.Errorf("judge what was recorded: %w", err)
		}
		if !known {
			return mistake.Case{}, mistake.NotKept, nil
		}
	}
	for _, o := range others {
		other := mistake.Other{Event: o}
		if r, ok := k.e.recent.Find(o.Code); ok {
			other.Request = &r
		}
		c.Others = append(c.Others, other)
	}
	return c, "", nil
}

// decide writes a proposal down and puts it into force.
func (k clerk) decide(ctx context.Context, d console.Decision) (console.Standing, error) {
	site := k.e.site(d.Event.Site)
	if site == nil {
		return console.Standing{}, fmt.Errorf("decide on site %s: it is not one of this edge's", d.Event.Site)
	}
	x := standing.Exclusion{
		Site: site.Name, Incident: d.Event.Code, Rules: standing.RulesOf(d.Proposal.Exclusions), By: d.By, Why: d.Why, Profile: d.Event.Profile,
	}
	if p, ok := k.e.recent.Find(d.Event.Code); ok {
		masked, same, err := mistake.Masked(ctx, k.e.judge, site, p, k.mask)
		if err != nil {
			return console.Standing{}, fmt.Errorf("mask request: %w", err)
		}
		if same {
			x.Request = standing.RequestOf(masked)
		}
	} else if p, ok, err := mistake.FromRecord(ctx, k.e.judge, site, d.Event); err == nil && ok {
		x.Request = standing.RequestOf(p)
	}
	x.Proof = d.Proposal.Proof.Whole.(mistake.Proof)
	x, err := k.e.book.Add(x)
	if err != nil {
		return console.Standing{}, err
	}
	if err := k.e.stand(); err != nil {
		return console.Standing{}, fmt.Errorf("put exclusion into force: %w", err)
	}
	return shownStanding(x), nil
}

func (k clerk) list(context.Context) ([]console.Standing, error) {
	list, err := k.e.book.List()
	if err != nil {
		return nil, err
	}
	out := make([]console.Standing, len(list))
	for i, x := range list {
		out[i] = shownStanding(x)
	}
	return out, nil
}

func (k clerk) confirm(_ context.Context, id, by string) (console.Standing, error) {
	x, err := k.e.book.Confirm(id, by)
	return shownStanding(x), errors.Join(consoleError(err), k.e.stand())
}

func (k clerk) remove(_ context.Context, id string) (console.Standing, error) {
	x, err := k.e.book.Remove(id)
	return shownStanding(x), errors.Join(consoleError(err), k.e.stand())
}

func consoleError(err error) error {
	if errors.Is(err, standing.ErrNotFound) {
		return console.ErrNoExclusion
	}
	return err
}

func shownProposal(p mistake.Proposal) console.Proposal {
	key := sha256.Sum256(fmt.Appendf(nil, "%+v", p.Exclusions))
	return console.Proposal{Key: hex.EncodeToString(key[:8]), Scope: string(p.Scope), Exclusions: p.Exclusions, Proof: shownProof(p.Proof)}
}

func shownProof(p mistake.Proof) console.Proof {
	out := console.Proof{
		At: p.At, Exact: p.Exact, Untried: p.Untried, As: p.As, Tried: p.Tried(), Unreached: p.Unreached,
		Others: p.Others.Tried, Stay: p.Others.Stay, Same: p.Others.Same, Alike: p.Others.Alike, Whole: p,
	}
	for _, t := range p.Attacks {
		out.Attacks = append(out.Attacks, console.AttackTally{Class: string(t.Class), Tried: t.Tried, Refused: t.Refused})
	}
	for _, o := range p.Opened {
		out.Opened = append(out.Opened, console.OpenedAttack{Class: string(o.Class), Value: o.Value})
	}
	return out
}

func shownStanding(x standing.Exclusion) console.Standing {
	return console.Standing{
		ID: x.ID, Site: x.Site, Incident: x.Incident, By: x.By, Why: x.Why, Made: x.Made, Expires: x.Expires,
		Confirmed: x.Confirmed, ConfirmedBy: x.ConfirmedBy, Exclusions: x.Config(), Proof: shownProof(x.Proof), Failed: x.Failed,
	}
}
