package upstream

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	failuresToBackOff = 3
	firstBackOff      = time.Second
	longestBackOff    = 30 * time.Second
)

// Peer is one server.
type Peer struct {
	scheme, host string
	health       string
	transport    *http.Transport
	direct       *direct // nil where the server is spoken to over TLS

	active   atomic.Int64 // requests under way
	failures atomic.Int64 // consecutive
	until    atomic.Int64 // backed off until, Unix nanoseconds
	down     atomic.Bool  // by active probe
	misses   atomic.Int64 // consecutive probes that failed

	shown atomic.Pointer[shown] // its certificate in the last handshake
	told  struct {              // of that certificate; of one goroutine
		state CertificateState
		at    time.Time
	}
}

// String returns the peer's address for logs.
func (p *Peer) String() string { return p.scheme + "://" + p.host }

// Done says that a request sent to p has ended, its body included.
func (p *Peer) Done() { p.active.Add(-1) }

func (p *Peer) usable(now int64) bool {
	return !p.down.Load() && p.until.Load() <= now
}

func (p *Peer) succeeded() {
	if p.failures.Load() != 0 {
		p.failures.Store(0)
		p.until.Store(0)
	}
}

func (p *Peer) failed(now time.Time) {
	n := p.failures.Add(1)
	if n < failuresToBackOff {
		return
	}
	wait := longestBackOff
	if shift := n - failuresToBackOff; shift < 5 {
		wait = min(firstBackOff<<shift, longestBackOff)
	}
	p.until.Store(now.Add(wait).UnixNano())
}

// Pool is the servers of one site.
type Pool struct {
	peers []*Peer
	log   zerolog.Logger
	turn  atomic.Uint64
}

// pick returns the usable peer with the fewest requests under way, not one in
// tried. When none is usable it returns one anyway: a server believed dead is
// a better answer than none. It returns nil when all were tried.
func (p *Pool) pick(tried []*Peer) *Peer {
	if len(p.peers) == 1 {
		if len(tried) > 0 {
			return nil
		}
		return p.peers[0]
	}
	now := time.Now().UnixNano()
	start := p.turn.Add(1)
	var best, last *Peer
	for i := range p.peers {
		peer := p.peers[(start+uint64(i))%uint64(len(p.peers))]
		if contains(tried, peer) {
			continue
		}
		if !peer.usable(now) {
			if last == nil || peer.until.Load() < last.until.Load() {
				last = peer
			}
			continue
		}
		if best == nil || peer.active.Load() < best.active.Load() {
			best = peer
		}
	}
	if best == nil {
		best = last
	}
	return best
}

func contains(tried []*Peer, p *Peer) bool {
	for _, t := range tried {
		if t == p {
			return true
		}
	}
	return false
}

// Call is a request on its way to a pool.
type Call struct {
	Request *http.Request // RoundTrip sets scheme and host of its URL

	// Held says that reading the body waits for nobody.
	Held bool
	// Early is told of informational responses, 100 included, maybe on another
	// goroutine; an error ends the call. It may be nil.
	Early func(status int, h textproto.MIMEHeader) error
	// Blame reports whether an error is the server's: a client that went away
	// says nothing about the server.
	Blame func(error) bool
}

// RoundTrip sends a request to one of the pool's servers and returns its
// response and the server, on which the caller calls Done when the body was
// read.
//
// A request without a body whose method is GET, HEAD or OPTIONS is sent to
// another server when one fails before the first byte of its response. The
// error is an *Error.
func (p *Pool) RoundTrip(c *Call) (*http.Response, *Peer, error) {
	r := c.Request
	var tried []*Peer
	var lastErr error
	for {
		peer := p.pick(tried)
		if peer == nil {
			return nil, nil, lastErr
		}
		r.URL.Scheme, r.URL.Host = peer.scheme, peer.host
		peer.active.Add(1)
		resp, err := peer.roundTrip(c)
		if err == nil {
			peer.succeeded()
			return resp, peer, nil
		}
		peer.Done()
		lastErr = newError(peer, err)
		if errors.Is(err, context.Canceled) || !c.Blame(err) {
			return nil, nil, lastErr
		}
		peer.failed(time.Now())
		if !repeatable(r) || r.Context().Err() != nil {
			return nil, nil, lastErr
		}
		if len(p.peers) > 1 {
			p.log.Warn().Err(lastErr).Str("upstream", peer.String()).Msg("trying the next upstream")
		}
		tried = append(tried, peer)
	}
}

func (p *Peer) roundTrip(c *Call) (*http.Response, error) {
	if p.direct.fits(c) {
		return p.direct.roundTrip(c)
	}
	r := c.Request
	trace := &httptrace.ClientTrace{}
	if c.Early != nil {
		// The transport counts informational responses no longer once somebody
		// listens to them.
		n := 0
		trace.Got1xxResponse = func(status int, h textproto.MIMEHeader) error {
			if n++; n > maxEarly {
				return errManyEarly
			}
			return c.Early(status, h)
		}
	}
	if c.Early != nil || p.scheme == "https" {
		r = r.WithContext(p.listening(r.Context(), trace))
	}
	return p.transport.RoundTrip(r)
}

func repeatable(r *http.Request) bool {
	if r.Body != nil && r.Body != http.NoBody {
		return false
	}
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
}
