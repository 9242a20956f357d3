package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/certs/dns01"
)

const (
	// maxKnown bounds what is remembered of names in memory, beside the
	// certificates themselves.
	maxKnown = 10000
	// defaultPatience is how long a handshake waits for an order: longer than
	// one takes, and no longer than a browser does.
	defaultPatience = 20 * time.Second
	// freshWorkers and renewalWorkers bound the orders under way. Renewals have
	// workers of their own: new names never make them wait.
	// Records in the DNS take minutes where they fail: names that are proved by
	// them have workers of their own, too.
	freshWorkers, renewalWorkers, adviceWorkers = 16, 4, 2
	recordWorkers                               = 8
)

// ACMEOptions configure an ACME manager.
type ACMEOptions struct {
	Dir     string       // folder for accounts, keys and certificates
	Storage Storage      // instead of the folder; several edges may share it
	Shared  bool         // whether they do
	Closed  func() error // called at the end of Close; may be nil

	Email       string      // the contact of authorities that name none
	Authorities []Authority // in the order they are tried; Let's Encrypt when empty
	HTTPPort    int         // port on which Challenges answers; 0 for none
	TLSPort     int         // port of the TLS listener; 0 for none

	// Serves reports whether a name is served here. A name that is not gets no
	// order and no look at another's certificate. Written reports whether the
	// owner wrote that very name; other names, of a wildcard, are bounded by
	// NewNames and Ask, and all are when it is nil. Both must be quick and safe
	// for concurrent use.
	Serves  func(name string) bool
	Written func(name string) bool

	// Ask is asked whether a name that nobody wrote deserves a certificate, with
	// the parameters domain and client; 200 is yes, 4xx no. nil asks nobody.
	Ask *url.URL
	// Addresses are those of this edge as the internet sees them: a name that
	// leads to another address gets no order. None checks nothing.
	Addresses []netip.Addr
	// Lookup finds a name's addresses; the system's resolver when nil.
	Lookup func(ctx context.Context, name string) ([]netip.Addr, error)
	// NewNames bounds the names nobody wrote.
	NewNames NewNames
	// DNS returns what proves a name by records in the DNS (DNS-01), nil where
	// HTTP or TLS proves it. The name may be a wildcard ("*.example.kz"): where
	// that has a solver, its certificate is shown for every name under it that is
	// not written by itself. It must be quick and safe for concurrent use; nil
	// uses no records.
	DNS func(name string) *dns01.Solver

	Patience time.Duration    // how long a handshake waits for an order; 20 s when 0
	Loaded   int              // certificates kept in memory; 10,000 when 0
	Now      func() time.Time // the clock; the system's when nil

	Logger zerolog.Logger
}

// NewNames bounds the certificates for names that visitors bring.
type NewNames struct {
	PerDomain int // of one registered domain in a week; 40 when 0
	PerHour   int // of all; 100 when 0
}

// ACME obtains a certificate from a public authority (RFC 8555) at the first
// handshake for each served name, and renews it in time, by the authority's
// advice (RFC 9773) where it gives any. It is safe for concurrent use.
type ACME struct {
	o           ACMEOptions
	log         zerolog.Logger
	now         func() time.Time
	shelf       *shelf
	rates       *rates
	authorities []*authority
	keys        []string // of the authorities, in storage
	challenges  *challenges
	door        *door

	loaded *bounded[*stored]
	absent *bounded[struct{}] // names just not found in storage

	mu     sync.Mutex
	jobs   map[string]*job
	held   map[string]*held     // every name with a certificate in storage
	later  map[string]time.Time // names that are tried again without a visitor
	fresh  *queue[*job]
	renew  *queue[*job]
	placed *queue[*job]   // names proved by records, first certificates and renewals
	advise *queue[string] // names whose authority is asked when to renew
	wake   chan struct{}  // of the keeper
	cancel context.CancelFunc
	ctx    context.Context // of everything in the background
	wg     sync.WaitGroup
}

