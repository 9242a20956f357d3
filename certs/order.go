package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
)

// orderTime bounds one order, the wait for its turn not counted.
const orderTime = 3 * time.Minute

// work orders for the names of q, one after another.
func (a *ACME) work(q *queue[*job]) {
	for j, ok := q.pop(); ok; j, ok = q.pop() {
		cert, err := a.obtain(a.ctx, j)
		switch {
		case err == nil:
			a.shelf.forgive(a.ctx, j.name)
			a.door.forgive(j.name)
			a.absent.drop(j.name)
			a.loaded.put(j.name, cert, time.Time{})
			a.hold(j.name, cert)
		case a.ctx.Err() == nil:
			a.fail(j, err)
		}
		a.end(j, cert, err)
	}
}

// obtain gets a certificate for a job, from storage when another edge was
// faster.
func (a *ACME) obtain(ctx context.Context, j *job) (cert *stored, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	lock := "issue_cert_" + j.name
	if err := a.o.Storage.Lock(ctx, lock); err != nil {
		return nil, fmt.Errorf("lock %s: %w", j.name, err)
	}
	defer func() {
		if uerr := a.o.Storage.Unlock(context.WithoutCancel(ctx), lock); uerr != nil && !errors.Is(uerr, fs.ErrNotExist) {
			a.log.Warn().Err(uerr).Str("name", j.name).Msg("a lock could not be released: the next order of the name waits for it")
		}
	}()
	there, err := a.shelf.load(ctx, a.keys, j.name)
	switch {
	case err == nil && there.leaf().NotBefore.After(j.replaces) && a.now().Before(there.leaf().NotAfter):
		return there, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return a.order(ctx, j, there)
}

// order asks the authorities one after another. replaced is nil for a first
// certificate.
func (a *ACME) order(ctx context.Context, j *job, replaced *stored) (*stored, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	pem, err := certmagic.PEMEncodePrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	if err := a.shelf.writable(ctx); err != nil {
		return nil, err // a certificate that can not be kept is one of the few an authority gives
	}
	var errs []error
	for _, ca := range a.authorities {
		got, err := ca.issue(ctx, j.name, key, replaced, a.solver(j.name))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", ca.host(), err))
			if ctx.Err() != nil || isOurs(err) {
				break
			}
			continue
		}
		pair, err := tls.X509KeyPair(got.ChainPEM, pem)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: read its certificate: %w", ca.host(), err))
			continue
		}
		fresh := &stored{pair: &pair, authority: ca.key, account: got.Account}
		if fresh.unsaved = a.shelf.save(ctx, ca.key, j.name, pem, got); fresh.unsaved != nil {
			a.log.Error().Err(fresh.unsaved).Str("name", j.name).Str("hint", "make room for, or open, the storage of certificates, then: qorgan certs renew "+j.name).
				Msg("a certificate was issued and can not be kept: it is shown until the edge stops")
		}
		a.log.Info().Str("name", j.name).Str("authority", ca.host()).Time("expires", pair.Leaf.NotAfter).
			Bool("renewal", replaced != nil).Msg("certificate issued")
		return fresh, nil
	}
	return nil, errors.Join(errs...)
}

// fail remembers a failure, so that the name is left alone for a while.
func (a *ACME) fail(j *job, err error) {
	before, _ := a.shelf.failed(a.ctx, j.name)
	f := failure{At: a.now(), Count: before.Count + 1, Cause: causeOf(err), Error: oneLine(err)}
	if a.solver(j.name) != nil {
		f.Cause = causeByRecords(err)
	}
	f.Next = f.At.Add(retryIn(f.Count))
	var limited *limitedError
	var paused *pausedError
	switch {
	case errors.As(err, &limited):
		f.Count = before.Count // to wait is no failure of the name
		f.Next = f.At.Add(limited.after)
		if limited.after == 0 {
			f.Next = f.At.Add(unsaid)
		}
	case errors.As(err, &paused):
		f.Count, f.Next = before.Count, paused.until
	}
	if latest := f.At.Add(longestPause); f.Next.After(latest) {
		f.Next = latest
	}
	if left := a.left(j.name).Sub(f.At); left > 0 && limited == nil && paused == nil {
		// A certificate that still is good is worth more attempts than that.
		f.Next = earlier(f.Next, f.At.Add(left/4))
	}
	a.door.remember(j.name, f)
	if serr := a.shelf.remember(a.ctx, j.name, f); serr != nil {
		a.log.Error().Err(serr).Msg("a failed order is forgotten at the next start")
	}
	a.putOff(j.name, f)
	a.log.Error().Str("error", f.Error).Str("name", j.name).Str("cause", string(f.Cause)).Time("next", f.Next).
		Bool("renewal", !j.replaces.IsZero()).Msg("certificate not issued")
}

// oneLine writes joined errors as one.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
