package upstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// lookAgain is how old what is known of a server's certificate may become
	// before the server is greeted for it alone.
	lookAgain = time.Hour
	// sayAgain is how often a certificate that needs somebody is told of.
	sayAgain = 24 * time.Hour
	// endsSoon is how long before its end somebody should see to a certificate,
	// and at most a quarter of its life.
	endsSoon = 14 * 24 * time.Hour
)

// CertificateState is what there is to say of a server's certificate first.
type CertificateState string

// States of a server's certificate.
const (
	CertificateGood    CertificateState = "valid"
	CertificateLate    CertificateState = "late" // good, and ends soon
	CertificateExpired CertificateState = "expired"
	CertificateBad     CertificateState = "failed" // refused for another reason
)

// Certificate is what a server that is spoken to over TLS showed last.
type Certificate struct {
	Upstream string // its address
	State    CertificateState
	Cause    string    // upstream-name, upstream-authority, upstream-ends or empty
	Error    string    // in words; empty for a good one
	NotAfter time.Time // of the first in its chain to end
	Seen     time.Time
}

// shown is a handshake's certificates, and what was wrong with them.
type shown struct {
	chain []*x509.Certificate
	err   error // of the verification, nil for none
	seen  time.Time
}

// heard takes note of a handshake. One that ended before a certificate was seen
// says nothing.
func (p *Peer) heard(state tls.ConnectionState, err error) {
	var refused *tls.CertificateVerificationError
	switch {
	case errors.As(err, &refused) && len(refused.UnverifiedCertificates) > 0:
		p.shown.Store(&shown{refused.UnverifiedCertificates, refused.Err, time.Now()})
	case err == nil && len(state.PeerCertificates) > 0:
		p.shown.Store(&shown{state.PeerCertificates, nil, time.Now()})
	}
}

// listening returns ctx with the peer listening to handshakes.
func (p *Peer) listening(ctx context.Context, trace *httptrace.ClientTrace) context.Context {
	if p.scheme == "https" {
		trace.TLSHandshakeDone = p.heard
	}
	return httptrace.WithClientTrace(ctx, trace)
}

// certificate says what is known; false while nothing is.
func (p *Peer) certificate(now time.Time) (Certificate, bool) {
	s := p.shown.Load()
	if s == nil {
		return Certificate{}, false
	}
	leaf := s.chain[0]
	c := Certificate{Upstream: p.String(), State: CertificateGood, NotAfter: leaf.NotAfter, Seen: s.seen}
	for _, further := range s.chain[1:] {
		if further.NotAfter.Before(c.NotAfter) {
			c.NotAfter = further.NotAfter
		}
	}
	left := c.NotAfter.Sub(now)
	switch {
	case left <= 0:
		c.State, c.Error = CertificateExpired, "its certificate expired on "+c.NotAfter.UTC().Format(time.DateOnly)
	case s.err != nil:
		c.State = CertificateBad
		c.Cause, c.Error = inWords(s.err, leaf, p.hostname())
	case left < min(endsSoon, leaf.NotAfter.Sub(leaf.NotBefore)/4):
		c.State, c.Cause = CertificateLate, "upstream-ends"
		c.Error = fmt.Sprintf("its certificate ends on %s, and no newer one is shown", c.NotAfter.UTC().Format(time.DateOnly))
	}
	return c, true
}

func (p *Peer) hostname() string {
	if host, _, err := net.SplitHostPort(p.host); err == nil {
		return host
	}
	return strings.Trim(p.host, "[]")
}

// inWords says why a certificate that a server showed under a name was refused.
func inWords(err error, leaf *x509.Certificate, name string) (cause, words string) {
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && time.Now().Before(invalid.Cert.NotBefore):
		return "", "its certificate begins only on " + invalid.Cert.NotBefore.UTC().Format(time.DateOnly)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "", "its certificate expired on " + invalid.Cert.NotAfter.UTC().Format(time.DateOnly)
	case errors.As(err, &host):
		return "upstream-name", fmt.Sprintf("its certificate is for %s, not for %s", namesOf(leaf), name)
	case errors.As(err, &unknown):
		return "upstream-authority", fmt.Sprintf("its certificate is signed by %s, which this machine does not believe", cmp.Or(leaf.Issuer.CommonName, leaf.Issuer.String(), "an authority without a name"))
	}
	return "", "its certificate is not good: " + err.Error()
}

func namesOf(leaf *x509.Certificate) string {
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return cmp.Or(leaf.Subject.CommonName, "no name")
	}
	const most = 4
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return strings.Join(names, ", ")
}

// Certificates returns what is known of the certificates of all servers that are
// spoken to over TLS, by address.
func (s *Set) Certificates() []Certificate {
	byAddress := map[string]Certificate{}
	now := time.Now()
	for _, p := range s.peers {
		if c, known := p.certificate(now); known && c.Seen.After(byAddress[c.Upstream].Seen) {
			byAddress[c.Upstream] = c
		}
	}
	list := make([]Certificate, 0, len(byAddress))
	for _, c := range byAddress {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Certificate) int { return cmp.Compare(a.Upstream, b.Upstream) })
	return list
}

// LookAtCertificates greets servers of whose certificate nothing was heard for a
// while, and tells of those that need somebody.
func (s *Set) LookAtCertificates(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(probesAtOnce)
	for _, p := range s.peers {
		if p.scheme != "https" {
			continue
		}
		g.Go(func() error {
			if c, known := p.certificate(time.Now()); !known || c.State != CertificateGood || time.Since(c.Seen) >= lookAgain {
				p.greet(ctx, s)
			}
			s.tell(p)
			return nil
		})
	}
	_ = g.Wait()
}

// greet does a handshake and nothing else.
func (p *Peer) greet(ctx context.Context, s *Set) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	at := p.host
	if _, _, err := net.SplitHostPort(at); err != nil {
		at = net.JoinHostPort(p.hostname(), "443")
	}
	raw, err := p.transport.DialContext(ctx, "tcp", at)
	if err != nil {
		return // the requests tell of that
	}
	defer raw.Close()
	c := tls.Client(raw, &tls.Config{ServerName: p.hostname(), RootCAs: s.roots, NextProtos: []string{"h2", "http/1.1"}})
	err = c.HandshakeContext(ctx)
	p.heard(c.ConnectionState(), err)
}

// tell logs what there is to say of a peer's certificate, when it is new and
// once a day.
func (s *Set) tell(p *Peer) {
	now := time.Now()
	c, known := p.certificate(now)
	if !known {
		return
	}
	was, at := p.told.state, p.told.at
	if c.State == was && (c.State == CertificateGood || now.Sub(at) < sayAgain) {
		return
	}
	p.told.state, p.told.at = c.State, now
	line := s.log.Error()
	switch c.State {
	case CertificateGood:
		if was == "" {
			return
		}
		s.log.Info().Str("upstream", c.Upstream).Time("expires", c.NotAfter).Msg("the upstream's certificate is good again")
		return
	case CertificateLate:
		line = s.log.Warn()
	}
	line.Str("upstream", c.Upstream).Str("problem", c.Error).Time("expires", c.NotAfter).Str("hint", certificateHint(c.Cause)).
		Msg("the upstream's certificate needs somebody")
}

// certificateHint says what the operator may do about a certificate.
func certificateHint(cause string) string {
	switch cause {
	case "upstream-name":
		return "write the upstream under a name its certificate is for"
	case "upstream-authority":
		return "give it a certificate of an authority that this machine believes, have the machine believe its own, or use http:// on a private network"
	}
	return "renew the certificate on that server"
}
