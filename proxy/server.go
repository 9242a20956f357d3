package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/proxy/capacity"
	"github.com/qorgan/qorgan/proxy/page"
	"github.com/qorgan/qorgan/proxy/upstream"
	"github.com/qorgan/qorgan/proxy/wire"
)

const (
	idleTime       = 75 * time.Second
	probeEvery     = 10 * time.Second
	sweepEvery     = 2 * time.Second
	lookEvery      = time.Minute // at certificates of upstreams
	h2Streams      = 100
	h2Frame        = 16 << 10
	h2StreamWindow = 64 << 10
	h2ConnWindow   = 1 << 20
	h2Ping         = 30 * time.Second
	headRate       = 500 // bytes a second of a head, after its time
)

// Server is the edge's serving part. Make one with [New], bind it with
// [Server.Listen], serve with [Server.Run].
type Server struct {
	opts    Options
	log     zerolog.Logger
	pages   *page.Pages
	metrics *metrics
	http    *http.Server // HTTP/1
	http2   *http.Server
	chain   http.Handler
	refuse  func(http.ResponseWriter, *http.Request, exchange.Refusal) // made once, not per request
	record  func(event.Event)
	masked  *maskedTargets

	headBytes int // what net/http was told when it was made; no head may be larger

	table     atomic.Pointer[table]
	secured   atomic.Pointer[secured] // of sites that want no certificate of visitors
	changing  sync.Mutex              // one Listen, Reload or stop at a time
	listeners map[address]*listener
	quic      map[string]*quicListener // by the address of their TLS listener
	leaving   sync.WaitGroup           // those that a reload took away
	feed      *feed                    // of HTTP/1
	feed2     *feed                    // of HTTP/2
	fresh     fresh
	tunnels   tunnels
	load      *capacity.Capacity
	sheds     sheds

	stopping atomic.Bool
	cancel   context.CancelFunc // ends a drain
	ended    context.Context
}

// New builds everything that serving o.Config needs, without binding an
// address. An error says everything that is wrong.
func New(o Options) (*Server, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	pages, err := page.New()
	if err != nil {
		return nil, fmt.Errorf("build refusal pages: %w", err)
	}
	m, err := newMetrics(o.Registry)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	s := &Server{opts: o, log: o.Logger, pages: pages, metrics: m, record: o.Record, masked: newMaskedTargets(),
		listeners: make(map[address]*listener), quic: make(map[string]*quicListener), feed: newFeed(), feed2: newFeed()}
	s.ended, s.cancel = context.WithCancel(context.Background())
	s.refuse = s.writeRefusal

	s.load = capacity.New(capacityLimits(o.Config), o.Pressure)
	s.headBytes, _ = headLimits(o.Config)
	t, err := s.build(o.Config, nil)
	if err != nil {
		return nil, fmt.Errorf("build site table: %w", err)
	}
	t.upstreams.Built()
	s.table.Store(t)
	s.load.Sites(siteNames(o.Config))
	if err := m.measure(s.load); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}

	s.chain = around(o.Middleware, http.HandlerFunc(s.forward))
	front := around(o.Front, http.HandlerFunc(s.serve))
	s.http, s.http2 = s.newHTTP(o.Config, front), s.newHTTP(o.Config, front)
	s.http.Protocols.SetHTTP1(true)
	// "Unencrypted" is what net/http calls a connection whose TLS is not its own:
	// only those that agreed on HTTP/2 in their handshake come there.
	s.http2.Protocols.SetUnencryptedHTTP2(true)
	return s, nil
}

func around(layers []func(http.Handler) http.Handler, h http.Handler) http.Handler {
	for i := len(layers) - 1; i >= 0; i-- {
		h = layers[i](h)
	}
	return h
}

