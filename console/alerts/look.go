package alerts

import (
	"context"
	"errors"
	"time"

	"github.com/qorgan/qorgan/console/store"
)

// Rule returns what a rule of a kind is when nobody says otherwise.
func Rule(kind store.AlertKind) store.AlertRule {
	r := store.AlertRule{Kind: kind}
	switch kind {
	case store.OnClient:
		r.Count, r.Within = 50, time.Minute
	case store.OnSite:
		r.Count, r.Within = 1000, 10*time.Minute
	case store.OnCertificate:
		r.Within = 10 * 24 * time.Hour
	case store.OnEdge:
		r.Within, r.Urgent = 15*time.Minute, true
	case store.OnLoss:
		r.Within = time.Hour
	}
	return r
}

// Longest is the longest time in which refusals are counted: every look reads
// them again.
const Longest = time.Hour

// look takes down what every rule holds of now. A rule that cannot be looked
// at does not keep the others from it.
func (d *Desk) look(ctx context.Context, now time.Time) error {
	rules, err := d.options.Store.EveryAlertRule(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range rules {
		found, err := d.find(ctx, r, now)
		if err == nil {
			err = d.options.Store.Note(ctx, r, found, now)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// find returns the objects of which r holds.
func (d *Desk) find(ctx context.Context, r store.AlertRule, now time.Time) ([]store.Finding, error) {
	scope, err := d.options.Store.Narrow(ctx, store.Whole(), r.Tenant)
	if err != nil {
		return nil, err
	}
	from := now.Add(-r.Within)
	switch r.Kind {
	case store.OnClient:
		return d.options.Store.BusyClients(ctx, scope, from, r.Site, r.Count)
	case store.OnSite:
		return d.options.Store.BusySites(ctx, scope, from, r.Site, r.Count)
	case store.OnCertificate:
		if !scope.Whole() {
			return nil, nil // they are of this machine's own edge
		}
		return d.certificates(r, now), nil
	case store.OnEdge:
		return d.silent(ctx, scope, from)
	case store.OnLoss:
		return d.losses(ctx, scope, from)
	}
	return nil, nil
}

func (d *Desk) certificates(r store.AlertRule, now time.Time) (found []store.Finding) {
	if d.options.Certificates == nil {
		return nil
	}
	for _, c := range d.options.Certificates() {
		ends := !c.NotAfter.IsZero() && c.NotAfter.Sub(now) < r.Within
		if c.Wrong || ends {
			found = append(found, store.Finding{Object: c.Name})
		}
	}
	return found
}

func (d *Desk) silent(ctx context.Context, scope store.Scope, since time.Time) (found []store.Finding, err error) {
	edges, err := d.options.Store.Edges(ctx, scope)
	if err != nil {
		return nil, err
	}
	for _, e := range edges {
		if e.Retired.IsZero() && e.Seen.Before(since) {
			found = append(found, store.Finding{Object: e.Name + " (" + e.ID + ")"})
		}
	}
	return found, nil
}

func (d *Desk) losses(ctx context.Context, scope store.Scope, from time.Time) ([]store.Finding, error) {
	losses, err := d.options.Store.Losses(ctx, scope, from)
	if err != nil || len(losses) == 0 {
		return nil, err
	}
	var f store.Finding
	for _, l := range losses {
		f.Count += l.Count
	}
	return []store.Finding{f}, nil
}
