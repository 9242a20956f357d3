package certs

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/certs/dns01"
)

const (
	// defaultProfile is Let's Encrypt's profile of 45 days: its margin for
	// renewal outlives a country's disconnection of some days, which that of its
	// six-day profile does not.
	defaultProfile = "tlsserver"
	// Let's Encrypt takes 300 new orders of an account in three hours.
	defaultOrders, defaultOrdersIn = 300, 3 * time.Hour
	// directoryTime bounds asking whether an authority is there at all.
	directoryTime = 10 * time.Second
	// directoryLife is how long the answer is believed.
	directoryLife = time.Hour
	// directoryAgain is how long after a failure it is not asked again, so that
	// many orders do not wait for one authority one after the other.
	directoryAgain = 5 * time.Second
	requestTime    = 30 * time.Second
)

// Authority is a public authority (RFC 8555) and what we are to it.
type Authority struct {
	Directory string         // its directory; Let's Encrypt's when empty
	Roots     *x509.CertPool // whom its own TLS is checked with; the system's when nil
	Email     string         // the accounts' contact; may be empty
	Accounts  int            // accounts over which orders are spread; 1 when 0
	Profile   string         // of certificates; when empty 45 days where offered, else its own choice

	// KeyID and MACKey bind our accounts to one that the authority knows (RFC
	// 8555, section 7.3.4); the key is base64url. Empty when it asks for none.
	KeyID, MACKey string

	// Orders in OrdersIn are what it takes of one account: 300 in three hours
	// when 0.
	Orders   int
	OrdersIn time.Duration
}

// authority talks to one.
type authority struct {
	Authority
	key     string // of what is its in storage
	storage Storage
	rates   *rates
	client  *acmez.Client
	plain   *http.Client // for what the protocol's library is not asked to do
	log     zerolog.Logger

	mu        sync.Mutex // held while an account is registered
	accounts  []*acme.Account
	directory atomic.Pointer[acme.Directory] // the last one that was had
	fetched   time.Time                      // when
	missed    time.Time                      // when it could not be
	missing   error                          // why
}

func newAuthority(a Authority, storage Storage, rates *rates, solvers map[string]acmez.Solver, log zerolog.Logger) *authority {
	if a.Directory == "" {
		a.Directory = certmagic.LetsEncryptProductionCA
	}
	a.Accounts = max(a.Accounts, 1)
	if a.Orders == 0 || a.OrdersIn == 0 {
		a.Orders, a.OrdersIn = defaultOrders, defaultOrdersIn
	}
	dialer := &net.Dialer{Timeout: directoryTime, KeepAlive: 2 * time.Minute}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: directoryTime, TLSClientConfig: &tls.Config{RootCAs: a.Roots},
		MaxIdleConnsPerHost: freshWorkers, IdleConnTimeout: time.Minute,
	}
	ca := &authority{
		Authority: a, key: (&certmagic.ACMEIssuer{CA: a.Directory}).IssuerKey(), storage: storage, rates: rates, log: log,
		plain:    &http.Client{Transport: transport, Timeout: requestTime},
		accounts: make([]*acme.Account, a.Accounts),
	}
	ca.client = &acmez.Client{ChallengeSolvers: solvers, Client: &acme.Client{
		Directory: a.Directory, UserAgent: userAgent,
		HTTPClient: &http.Client{Transport: listener{RoundTripper: transport, authority: ca}, Timeout: requestTime},
	}}
	if log.GetLevel() <= zerolog.DebugLevel {
		ca.client.Logger = newSlog(log)
	}
	return ca
}

const userAgent = "Qorgan"

// pace is how many orders account i may make.
func (a *authority) pace(i int) rate {
	return rate{key: path.Join("qorgan", "pace", certmagic.StorageKeys.Safe(a.key), fmt.Sprint(i)+".json"),
		every: a.OrdersIn / time.Duration(a.Orders), burst: a.Orders}
}

// renewals is when account i may make renewals: whatever the authority does not
// count among new orders waits only where it asked for it.
func (a *authority) renewals(i int) rate {
	r := a.pace(i)
	r.key = strings.TrimSuffix(r.key, ".json") + "-renewals.json"
	return r
}

// soonest returns the account that may make the n-th order from now first, and
// when.
func (a *authority) soonest(ctx context.Context, n int) (account int, at time.Time) {
	n = (n + a.Accounts - 1) / a.Accounts
	for i := range a.accounts {
		if t := a.rates.peek(ctx, a.pace(i), n); i == 0 || t.Before(at) {
			account, at = i, t
		}
	}
	return account, at
}

