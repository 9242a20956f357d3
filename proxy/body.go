package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qorgan/qorgan/proxy/wire"
)

const (
	bodyGrace     = 10 * time.Second // before the minimum rate counts
	deadlineSlack = time.Second      // a deadline is renewed when it moved by more
	unreadTime    = 2 * time.Second  // for what is left of a body nobody wants
)

// Why a body stopped being read.
var (
	errBodyTooLarge error = &bodyError{http.StatusRequestEntityTooLarge, "body-length", "request body is larger than the site allows"}
	errBodyTooSlow  error = &bodyError{http.StatusRequestTimeout, "body-slow", "request body arrives too slowly"}
	errOverloaded   error = &bodyError{http.StatusServiceUnavailable, "overloaded", "there is no room for more of the request's body"}
	errBodyClosed         = errors.New("request body was read after its request had ended")
)

// bodyError says what the visitor is to be answered, to rooms that read the
// body and cannot import this package.
type bodyError struct {
	status     int
	name, text string
}

// Error implements error.
func (e *bodyError) Error() string { return e.text }

// Protocol returns the status to answer, a stable name and no detail, as
// [wire.Refusal.Protocol] does.
func (e *bodyError) Protocol() (status int, name, detail string) { return e.status, e.name, "" }

// body reads a request's body, counts it, and bounds its size and slowness. A
// slow upload may take hours as long as it keeps the minimum rate; what the
// upstream takes to accept bytes is not held against the visitor.
type body struct {
	call  *call
	src   io.ReadCloser
	rc    *http.ResponseController
	limit int64
	rate  int64

	mu       sync.Mutex  // the transport may read on after the handler returned
	closed   atomic.Bool // set before the lock is asked for
	touched  atomic.Bool // somebody began to read
	eof      atomic.Bool
	waited   time.Duration // inside Read
	deadline time.Time     // as set on the connection
	arrived  http.Header   // trailers of the visitor's request
	trailer  http.Header   // of the outgoing request, filled at the end
	held     int64         // bytes counted as held in memory

	read   atomic.Int64
	failed atomic.Pointer[error] // the first error other than io.EOF
}

func (b *body) begin(c *call, r *http.Request) {
	b.call, b.src = c, r.Body
	b.rc = http.NewResponseController(c.w.inner)
	b.rate = defaultBodyRate
	if c.site != nil {
		b.limit, b.rate = c.site.limits.Body, int64(c.site.limits.BodyRate)
	}
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed.Load() {
		return 0, errBodyClosed
	}
	b.touched.Store(true)
	read := b.read.Load()
	start := time.Now()
	patience := bodyGrace + time.Duration(read/b.rate)*time.Second - b.waited
	if d := start.Add(patience); d.Before(b.deadline) || d.Sub(b.deadline) > deadlineSlack {
		b.deadline = d
		_ = b.rc.SetReadDeadline(d)
	}
	if b.closed.Load() { // looked at after the deadline was set, see end
		return 0, errBodyClosed
	}
	b.call.conn.held.Waiting(start)
	n, err := b.src.Read(p)
	b.call.conn.held.Went()
	b.waited += time.Since(start)
	read = b.read.Add(int64(n))
	if b.limit > 0 && read > b.limit {
		return 0, b.fail(errBodyTooLarge)
	}
	if !b.hold(int64(n)) {
		b.call.server.full(fullBodies)
		return 0, b.fail(errOverloaded)
	}
	if err == nil {
		return n, nil
	}
	var timeout interface{ Timeout() bool }
	switch {
	case err == io.EOF:
		// The connection is watched for the visitor's going away from here on,
		// which an old deadline would be taken for.
		b.deadline = time.Time{}
		_ = b.rc.SetReadDeadline(time.Time{})
		b.eof.Store(true)
		b.copyTrailer()
		return n, io.EOF
	case errors.As(err, &timeout) && timeout.Timeout():
		return n, b.fail(errBodyTooSlow)
	}
	// net/http hides what is wrong with a chunk.
	if refused := b.refused(); refused != nil {
		err = refused
	}
	return n, b.fail(err)
}

// hold counts what was read as held in memory, up to what a room may hold of
// one body. It reports whether there is room.
func (b *body) hold(n int64) bool {
	if b.call.site == nil {
		return true
	}
	n = min(n, b.call.site.holds-b.held)
	if n <= 0 {
		return true
	}
	b.held += n
	return b.call.server.load.Hold(b.call.site.share, n)
}

// refused returns why the body has no single reading, nil when it has one as
// far as it was read.
func (b *body) refused() *wire.Refusal {
	if b.src == nil || b.call.conn.wire == nil {
		return nil
	}
	return b.call.conn.wire.BodyErr()
}

func (b *body) fail(err error) error {
	b.failed.CompareAndSwap(nil, &err)
	return err
}

// problem returns why reading failed, nil while it has not.
func (b *body) problem() error {
	if p := b.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// announce prepares the trailers of the outgoing request: those the visitor
// announced that may pass. Their values are known when the body has ended.
func (b *body) announce(r *http.Request) http.Header {
	b.arrived = r.Trailer
	for name := range r.Trailer {
		if passes(name, nil) {
			if b.trailer == nil {
				b.trailer = make(http.Header, len(r.Trailer))
			}
			b.trailer[name] = nil
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.eof.Load() {
		b.copyTrailer()
	}
	return b.trailer
}

func (b *body) copyTrailer() {
	for name := range b.trailer {
		b.trailer[name] = b.arrived[name]
	}
}

// Close implements io.Closer. The server closes its own body; a transport that
// gave up must not (it would swallow a body the visitor has not sent yet).
func (b *body) Close() error { return nil }

// end cuts the transport off: a body must not be read after its handler
// returned. A read that waits for the visitor is broken off.
func (b *body) end() {
	if b.src == nil {
		return
	}
	b.closed.Store(true)
	if !b.mu.TryLock() {
		_ = b.rc.SetReadDeadline(time.Unix(1, 0))
		b.mu.Lock()
	}
	if !b.eof.Load() {
		// The server reads on for a while to use the connection again; a
		// visitor who drips must not hold it so.
		_ = b.rc.SetReadDeadline(time.Now().Add(unreadTime))
	}
	if b.held > 0 {
		b.call.server.load.Release(b.call.site.share, b.held)
		b.held = 0
	}
	b.mu.Unlock()
	b.call.x.Bytes = max(b.call.x.Bytes, b.read.Load())
}
