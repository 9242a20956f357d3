package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"time"

	"github.com/qorgan/qorgan/certs/dns01"
)

// absentFor is how long a name that was not found in storage is not looked for
// there again.
const absentFor = 5 * time.Second

// wildcardFor is how long a wildcard's certificate is shown for a name before it
// is read again: its renewal knows nothing of the names.
const wildcardFor = 10 * time.Minute

// Certificate returns the certificate for a handshake. It is a
// tls.Config.GetCertificate. A name that has none yet, and deserves one, is
// waited for, but no longer than the options say; the order goes on by itself.
func (a *ACME) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if !isHostName(name) || !a.o.Serves(name) {
		return nil, errNotServed
	}
	if isALPN(hello) {
		return a.challenges.certificate(hello.Context(), name)
	}
	name = a.subject(name)
	got, ok := a.loaded.get(name)
	if ok && a.now().Before(got.leaf().NotAfter) {
		return got.pair, nil
	}
	fresh, err := a.await(hello, name)
	switch {
	case err == nil:
		return fresh.pair, nil
	case ok:
		// The visitor judges for himself: where our clock is wrong, it is good.
		return got.pair, nil
	}
	return nil, fmt.Errorf("find certificate: %w", err)
}

// subject returns the name whose certificate is shown for name: its wildcard
// where that is proved by records, itself otherwise.
func (a *ACME) subject(name string) string {
	if a.o.DNS == nil || a.o.Written != nil && a.o.Written(name) {
		return name
	}
	if _, parent, ok := strings.Cut(name, "."); ok && !strings.HasPrefix(name, "*.") {
		if wildcard := "*." + parent; a.o.Serves(wildcard) && a.o.DNS(wildcard) != nil {
			return wildcard
		}
	}
	return name
}

// solver returns what proves name by records; nil where none does.
func (a *ACME) solver(name string) *dns01.Solver {
	if a.o.DNS == nil {
		return nil
	}
	return a.o.DNS(name)
}

// await has name's certificate loaded or ordered, and waits.
func (a *ACME) await(hello *tls.ClientHelloInfo, name string) (*stored, error) {
	j, err := a.begin(name, clientOf(hello))
	if err != nil {
		return nil, err
	}
	patience := time.NewTimer(a.o.Patience)
	defer patience.Stop()
	select {
	case <-j.done:
		return j.cert, j.err
	case <-hello.Context().Done():
		return nil, hello.Context().Err()
	case <-patience.C:
		return nil, fmt.Errorf("the certificate of %s is not there yet", name)
	case <-a.ctx.Done():
		return nil, context.Canceled
	}
}

func clientOf(hello *tls.ClientHelloInfo) netip.Addr {
	if hello.Conn == nil {
		return netip.Addr{}
	}
	at, err := netip.ParseAddrPort(hello.Conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// job is one name's certificate on its way: found in storage, let in, ordered.
type job struct {
	name     string
	client   netip.Addr // who brought the name
	replaces time.Time  // when the certificate began that no longer does; zero for none
	done     chan struct{}
	cert     *stored
	err      error
}

// begin returns the job of name, under way or new.
func (a *ACME) begin(name string, client netip.Addr) (*job, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if j, ok := a.jobs[name]; ok {
		return j, nil
	}
	if a.ctx.Err() != nil {
		return nil, context.Canceled
	}
	j := &job{name: name, client: client, done: make(chan struct{})}
	a.jobs[name] = j
	a.wg.Go(func() { a.find(j) })
	return j, nil
}

// end tells everybody who waits for j how it went.
func (a *ACME) end(j *job, cert *stored, err error) {
	j.cert, j.err = cert, err
	a.mu.Lock()
	delete(a.jobs, j.name)
	a.mu.Unlock()
	close(j.done)
}

// find looks for a certificate in storage, and otherwise hands the job to those
// who order when the name may be ordered for.
func (a *ACME) find(j *job) {
	cert, err := a.load(a.ctx, j.name)
	switch {
	case err == nil && a.now().Before(cert.leaf().NotAfter):
		a.end(j, cert, nil)
		return
	case err == nil:
		j.replaces = cert.leaf().NotBefore
	case !errors.Is(err, fs.ErrNotExist):
		a.end(j, nil, err)
		return
	}
	if err := a.admit(a.ctx, j); err != nil {
		a.turnAway(j.name, err)
		a.end(j, cert, err)
		return
	}
	a.enqueue(j)
}

func (a *ACME) enqueue(j *job) {
	switch {
	case a.solver(j.name) != nil:
		a.placed.push(j)
	case j.replaces.IsZero():
		a.fresh.push(j)
	default:
		a.renew.push(j)
	}
}

// load returns name's certificate from storage and keeps it in memory.
func (a *ACME) load(ctx context.Context, name string) (*stored, error) {
	if _, ok := a.absent.get(name); ok {
		return nil, fs.ErrNotExist
	}
	cert, err := a.shelf.load(ctx, a.keys, name)
	if _, parent, ok := strings.Cut(name, "."); ok && errors.Is(err, fs.ErrNotExist) {
		if cert, err = a.shelf.load(ctx, a.keys, "*."+parent); err == nil {
			a.hold("*."+parent, cert)
			a.loaded.put(name, cert, a.now().Add(wildcardFor))
			return cert, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		a.absent.put(name, struct{}{}, a.now().Add(absentFor))
	}
	if err != nil {
		return nil, err
	}
	a.loaded.put(name, cert, time.Time{})
	a.hold(name, cert)
	return cert, nil
}

// isHostName reports whether s can be a name of the public DNS in its ASCII
// form.
func isHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}
