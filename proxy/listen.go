package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/proxy/capacity"
	"github.com/qorgan/qorgan/proxy/streams"
	"github.com/qorgan/qorgan/proxy/wire"
)

const (
	greetTime   = 10 * time.Second // for a TLS handshake
	proxyHeader = 2 * time.Second  // for a PROXY protocol header
)

// h2Suites are the cipher suites of TLS 1.2 that HTTP/2 may have.
var h2Suites = []uint16{
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
}

// address is a listener as configured. It is what reloads compare.
type address struct {
	hostPort string
	tls      bool
}

func addressesOf(c *config.Config) []address {
	var as []address
	for _, a := range c.HTTP {
		as = append(as, address{hostPort: a})
	}
	for _, a := range c.HTTPS {
		as = append(as, address{hostPort: a, tls: true})
	}
	return as
}

// open binds all of as, or none.
func (s *Server) open(as []address) ([]*listener, error) {
	var opened []*listener
	var errs []error
	for _, a := range as {
		ln, err := s.inherited(a.hostPort)
		if ln == nil && err == nil {
			ln, err = net.Listen("tcp", a.hostPort)
		}
		if err != nil {
			errs = append(errs, listenError(a, err))
			continue
		}
		l := &listener{Listener: ln, address: a}
		l.ctx, l.cancel = context.WithCancel(context.Background())
		opened = append(opened, l)
	}
	if len(errs) == 0 {
		return opened, nil
	}
	for _, l := range opened {
		_ = l.Close()
	}
	return nil, errors.Join(errs...)
}

func listenError(a address, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "; another process holds this port: stop it, or choose another address"
	case errors.Is(err, os.ErrPermission):
		hint = "; ports below 1024 need CAP_NET_BIND_SERVICE: use the systemd unit, or a port above"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "; this machine has no such address"
	}
	return fmt.Errorf("listen on %s: %w%s", a.hostPort, err, hint)
}

// listener accepts on one address and hands connections that are ready for
// HTTP to the server's feed. It owns the goroutines that greet them.
type listener struct {
	net.Listener
	address address
	ctx     context.Context
	cancel  context.CancelFunc
	owned   sync.WaitGroup
}

func (l *listener) start(s *Server) { l.owned.Go(func() { l.accept(s) }) }

// stop closes the socket, gives greetings so long to end, breaks off the others
// and waits for them.
func (l *listener) stop(patience time.Duration) {
	_ = l.Close()
	late := time.AfterFunc(patience, l.cancel)
	l.owned.Wait()
	late.Stop()
	l.cancel()
}

func (l *listener) accept(s *Server) {
	var pause time.Duration
	for {
		c, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of descriptors or memory: connections under way go on, and
			// as they end there is room again.
			if pause == 0 {
				s.log.Error().Err(err).Str("listener", l.address.hostPort).
					Str("hint", "raise the limit of open files").Msg("accepting fails")
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			select {
			case <-l.ctx.Done():
				return
			case <-time.After(pause):
			}
			continue
		}
		pause = 0
		announced := s.announces(c)
		held := s.connect(c, announced)
		if held == nil {
			continue
		}
		if !announced && !l.address.tls {
			s.push(s.plain(c), held)
			continue
		}
		l.owned.Go(func() { l.greet(s, c, held, announced) })
	}
}

// announces reports whether the peer must open with a PROXY protocol header.
// From anybody else such a header is a malformed request or handshake.
func (s *Server) announces(c net.Conn) bool {
	ranges := s.table.Load().conf.Trusted.ProxyProtocol
	return len(ranges) > 0 && within(addrPort(c.RemoteAddr()).Addr(), ranges)
}

