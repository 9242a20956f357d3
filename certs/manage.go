package certs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// forced is later than any certificate's beginning: whatever is there is
// replaced.
var forced = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Renew replaces name's certificate whatever its age, and waits for the new
// one. It takes a slot of the authority's limits where renewals do.
func (a *ACME) Renew(ctx context.Context, name string) error {
	if !a.o.Serves(name) {
		return errNotServed
	}
	for {
		a.mu.Lock()
		j, busy := a.jobs[name]
		if !busy {
			j = &job{name: name, replaces: forced, done: make(chan struct{})}
			a.jobs[name] = j
			a.renew.push(j)
		}
		a.mu.Unlock()
		select {
		case <-j.done:
		case <-ctx.Done():
			return ctx.Err()
		case <-a.ctx.Done():
			return context.Canceled
		}
		if j.replaces.Equal(forced) {
			return j.err
		}
	}
}

// Revoke has the authority revoke name's certificate for a reason of RFC 5280,
// section 5.3.1 (0 unspecified, 1 the key is in other hands, 4 superseded, 5
// not used any more), and takes it out of storage: the next handshake orders a
// new one with a new key.
func (a *ACME) Revoke(ctx context.Context, name string, reason int) error {
	cert, err := a.shelf.load(ctx, a.keys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no certificate of %s", name)
	}
	if err != nil {
		return err
	}
	ca := a.authorities[slices.Index(a.keys, cert.authority)]
	if err := ca.revoke(ctx, cert, reason); err != nil {
		return fmt.Errorf("revoke certificate of %s: %w", name, err)
	}
	if err := a.shelf.remove(ctx, cert.authority, name); err != nil {
		return fmt.Errorf("remove revoked certificate of %s: %w", name, err)
	}
	a.loaded.drop(name)
	a.mu.Lock()
	delete(a.held, name)
	a.mu.Unlock()
	return nil
}
