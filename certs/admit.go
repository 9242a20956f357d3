package certs

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"
)

// door decides which names may be ordered for.
type door struct {
	o        ACMEOptions
	rates    *rates
	now      func() time.Time
	failures *bounded[failure]
	refused  *bounded[failure] // names turned away without an order
	leads    *bounded[error]   // what a look at the DNS said, nil for here
	ask      *asker            // nil when nobody is asked
}

func newDoor(o ACMEOptions, rates *rates, now func() time.Time) *door {
	if o.NewNames.PerDomain == 0 {
		o.NewNames.PerDomain = 40
	}
	if o.NewNames.PerHour == 0 {
		o.NewNames.PerHour = 100
	}
	if o.Lookup == nil {
		o.Lookup = lookup
	}
	d := &door{o: o, rates: rates, now: now, failures: newBounded[failure](maxKnown, now),
		refused: newBounded[failure](maxRefused, now), leads: newBounded[error](maxKnown, now)}
	if o.Ask != nil {
		d.ask = newAsker(o.Ask, now)
	}
	return d
}

func (d *door) close() {
	if d.ask != nil {
		d.ask.client.CloseIdleConnections()
	}
}

func (d *door) remember(name string, f failure) { d.failures.put(name, f, f.Next) }
func (d *door) forgive(name string)             { d.failures.drop(name) }

// maxRefused bounds what is kept of names that were turned away: anybody can
// make some up.
const maxRefused = 1000

// turnAway takes note of a name that was not let in.
func (a *ACME) turnAway(name string, err error) {
	var again *notYetError
	if errors.As(err, &again) || errors.Is(err, context.Canceled) {
		return
	}
	_, known := a.door.refused.get(name)
	now := a.now()
	f := failure{At: now, Cause: causeOf(err), Error: oneLine(err)}
	a.door.refused.put(name, f, now.Add(10*time.Minute))
	line := a.log.Debug()
	if !known && a.o.Written != nil && a.o.Written(name) {
		line = a.log.Warn()
	}
	line.Str("name", name).Str("cause", string(f.Cause)).Str("error", f.Error).Msg("no certificate is asked for")
}

// admit says why no certificate may be ordered for a job's name now, or nil.
// What costs least is asked first; a name that is turned away leaves nothing in
// storage.
func (a *ACME) admit(ctx context.Context, j *job) error {
	d, now := a.door, a.now()
	f, failed := d.failures.get(j.name)
	if !failed {
		if f, failed = a.shelf.failed(ctx, j.name); failed {
			d.remember(j.name, f)
		}
	}
	if failed && now.Before(f.Next) && f.Next.Sub(now) <= longestPause {
		return &notYetError{name: j.name, last: f}
	}
	if !j.replaces.IsZero() {
		return nil
	}
	invented := d.o.Written == nil || !d.o.Written(j.name)
	if invented {
		for _, r := range d.bounds(j.name) {
			if at := d.rates.peek(ctx, r, 1); at.After(a.now()) {
				return fmt.Errorf("%w: the next one may come at %s", errOwnLimit, at.UTC().Format(time.RFC3339))
			}
		}
	}
	if a.solver(j.name) == nil { // where a name leads does not matter to its records
		if err := d.leadsHere(ctx, j.name); err != nil {
			return err
		}
	}
	if !invented {
		return nil
	}
	if d.ask != nil {
		if err := d.ask.ask(ctx, j.name, j.client); err != nil {
			return err
		}
	}
	for _, r := range d.bounds(j.name) {
		at, err := d.rates.take(ctx, r)
		if err != nil {
			return err
		}
		if !at.IsZero() {
			return fmt.Errorf("%w: the next one may come at %s", errOwnLimit, at.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// bounds are the rates that a new name nobody wrote must keep to. A hoster who
// is asked has counted for himself: then only the authority's own limit for a
// domain is kept.
func (d *door) bounds(name string) []rate {
	domain := registered(name)
	perDomain := rate{key: path.Join("qorgan", "names", certmagic.StorageKeys.Safe(domain)+".json"),
		every: 7 * 24 * time.Hour / time.Duration(d.o.NewNames.PerDomain), burst: d.o.NewNames.PerDomain}
	if d.ask != nil {
		return []rate{perDomain}
	}
	return []rate{perDomain, {key: path.Join("qorgan", "names.json"),
		every: time.Hour / time.Duration(d.o.NewNames.PerHour), burst: d.o.NewNames.PerHour}}
}

// leadsHere says whether the DNS gives name none but this edge's addresses:
// authorities choose any of them.
func (d *door) leadsHere(ctx context.Context, name string) error {
	if len(d.o.Addresses) == 0 {
		return nil
	}
	if err, known := d.leads.get(name); known {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	found, err := d.o.Lookup(ctx, name)
	switch {
	case err != nil:
		err = fmt.Errorf("%w: look up %s: %w", errElsewhere, name, err)
	case len(found) == 0:
		err = fmt.Errorf("%w: it has no address", errElsewhere)
	}
	for _, at := range found {
		if !slices.Contains(d.o.Addresses, at.Unmap()) {
			err = fmt.Errorf("%w: %s leads to %s", errElsewhere, name, at)
		}
	}
	d.leads.put(name, err, d.now().Add(time.Minute))
	return err
}

// network is the part of an address that one visitor is taken to command.
func network(at netip.Addr) string {
	bits := 64
	if at.Is4() {
		bits = 24
	}
	p, err := at.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}
