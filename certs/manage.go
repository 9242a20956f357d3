package certs

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// forced is later than any certificate's beginning: whatever is there is
// replaced.
var forced = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Renew replaces name's certificate whatever its age, and waits for the new
// one. It takes a slot of the authority's limits where renewals do.
func (a *ACME) Renew(ctx context.Context, name string) error {
	if name = a.subject(name); !a.o.Serves(name) {
		return errNotServed
	}
	for {
		a.mu.Lock()
		j, busy := a.jobs[name]
		if !busy {
			j = &job{name: name, replaces: forced, done: make(chan struct{})}
			a.jobs[name] = j
			a.enqueue(j)
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

// requestsEvery is how often storage is looked through for renewals that were
// asked for beside the edge.
const requestsEvery = 5 * time.Second

// serveRequests renews what was asked for.
func (a *ACME) serveRequests() {
	for sleep(a.ctx, requestsEvery) == nil {
		asked, err := a.o.Storage.List(a.ctx, requests, false)
		if err != nil {
			continue // nobody ever asked
		}
		for _, key := range asked {
			name := strings.Replace(path.Base(key), "wildcard_", "*", 1)
			if !a.o.Serves(name) {
				continue // perhaps another edge does
			}
			if err := a.o.Storage.Delete(a.ctx, key); err != nil {
				a.log.Error().Err(err).Str("name", name).Msg("a renewal that was asked for can not be taken up")
				continue
			}
			a.wg.Go(func() { _ = a.Renew(a.ctx, name) }) // the log and the status say how it went
		}
	}
}

// Revoke has the authority revoke name's certificate for a reason of RFC 5280,
// section 5.3.1 (0 unspecified, 1 the key is in other hands, 4 superseded, 5
// not used any more), and takes it out of storage: the next handshake orders a
// new one with a new key.
func (a *ACME) Revoke(ctx context.Context, name string, reason int) error {
	cert, err := a.shelf.find(ctx, a.keys, name)
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