func (s *Server) newHTTP(c *config.Config, h http.Handler) *http.Server {
	head, wait := headLimits(c)
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: wait + time.Duration(head/headRate)*time.Second, // a connection's own is stricter
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    head,
		ConnContext:       s.withConn,
		ConnState:         s.connState,
		// What is asked of the server as a whole is judged like all else.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     serverLog(s.log),
		Protocols:                    new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          h2Streams,
			MaxReadFrameSize:              h2Frame,
			MaxReceiveBufferPerStream:     h2StreamWindow,
			MaxReceiveBufferPerConnection: h2ConnWindow,
			SendPingTimeout:               h2Ping,
			WriteByteTimeout:              writePatience,
		},
	}
}

// headLimits returns the widest limits of all sites: until the head is read it
// is not known which site it is for. The site's own are applied after.
func headLimits(c *config.Config) (bytes int, wait time.Duration) {
	bytes, wait = defaultHeaderBytes, 0
	for _, site := range c.Sites {
		l := withDefaults(site.Limits)
		bytes, wait = max(bytes, l.HeaderBytes), max(wait, l.HeaderTime)
	}
	return bytes, wait
}

// wireLimits returns what an HTTP/1 head may be before its site is known. A
// reload changes all but the size, which net/http was told once.
func wireLimits(c *config.Config, headBytes int) wire.Limits {
	l := wire.Limits{Head: headBytes, Line: headBytes / 2, Rate: headRate}
	for _, site := range c.Sites {
		limits := withDefaults(site.Limits)
		l.Fields, l.Time = max(l.Fields, limits.Headers), max(l.Time, limits.HeaderTime)
	}
	return l
}

// Listen binds the configured addresses, all or none. It is called by Run when
// it was not called before; on its own it serves nothing, but from then on the
// kernel queues connections and Addrs tells the ports.
func (s *Server) Listen() error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if len(s.listeners) > 0 {
		return nil
	}
	opened, err := s.open(addressesOf(s.opts.Config))
	if err != nil {
		return err
	}
	for _, l := range opened {
		s.listeners[l.address] = l
	}
	if err := s.changeQUIC(s.opts.Config, opened, false); err != nil {
		for _, l := range opened {
			_ = l.Close()
			delete(s.listeners, l.address)
		}
		return err
	}
	return nil
}

// Addrs returns the addresses bound for plain HTTP and for HTTPS, in the order
// of the configuration.
func (s *Server) Addrs() (plain, tls []net.Addr) {
	s.changing.Lock()
	defer s.changing.Unlock()
	for _, a := range addressesOf(s.table.Load().conf) {
		l := s.listeners[a]
		switch {
		case l == nil:
		case a.tls:
			tls = append(tls, l.Addr())
		default:
			plain = append(plain, l.Addr())
		}
	}
	return plain, tls
}

// Run serves until ctx is done, then drains: no new connection is accepted,
// requests under way may take the configured time to end, then they and all
// tunnels are cut. Close ends the draining early. Run returns nil after a stop
// that was asked for; by then every goroutine it started has ended. It may be
// called once.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	var owned sync.WaitGroup
	serving := make(chan error, 2)
	s.changing.Lock()
	for _, l := range s.listeners {
		l.start(s)
	}
	for _, l := range s.quic {
		l.start(s)
	}
	s.changing.Unlock()
	owned.Go(func() { serving <- s.http.Serve(s.feed) })
	owned.Go(func() { serving <- s.http2.Serve(s.feed2) })
	owned.Go(func() { s.probe(ctx) })
	owned.Go(func() { s.watchCertificates(ctx) })
	owned.Go(func() { s.watch(ctx) })

	var failed error
	select {
	case <-ctx.Done():
	case <-s.ended.Done():
	case failed = <-serving:
	}
	s.drain()
	owned.Wait()
	if failed != nil && !errors.Is(failed, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", failed)
	}
	return nil
}

