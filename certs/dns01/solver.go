package dns01

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"github.com/miekg/dns"
	"github.com/rs/zerolog"
)

const (
	// defaultCall is how long one call of a provider may take.
	defaultCall = time.Minute
	// turnTime bounds the wait for another order that changes the same record.
	turnTime = 10 * time.Minute
	// findTime bounds finding out where a record goes.
	findTime = 30 * time.Second
	// defaultWait is how long a record may take to be shown everywhere.
	defaultWait = 2 * time.Minute
)

// Record is one TXT record that proves a name.
type Record struct {
	Name  string // where it stands, absolute: "_acme-challenge.example.kz."
	Zone  string // the zone it lies in, absolute
	Value string

	// Domain is the name that is proved, without "*.", and KeyAuth what Value is
	// made of: some libraries want those.
	Domain, KeyAuth string
}

// Provider has records placed in the DNS. Other values of the same name must
// stay. Its methods must return soon after ctx ends and are not called at once
// for one name; they may be for different names.
type Provider interface {
	Present(ctx context.Context, r Record) error
	// CleanUp takes a record away. That it is not there is no error.
	CleanUp(ctx context.Context, r Record) error
}

// Alone is a Provider that can show one value of a name at a time only.
type Alone interface{ Alone() bool }

// Locker keeps edges with one storage apart.
type Locker interface {
	Lock(ctx context.Context, name string) error
	Unlock(ctx context.Context, name string) error
}

// Options configure a Solver.
type Options struct {
	Provider Provider
	Name     string        // the provider's, for errors
	Call     time.Duration // how long the provider may take to answer; a minute when 0
	Wait     time.Duration // how long a record may take to be shown by all name servers; two minutes when 0
	Settle   time.Duration // how long to go on waiting afterwards, for what is not asked; none when 0

	Resolvers []string // asked where a record goes, host or host:port; the system's when empty
	Port      string   // of name servers; 53 when empty
	Locks     Locker   // nil: this process is the only one

	// Secrets are values that no error may repeat; libraries put them into the
	// addresses they ask.
	Secrets []string

	Logger zerolog.Logger
}

// Solver solves DNS-01 challenges through one provider.
type Solver struct {
	o       Options
	resolve *resolver
	locks   *locks

	mu   sync.Mutex
	open map[string]*open // by record and value
}

// open is a record between Present and CleanUp.
type open struct {
	Record
	locked bool // its name is locked until CleanUp
}

var (
	_ acmez.Solver = (*Solver)(nil)
	_ acmez.Waiter = (*Solver)(nil)
)

// New returns a Solver. It contacts nobody.
func New(o Options) (*Solver, error) {
	if o.Provider == nil {
		return nil, errors.New("a solver of DNS challenges needs a provider")
	}
	if o.Call == 0 {
		o.Call = defaultCall
	}
	if o.Wait == 0 {
		o.Wait = defaultWait
	}
	r, err := newResolver(o.Resolvers, o.Port)
	if err != nil {
		return nil, err
	}
	return &Solver{o: o, resolve: r, locks: newLocks(o.Locks), open: map[string]*open{}}, nil
}

// Present places the record of a challenge.
func (s *Solver) Present(ctx context.Context, c acme.Challenge) error {
	r, err := s.record(ctx, c)
	if err != nil {
		return &RecordError{Name: challengeName(c), Err: err}
	}
	if err := s.turn(ctx, r.Name); err != nil {
		return s.failed(r.Name, err)
	}
	opened := &open{Record: r}
	if a, ok := s.o.Provider.(Alone); ok && a.Alone() {
		opened.locked = true
	} else {
		defer s.locks.unlock(ctx, r.Name)
	}
	s.mu.Lock()
	s.open[c.Token] = opened
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, s.o.Call)
	defer cancel()
	if err := s.o.Provider.Present(ctx, r); err != nil {
		return s.failed(r.Name, err)
	}
	s.o.Logger.Debug().Str("record", r.Name).Str("provider", s.o.Name).Msg("record placed")
	return nil
}

// turn waits until nobody else changes a record.
func (s *Solver) turn(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, turnTime)
	defer cancel()
	return s.locks.lock(ctx, name)
}

// record finds where the record of a challenge goes.
func (s *Solver) record(ctx context.Context, c acme.Challenge) (Record, error) {
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	name, err := s.resolve.follow(ctx, challengeName(c))
	if err != nil {
		return Record{}, err
	}
	zone, err := s.resolve.zone(ctx, name)
	if err != nil {
		return Record{}, err
	}
	return Record{Name: name, Zone: zone, Value: c.DNS01KeyAuthorization(),
		Domain: c.Identifier.Value, KeyAuth: c.KeyAuthorization}, nil
}

func challengeName(c acme.Challenge) string {
	return dns.Fqdn("_acme-challenge." + strings.ToLower(strings.TrimPrefix(c.Identifier.Value, "*.")))
}

// CleanUp takes the record of a challenge away, also after ctx has ended.
func (s *Solver) CleanUp(ctx context.Context, c acme.Challenge) error {
	ctx = context.WithoutCancel(ctx)
	s.mu.Lock()
	r, ok := s.open[c.Token]
	delete(s.open, c.Token)
	s.mu.Unlock()
	if !ok {
		return nil // it was never placed
	}
	if !r.locked {
		if err := s.turn(ctx, r.Name); err != nil {
			return s.left(r, err)
		}
	}
	defer s.locks.unlock(ctx, r.Name)
	ctx, cancel := context.WithTimeout(ctx, s.o.Call)
	defer cancel()
	if err := s.o.Provider.CleanUp(ctx, r.Record); err != nil {
		return s.left(r, err)
	}
	return nil
}

// left says that a record stays behind, which harms nothing but order.
func (s *Solver) left(r *open, err error) error {
	s.o.Logger.Warn().Str("record", r.Name).Str("provider", s.o.Name).Str("error", err.Error()).
		Msg("a record of a challenge could not be taken away; it proves nothing any more")
	return s.failed(r.Name, err)
}

// failed makes an error of a provider's, without secrets.
func (s *Solver) failed(name string, err error) error {
	text := err.Error()
	for _, secret := range s.o.Secrets {
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			text = strings.ReplaceAll(text, form, "(secret)")
		}
	}
	return &ProviderError{Provider: s.o.Name, Name: name, Err: &saidError{text: text, err: err}}
}

// saidError is an error in other words.
type saidError struct {
	text string
	err  error
}

func (e *saidError) Error() string { return e.text }
func (e *saidError) Unwrap() error { return e.err }

// ProviderError is a provider's failure to place or remove a record.
type ProviderError struct {
	Provider string // its name in the configuration
	Name     string // of the record
	Err      error
}

func (e *ProviderError) Error() string {
	return fmt.Sprintf("DNS provider %s, record %s: %s", e.Provider, strings.TrimSuffix(e.Name, "."), e.Err)
}
func (e *ProviderError) Unwrap() error { return e.Err }

// RecordError is a record whose place can not be found, or that is not shown.
type RecordError struct {
	Name string
	Err  error
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("record %s: %s", strings.TrimSuffix(e.Name, "."), e.Err)
}
func (e *RecordError) Unwrap() error { return e.Err }