// NewACME opens the manager. It contacts nobody before the first handshake or
// renewal. Close ends what it started.
func NewACME(o ACMEOptions) (*ACME, error) {
	if o.Dir == "" && o.Storage == nil || o.Serves == nil {
		return nil, errors.New("an ACME manager needs a storage and a table of names")
	}
	if o.Storage == nil {
		o.Storage = Folder(o.Dir)
	}
	o.Storage = marked{o.Storage}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Patience == 0 {
		o.Patience = defaultPatience
	}
	if o.Loaded == 0 {
		o.Loaded = maxLeaves
	}
	if len(o.Authorities) == 0 {
		o.Authorities = []Authority{{}}
	}
	// Certificates and times on the wall outlive a jump of the clock; the
	// monotonic reading does not know of one.
	now := func() time.Time { return o.Now().Round(0) }
	a := &ACME{
		o: o, log: o.Logger, now: now,
		shelf:  &shelf{storage: o.Storage, log: o.Logger},
		rates:  newRates(o.Storage, o.Shared, now),
		loaded: newBounded[*stored](o.Loaded, now), absent: newBounded[struct{}](maxKnown, now),
		jobs: map[string]*job{}, held: map[string]*held{}, wake: make(chan struct{}, 1),
		later: map[string]time.Time{}, fresh: newQueue[*job](), renew: newQueue[*job](), placed: newQueue[*job](), advise: newQueue[string](),
	}
	var shared Storage
	if o.Shared {
		shared = o.Storage
	}
	a.challenges = newChallenges(shared)
	solvers := map[string]acmez.Solver{}
	if o.HTTPPort != 0 {
		solvers[acme.ChallengeTypeHTTP01] = solver{challenges: a.challenges}
	}
	if o.TLSPort != 0 {
		solvers[acme.ChallengeTypeTLSALPN01] = solver{challenges: a.challenges, alpn: true}
	}
	for _, by := range o.Authorities {
		if by.Email == "" {
			by.Email = o.Email
		}
		ca := newAuthority(by, o.Storage, a.rates, solvers, o.Logger)
		a.authorities, a.keys = append(a.authorities, ca), append(a.keys, ca.key)
	}
	a.door = newDoor(o, a.rates, now)
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.start()
	return a, nil
}

// start begins everything in the background.
func (a *ACME) start() {
	a.wg.Go(a.survey)
	a.wg.Go(a.keep)
	a.wg.Go(a.serveRequests)
	for range adviceWorkers {
		a.wg.Go(a.takeAdvice)
	}
	for range freshWorkers {
		a.wg.Go(func() { a.work(a.fresh) })
	}
	for range renewalWorkers {
		a.wg.Go(func() { a.work(a.renew) })
	}
	for range recordWorkers {
		a.wg.Go(func() { a.work(a.placed) })
	}
}

// Storage is where the manager keeps accounts, keys and certificates.
func (a *ACME) Storage() Storage { return a.o.Storage }

// Challenges answers the authority's HTTP-01 challenges and hands every other
// request on.
func (a *ACME) Challenges(next http.Handler) http.Handler { return a.challenges.handler(next) }

// ServerConfig returns the TLS settings of a listener whose names the manager
// answers for, the TLS-ALPN-01 challenge (RFC 8737) included.
func (a *ACME) ServerConfig() *tls.Config {
	c := ServerConfig(a.Certificate)
	c.NextProtos = append(c.NextProtos, acmez.ACMETLS1Protocol)
	return c
}

// Close ends everything in the background, orders that handshakes began
// included, and waits for it.
func (a *ACME) Close() error {
	a.cancel()
	a.fresh.close()
	a.renew.close()
	a.placed.close()
	a.advise.close()
	a.wg.Wait()
	for _, ca := range a.authorities {
		ca.plain.CloseIdleConnections()
	}
	a.door.close()
	if a.o.Closed != nil {
		return a.o.Closed()
	}
	return nil
}
