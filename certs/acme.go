package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/rs/zerolog"
	"go.uber.org/zap"
)

// defaultProfile is Let's Encrypt's profile of 45 days: its margin for renewal
// outlives a country's disconnection of some days, which that of its six-day
// profile does not.
const defaultProfile = "tlsserver"

// ACMEOptions configure an ACME manager.
type ACMEOptions struct {
	Dir       string         // folder for accounts, keys and certificates
	Email     string         // the account's contact; may be empty
	Directory string         // the authority's directory; Let's Encrypt's when empty
	Roots     *x509.CertPool // whom the authority's own TLS is checked with; the system's when nil
	HTTPPort  int            // port on which Challenges answers; 0 for none
	TLSPort   int            // port of the TLS listener; 0 for none

	// Serves reports whether a name is served here. A name that is not gets no
	// order and no look at another's certificate. It must be quick and safe for
	// concurrent use.
	Serves func(name string) bool

	Logger zerolog.Logger
}

// ACME obtains a certificate from a public authority (RFC 8555) at the first
// handshake for each served name, and renews it in time (RFC 9773 where the
// authority offers it). It is safe for concurrent use.
type ACME struct {
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer
	cache  *certmagic.Cache
}

var errNameRefused = errors.New("name is not served here")

// NewACME opens the manager. It contacts nobody before the first handshake.
// Close ends what it started.
func NewACME(o ACMEOptions) (*ACME, error) {
	if o.Dir == "" || o.Serves == nil {
		return nil, errors.New("an ACME manager needs a folder and a table of names")
	}
	log := zap.New(&zapCore{log: o.Logger})
	a := &ACME{}
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return a.config, nil },
		Capacity:         maxLeaves,
		Logger:           log,
	})
	a.config = certmagic.New(a.cache, certmagic.Config{
		Storage: &storage{FileStorage: &certmagic.FileStorage{Path: o.Dir}, log: o.Logger},
		Logger:  log,
		OCSP:    certmagic.OCSPConfig{DisableStapling: true}, // the authority answers no OCSP any more
		OnDemand: &certmagic.OnDemandConfig{DecisionFunc: func(_ context.Context, name string) error {
			if !o.Serves(name) {
				return errNameRefused
			}
			return nil
		}},
	})
	template := certmagic.ACMEIssuer{
		CA: o.Directory, TestCA: o.Directory, Email: o.Email, Agreed: true, TrustedRoots: o.Roots,
		AltHTTPPort: o.HTTPPort, AltTLSALPNPort: o.TLSPort, Logger: log,
		// Without a listener of ours the library would open the standard port itself.
		DisableHTTPChallenge: o.HTTPPort == 0, DisableTLSALPNChallenge: o.TLSPort == 0,
	}
	if o.Directory == "" {
		template.CA, template.TestCA = certmagic.LetsEncryptProductionCA, certmagic.LetsEncryptStagingCA
		template.Profile = defaultProfile
	}
	a.issuer = certmagic.NewACMEIssuer(a.config, template)
	a.config.Issuers = []certmagic.Issuer{a.issuer}
	return a, nil
}

// Challenges answers the authority's HTTP-01 challenges and hands every other
// request on.
func (a *ACME) Challenges(next http.Handler) http.Handler { return a.issuer.HTTPChallengeHandler(next) }

// ServerConfig returns the TLS settings of a listener whose names the manager
// answers for, the TLS-ALPN-01 challenge (RFC 8737) included.
func (a *ACME) ServerConfig() *tls.Config {
	c := ServerConfig(func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := a.config.GetCertificate(hello)
		if err != nil {
			return nil, fmt.Errorf("find certificate: %w", err)
		}
		return cert, nil
	})
	c.NextProtos = append(c.NextProtos, acmez.ACMETLS1Protocol)
	return c
}

// Close stops the upkeep of certificates in the background. The library neither
// ends nor waits for an order or a renewal that a handshake began: such a one
// may still write to the folder until the process ends.
func (a *ACME) Close() error {
	a.cache.Stop()
	return nil
}