// drain stops in the reverse order of starting: readiness, listeners, requests,
// tunnels, table.
func (s *Server) drain() {
	s.stopping.Store(true)
	patience := s.patience()
	grace := min(patience, freshTime)
	var closing sync.WaitGroup
	s.changing.Lock()
	for a, l := range s.listeners {
		delete(s.listeners, a)
		closing.Go(func() { l.stop(grace) })
	}
	s.changing.Unlock()
	closing.Wait()
	s.http.SetKeepAlivesEnabled(false) // who has been answered is done
	s.fresh.wait(grace)

	// The context that ended Run is over; the drain has a time of its own.
	ctx, cancel := context.WithTimeout(s.ended, patience)
	defer cancel()
	s.log.Info().Dur("patience", patience).Int64("in_flight", s.metrics.flying.Load()).Msg("draining")
	var both sync.WaitGroup
	s.changing.Lock()
	for hostPort, l := range s.quic {
		delete(s.quic, hostPort)
		both.Go(func() { l.stop(ctx) })
	}
	s.changing.Unlock()
	for _, server := range []*http.Server{s.http, s.http2} {
		both.Go(func() {
			if err := server.Shutdown(ctx); err != nil {
				s.log.Warn().Int64("in_flight", s.metrics.flying.Load()).Msg("cutting requests that did not end in time")
				_ = server.Close()
			}
		})
	}
	both.Wait()
	s.leaving.Wait()
	s.tunnels.wait(ctx)
	s.tunnels.close()
	s.feed.close()
	s.feed2.close()
	s.table.Load().release()
}

// Close cuts everything at once: listeners, requests under way, tunnels, also
// during a drain. It does not wait; Run does.
func (s *Server) Close() { s.cancel() }

// Reload builds a table from c and swaps it in. Requests under way keep the
// table they began with. Listeners on unchanged addresses are untouched, new
// ones are open before the old close. On an error everything is as before.
func (s *Server) Reload(c *config.Config) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.stopping.Load() {
		return errors.New("reload: the server is stopping")
	}
	if len(c.HTTPS) > 0 && s.opts.TLS == nil {
		return errors.New("reload: HTTPS listeners need a source of certificates; try: restart with --tls internal")
	}
	old := s.table.Load()
	next, err := s.build(c, old)
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	wanted := addressesOf(c)
	var missing []address
	keep := make(map[address]bool, len(wanted))
	for _, a := range wanted {
		keep[a] = true
		if s.listeners[a] == nil {
			missing = append(missing, a)
		}
	}
	opened, err := s.open(missing)
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	if err := s.changeQUIC(c, opened, true); err != nil {
		for _, l := range opened {
			_ = l.Close()
		}
		return fmt.Errorf("reload: %w", err)
	}
	s.table.Store(next)
	next.upstreams.Built()
	s.load.Sites(siteNames(c))
	s.load.Limit(capacityLimits(c))
	for _, l := range opened {
		s.listeners[l.address] = l
		l.start(s)
	}
	for a, l := range s.listeners {
		if !keep[a] {
			l.stop(0)
			delete(s.listeners, a)
		}
	}
	old.release()
	return nil
}

// retire runs when the last request of a replaced table has ended.
func (s *Server) retire(t *table) {
	var next *upstream.Set
	if current := s.table.Load(); current != t {
		next = current.upstreams
	}
	t.upstreams.Retire(next)
}

// watchCertificates looks at the certificates of upstreams until ctx ends.
func (s *Server) watchCertificates(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ended, cancel)()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		s.table.Load().upstreams.LookAtCertificates(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// UpstreamCertificates returns what is known of the certificates of upstreams
// that are spoken to over TLS, by address.
func (s *Server) UpstreamCertificates() []upstream.Certificate {
	return s.table.Load().upstreams.Certificates()
}

// probe asks the upstreams that have a health path, and closes connections to
// them that nobody uses, until ctx ends.
func (s *Server) probe(ctx context.Context) {
	tick, sweep := time.NewTicker(probeEvery), time.NewTicker(sweepEvery)
	defer tick.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.ended.Done():
			return
		case <-tick.C:
			s.table.Load().upstreams.Probe(ctx)
		case <-sweep.C:
			s.table.Load().upstreams.Sweep()
		}
	}
}