// greet reads the PROXY protocol header and does the TLS handshake, then feeds
// the connection to HTTP. A connection that fails is closed without a word:
// there is nobody to blame but the peer.
func (l *listener) greet(s *Server, c net.Conn, held *capacity.Conn, announced bool) {
	pushed := false
	defer func() {
		if !pushed {
			s.load.Disconnect(held)
		}
	}()
	ctx, cancel := context.WithTimeout(l.ctx, greetTime)
	defer cancel()
	peer := addrPort(c.RemoteAddr())
	if announced {
		pc := proxyproto.NewConn(c, proxyproto.WithPolicy(proxyproto.REQUIRE), proxyproto.SetReadHeaderTimeout(proxyHeader))
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		if err := proxyHeaderError(pc); err != nil || !stop() {
			s.log.Debug().Err(err).Stringer("peer", peer).Msg("no PROXY protocol header where one is required")
			_ = pc.Close()
			return
		}
		c = pc
		if !s.claim(held, addrPort(c.RemoteAddr()).Addr()) {
			_ = pc.Close()
			return
		}
	}
	if !l.address.tls {
		s.push(s.plain(c), held)
		pushed = true
		return
	}
	tc := tls.Server(c, s.tls().tcp)
	if err := tc.HandshakeContext(ctx); err != nil {
		s.log.Debug().Err(err).Stringer("peer", peer).Msg("handshake ended")
		_ = c.Close()
		return
	}
	switch tc.ConnectionState().NegotiatedProtocol {
	case "h2":
		if state := tc.ConnectionState(); state.Version == tls.VersionTLS12 && !slices.Contains(h2Suites, state.CipherSuite) {
			_ = tc.Close() // RFC 9113, section 9.2.2
			return
		}
		if !s.load.Streams(held) {
			s.full(fullConnections)
			_ = c.Close()
			return
		}
		s.push(streams.NewConn(tc, streams.Limits{Bytes: s.headBytes}), held)
		pushed = true
	case "http/1.1", "":
		s.push(s.plain(tc), held)
		pushed = true
	default: // a handshake that was the whole purpose, like acme-tls/1
		_ = tc.Close()
	}
}

// proxyHeaderError waits for the header and says what is wrong with it.
func proxyHeaderError(pc *proxyproto.Conn) error {
	if _, err := pc.Read(nil); err != nil {
		return err
	}
	if pc.ProxyHeader() == nil {
		return proxyproto.ErrNoProxyProtocol
	}
	return nil
}

// plain wraps a connection that will speak HTTP/1.
func (s *Server) plain(c net.Conn) net.Conn {
	return wire.NewConn(c, s.table.Load().wire)
}

// conn is what is known about a connection.
type conn struct {
	key         net.Conn // as net/http knows it; nil for HTTP/3
	peer, local netip.AddrPort
	tls         *tls.ConnectionState
	proof       atomic.Pointer[proof] // of the certificate shown with it
	wire        *wire.Conn            // nil for HTTP/2 and 3
	held        *capacity.Conn        // nil where connections are not counted
	until       time.Time             // the write deadline set on it (HTTP/1 only)
	resets      resets
	quic        bool
}

// patient gives the visitor of an HTTP/1 connection so long to take what is
// written, when half of what he was given is over.
func (k *conn) patient(now time.Time) {
	if k.until.Sub(now) < writePatience/2 {
		k.until = now.Add(writePatience)
		_ = k.wire.SetWriteDeadline(k.until)
	}
}

type connKey struct{}

// withConn is the http.Server's ConnContext.
func (s *Server) withConn(ctx context.Context, c net.Conn) context.Context {
	k := &conn{key: c, held: s.load.Keyed(c), peer: addrPort(c.RemoteAddr()), local: addrPort(c.LocalAddr())}
	switch w := c.(type) {
	case *wire.Conn:
		k.wire, c = w, w.NetConn()
	case *streams.Conn:
		c = w.NetConn()
	}
	if t, ok := c.(*tls.Conn); ok {
		state := t.ConnectionState()
		k.tls = &state
	}
	return context.WithValue(ctx, connKey{}, k)
}

// feed is the listener http.Server sees: connections from all real listeners,
// greeted. It stays while they come and go.
type feed struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newFeed() *feed { return &feed{conns: make(chan net.Conn), done: make(chan struct{})} }

// push reports whether c was handed over; it is closed when not.
func (f *feed) push(c net.Conn) bool {
	select {
	case f.conns <- c:
		return true
	case <-f.done:
		_ = c.Close()
		return false
	}
}

// Accept implements net.Listener.
func (f *feed) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (f *feed) Close() error {
	f.close()
	return nil
}

func (f *feed) close() { f.once.Do(func() { close(f.done) }) }

// Addr implements net.Listener. The feed has no address of its own.
func (f *feed) Addr() net.Addr { return &net.TCPAddr{} }
