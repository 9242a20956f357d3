package console

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/alerts"
	"github.com/qorgan/qorgan/console/fleet"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/report"
)

// Options configures a console.
type Options struct {
	Store  *store.DB   // open for writing; stays the caller's. Required.
	Listen string      // host:port; port 0 takes any free one
	TLS    *tls.Config // nil serves plain HTTP: right on loopback, or behind a proxy that speaks TLS

	// BaseURL is the console's address as people reach it, without a path:
	// "https://console.example.kz". When empty it is made from Listen. An
	// https address makes cookies Secure even when TLS is nil.
	BaseURL string

	Logger zerolog.Logger

	// Sites returns the sites that this process protects. Optional: without
	// it the console knows sites by their events alone.
	Sites func() []*config.Site

	// Fleet answers edges elsewhere, below /fleet/. Optional. Pin is the
	// SHA-256, hexadecimal, of the console's own authority, by which an edge
	// knows it; empty when it has a certificate of a public one.
	Fleet *fleet.Door
	Pin   string

	// Queue returns the figures of the queue that feeds the store. Optional.
	Queue func() report.Stats

	// Reload rereads the configuration of the edge in this process and puts it
	// into force, or returns every mistake in it and leaves the old one.
	// Optional: without it, or with a configuration of flags alone, there is
	// nothing to reread.
	Reload func(context.Context) error

	// Disputes lists the profiles whose fast path is off because the rules
	// disagreed with it, and Settle switches it on again. Optional, together.
	Disputes func() []Dispute
	Settle   func()

	// Exclusions proposes rule exclusions and keeps them. Optional: without it
	// an incident's page shows what to write into the configuration.
	Exclusions *Exclusions

	// Certificates returns the state of the certificates of the edge in this
	// process. Optional.
	Certificates func() Certificates

	// Post is how alerts go out. Without a mail server and a bot they reach
	// webhooks and syslog servers only.
	Post alerts.Post

	Location *time.Location // in which times are shown; time.Local by default
	Keep     time.Duration  // how long events are kept; 90 days by default
	MaxBytes int64          // most the store may take; 4 GiB by default
}

// Dispute is a profile whose fast path is off: it judged some requests or
// responses otherwise than the rules.
type Dispute struct {
	Profile string
	Rules   []int // about which; 0 is the score alone
	Times   int64 // at least 1
}

// Server is a console. The zero value is not usable.
type Server struct {
	options  Options
	db       *store.DB
	log      zerolog.Logger
	secure   bool // people reach it by https
	pages    pages
	words    *words
	assets   assets
	handler  http.Handler
	hashes   *hasher
	throttle *throttle
	desk     *alerts.Desk
	proofs   chan struct{} // one place for each search for an exclusion at a time
	now      func() time.Time

	mu       sync.Mutex
	listener net.Listener
}

// New returns a console that does not listen yet.
func New(o Options) (*Server, error) {
	if o.Store == nil {
		return nil, errors.New("console: no store")
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	if o.Keep == 0 {
		o.Keep = 90 * 24 * time.Hour
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 4 << 30
	}
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	s := &Server{
		options:  o,
		db:       o.Store,
		log:      o.Logger.With().Str("part", "console").Logger(),
		secure:   o.TLS != nil || strings.HasPrefix(o.BaseURL, "https://"),
		hashes:   newHasher(2),
		throttle: newThrottle(),
		proofs:   make(chan struct{}, 2),
		now:      time.Now,
	}
	var err error
	if s.words, err = loadWords(); err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	if s.assets, err = loadAssets(); err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	if s.pages, err = loadPages(); err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	if err := s.openDesk(); err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	s.handler = s.routes()
	return s, nil
}

// Handler returns the console as a handler; it must be mounted at the root of
// its host.
func (s *Server) Handler() http.Handler { return s.handler }

// Start opens the listener, so that URL is known and a port in use is an
// error now. Run does it when the caller has not.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.options.Listen)
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	s.listener = l
	return nil
}

// URL returns the console's address, without a trailing slash.
func (s *Server) URL() string {
	if s.options.BaseURL != "" {
		return s.options.BaseURL
	}
	addr := s.options.Listen
	s.mu.Lock()
	if s.listener != nil {
		addr = s.listener.Addr().String()
	}
	s.mu.Unlock()
	if host, port, err := net.SplitHostPort(addr); err == nil {
		if ip := net.ParseIP(host); host == "" || ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
			addr = net.JoinHostPort("localhost", port)
		}
	}
	if s.secure {
		return "https://" + addr
	}
	return "http://" + addr
}

// Run serves until ctx ends, then lets requests under way finish for up to
// ten seconds. It returns nil when ctx ended it.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      2 * time.Minute, // an export
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          quiet(s.log),
	}
	listener := s.listener
	if s.options.TLS != nil {
		c := s.options.TLS.Clone()
		if len(c.NextProtos) == 0 {
			c.NextProtos = []string{"h2", "http/1.1"}
		}
		server.TLSConfig = c
		listener = tls.NewListener(listener, c)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("console: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(stop); err != nil {
			return errors.Join(fmt.Errorf("console: stop: %w", err), server.Close())
		}
		return nil
	})
	if s.options.Fleet != nil {
		group.Go(func() error { return s.options.Fleet.Run(ctx) })
	}
	s.startJobs(ctx, group)
	group.Go(func() error { return s.desk.Run(ctx) })
	return group.Wait()
}

// SignInLink makes a link that signs name in once, within an hour, and lets
// that person choose a password when there is none yet. It makes the person
// when there is no such person; earlier links of that person stop working.
func (s *Server) SignInLink(ctx context.Context, name string) (string, error) {
	return SignInLink(ctx, s.db, s.URL(), name)
}

// SignInLink makes the link for a console at base, from outside of its
// process, see [store.OpenBeside].
func SignInLink(ctx context.Context, db *store.DB, base, name string) (string, error) {
	person, err := db.EnsurePerson(ctx, name)
	if err != nil {
		return "", fmt.Errorf("sign-in link: %w", err)
	}
	secret, token := newToken()
	now := time.Now()
	if err := db.InsertLink(ctx, token, person.ID, now.Add(linkLife)); err != nil {
		return "", fmt.Errorf("sign-in link: %w", err)
	}
	if err := db.InsertAct(ctx, store.Act{Time: now.UTC().Truncate(time.Microsecond), Person: person.Name, Act: actMadeLink, Tenant: person.Tenant}); err != nil {
		return "", fmt.Errorf("sign-in link: %w", err)
	}
	return strings.TrimRight(base, "/") + "/link/" + secret, nil
}

// HasPeople reports whether anybody has chosen a password yet.
func (s *Server) HasPeople(ctx context.Context) (bool, error) {
	n, err := s.db.People(ctx)
	return n > 0, err
}