// issue orders a certificate for subject with a key. With replaced it is the
// renewal of that one, made by the same account, which authorities that know
// RFC 9773 do not count. With records the name is proved by those and nothing
// else.
func (a *authority) issue(ctx context.Context, subject string, key crypto.Signer, replaced *stored, records *dns01.Solver) (acme.Certificate, error) {
	directory, err := a.look(ctx)
	if err != nil {
		return acme.Certificate{}, err
	}
	profile, err := a.profile(directory)
	if err != nil {
		return acme.Certificate{}, err
	}
	csr, err := acmez.NewCSR(key, []string{subject})
	if err != nil {
		return acme.Certificate{}, fmt.Errorf("make request: %w", err)
	}
	i, renewal := -1, false
	if replaced != nil && replaced.authority == a.key && directory.RenewalInfo != "" {
		i, renewal = a.accountAt(ctx, replaced.account)
	}
	if renewal {
		if at := a.rates.peek(ctx, a.renewals(i), 1); at.After(a.rates.now()) {
			return acme.Certificate{}, &pausedError{until: at}
		}
	} else if i, err = a.waitTurn(ctx); err != nil {
		return acme.Certificate{}, err
	}
	lane := a.pace(i)
	if renewal {
		lane = a.renewals(i)
	}
	client := *a.client
	if records != nil {
		client.ChallengeSolvers = map[string]acmez.Solver{acme.ChallengeTypeDNS01: records}
	}
	heard := new(answer)
	ctx = context.WithValue(ctx, answerKey{}, heard)
	for attempt := 0; ; attempt++ {
		account, err := a.account(ctx, i)
		if err != nil {
			return acme.Certificate{}, a.refused(ctx, lane, subject, heard, fmt.Errorf("register account: %w", err))
		}
		params, err := acmez.OrderParametersFromCSR(account, csr)
		if err != nil {
			return acme.Certificate{}, fmt.Errorf("make order: %w", err)
		}
		params.Profile = profile
		if renewal {
			params.Replaces = replaced.leaf()
		}
		chains, err := client.ObtainCertificate(ctx, params)
		if p, ok := problem(err); ok && p.Type == acme.ProblemTypeAccountDoesNotExist && attempt == 0 {
			a.forgetAccount(ctx, i) // the authority was set up anew
			continue
		}
		if err != nil {
			return acme.Certificate{}, a.refused(ctx, lane, subject, heard, err)
		}
		if len(chains) == 0 {
			return acme.Certificate{}, errors.New("the authority gave no certificate")
		}
		return chains[0], nil
	}
}

// waitTurn waits until an account may order and returns it. A pause the
// authority asked for is an error when it is long: another authority may do.
func (a *authority) waitTurn(ctx context.Context) (int, error) {
	for {
		i, at := a.soonest(ctx, 1)
		if wait := at.Sub(a.rates.now()); wait > 0 {
			if s, ok := a.rates.known.get(a.pace(i).key); ok && !s.Until.Before(at) {
				return 0, &pausedError{until: at}
			}
			if err := sleep(ctx, min(wait, time.Minute)); err != nil {
				return 0, err
			}
			continue
		}
		again, err := a.rates.take(ctx, a.pace(i))
		if err != nil {
			return 0, err
		}
		if again.IsZero() {
			return i, nil
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unsaid is how long an authority is left alone that does not say how long it
// wants to be.
const unsaid = time.Minute

// refused makes an error of a refusal, and a pause of a lane when it was about
// the account: an answer that names the name or its domain is about that.
func (a *authority) refused(ctx context.Context, lane rate, subject string, heard *answer, err error) error {
	heard.mu.Lock()
	after := heard.retryAfter
	heard.mu.Unlock()
	p, told := problem(err)
	switch {
	case told && p.Type == acme.ProblemTypeRateLimited, told && p.Status == http.StatusTooManyRequests,
		!told && strings.Contains(err.Error(), "HTTP 429"):
		limit := &limitedError{err: err, after: after}
		if told && (strings.Contains(p.Detail, strings.TrimPrefix(subject, "*.")) || strings.Contains(p.Detail, `"`+registered(subject)+`"`)) {
			return limit
		}
		limit.account = true
		if after == 0 {
			limit.after = unsaid
		}
		if perr := a.rates.pause(ctx, lane, a.rates.now().Add(limit.after)); perr != nil {
			return errors.Join(limit, perr)
		}
		return limit
	case !told && !isOurs(err) && ctx.Err() == nil:
		a.forgetDirectory()
	}
	return err
}

// problem returns what an authority said in the words of RFC 8555.
func problem(err error) (acme.Problem, bool) {
	var p acme.Problem
	ok := errors.As(err, &p)
	return p, ok
}

// revoke has the authority revoke a certificate (RFC 8555, section 7.6).
func (a *authority) revoke(ctx context.Context, cert *stored, reason int) error {
	if _, err := a.look(ctx); err != nil {
		return err
	}
	i, ok := a.accountAt(ctx, cert.account)
	if !ok {
		i = 0
	}
	account, err := a.account(ctx, i)
	if err != nil {
		return fmt.Errorf("find account: %w", err)
	}
	return a.client.RevokeCertificate(ctx, account, cert.leaf(), account.PrivateKey, reason)
}

func (a *authority) host() string {
	u, err := url.Parse(a.Directory)
	if err != nil {
		return a.Directory
	}
	return u.Host
}
