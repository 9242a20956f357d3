package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
)

// Defaults for timeouts a configuration leaves at zero.
const (
	receiveBuffer = 256 << 10 // of the kernel, an upstream connection
	defaultDial   = 5 * time.Second
	defaultHeader = 60 * time.Second
)

// idleConn is shorter than the shortest keep-alive in common use (Apache's
// five seconds), so that a request is hardly ever sent on a connection the
// server is about to close.
const idleConn = 4 * time.Second

const (
	maxIdlePerHost    = 256
	maxResponseHeader = 256 << 10 // bytes of a response's head; PHP sends large Set-Cookie and Link lines
	socketBuffer      = 16 << 10
)

// Set holds the peers and transports of one table of sites.
type Set struct {
	log        zerolog.Logger
	peers      map[peerKey]*Peer
	transports map[config.Timeouts]*http.Transport
	roots      *x509.CertPool // whom servers' certificates are checked with; the system's when nil
	previous   *Set           // only while building
}

type peerKey struct {
	url      string
	health   string
	timeouts config.Timeouts
}

// NewSet returns an empty set that takes over from previous, which may be nil.
func NewSet(previous *Set, log zerolog.Logger) *Set {
	return &Set{
		log:        log,
		peers:      make(map[peerKey]*Peer),
		transports: make(map[config.Timeouts]*http.Transport),
		previous:   previous,
	}
}

// Pool returns the servers of one site. Sites that name the same server share
// its peer.
func (s *Set) Pool(upstreams []config.Upstream, timeouts config.Timeouts) (*Pool, error) {
	if len(upstreams) == 0 {
		return nil, errors.New("no upstream is configured; try: --to http://127.0.0.1:8080")
	}
	if timeouts.Dial <= 0 {
		timeouts.Dial = defaultDial
	}
	if timeouts.Header <= 0 {
		timeouts.Header = defaultHeader
	}
	p := &Pool{log: s.log}
	for _, u := range upstreams {
		if err := check(u.URL); err != nil {
			return nil, err
		}
		p.peers = append(p.peers, s.peer(u, timeouts))
	}
	return p, nil
}

func check(u *url.URL) error {
	switch {
	case u == nil:
		return errors.New("an upstream has no address; try: http://127.0.0.1:8080")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("upstream %s: scheme must be http or https", u.Redacted())
	case u.Hostname() == "":
		return fmt.Errorf("upstream %s: no host; try: http://127.0.0.1:8080", u.Redacted())
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.User != nil:
		return fmt.Errorf("upstream %s: only scheme, host and port may be given", u.Redacted())
	}
	return nil
}

func (s *Set) peer(u config.Upstream, timeouts config.Timeouts) *Peer {
	key := peerKey{url: u.URL.Scheme + "://" + u.URL.Host, health: u.Health, timeouts: timeouts}
	if p := s.peers[key]; p != nil {
		return p
	}
	var p *Peer
	if s.previous != nil {
		p = s.previous.peers[key]
	}
	transport := s.transport(timeouts)
	if p == nil {
		p = &Peer{scheme: u.URL.Scheme, host: u.URL.Host, health: u.Health, transport: transport}
		if p.scheme == "http" {
			p.direct = &direct{addr: hostPort(u.URL), dial: transport.DialContext, timeouts: timeouts}
		}
	}
	s.peers[key] = p
	return p
}

func hostPort(u *url.URL) string {
	if port := u.Port(); port != "" {
		return net.JoinHostPort(u.Hostname(), port)
	}
	return net.JoinHostPort(u.Hostname(), "80")
}

func (s *Set) transport(timeouts config.Timeouts) *http.Transport {
	if t := s.transports[timeouts]; t != nil {
		return t
	}
	var t *http.Transport
	if s.previous != nil {
		t = s.previous.transports[timeouts]
	}
	if t == nil {
		t = newTransport(timeouts)
		if s.roots != nil {
			t.TLSClientConfig = &tls.Config{RootCAs: s.roots}
		}
	}
	s.transports[timeouts] = t
	return t
}

func newTransport(timeouts config.Timeouts) *http.Transport {
	dialer := &net.Dialer{Timeout: timeouts.Dial, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetReadBuffer(receiveBuffer) // bounds what waits for a slow visitor
			}
			return c, err
		},
		TLSHandshakeTimeout:    timeouts.Dial,
		ResponseHeaderTimeout:  timeouts.Header,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        idleConn,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		MaxResponseHeaderBytes: maxResponseHeader,
		ReadBufferSize:         socketBuffer,
		WriteBufferSize:        socketBuffer,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
	}
}

// Built ends the building of s: the set it took over from is let go.
func (s *Set) Built() { s.previous = nil }

// Retire closes the idle connections that next does not use. It is called when
// the last request of s has ended.
func (s *Set) Retire(next *Set) {
	for key, t := range s.transports {
		if next == nil || next.transports[key] != t {
			t.CloseIdleConnections()
		}
	}
	for key, p := range s.peers {
		if p.direct != nil && (next == nil || next.peers[key] != p) {
			p.direct.close()
		}
	}
}

// Sweep closes connections that were idle for too long.
func (s *Set) Sweep() {
	now := time.Now()
	for _, p := range s.peers {
		if p.direct != nil {
			p.direct.sweep(now)
		}
	}
}
