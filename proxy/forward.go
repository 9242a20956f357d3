package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/proxy/upstream"
	"github.com/qorgan/qorgan/proxy/wire"
)

// writePatience is how long one write towards a visitor may take.
const writePatience = 60 * time.Second

// headPatience is how long a response of unknown length may keep its head back
// while its first byte is awaited.
const headPatience = 10 * time.Millisecond

// forward is the innermost handler: it sends the request to the upstream and
// streams the answer back.
func (s *Server) forward(w http.ResponseWriter, r *http.Request) {
	c := callFrom(r.Context())
	if c.barred(r) {
		s.refuse(w, r, *c.bar(r.Method))
		return
	}
	upgrade := ""
	if c.head.Upgrade {
		upgrade = upgradeTo(r.Header)
	}
	out, ok := c.outbound(r, upgrade)
	if !ok {
		s.refuse(w, r, *c.refusal(r.Method, http.StatusBadRequest, "target-form"))
		return
	}
	if out.Body != nil && r.ProtoMajor == 1 {
		// Or the server reads on before it writes, and an answer that comes
		// while the visitor still sends waits for him.
		_ = http.NewResponseController(c.w.inner).EnableFullDuplex()
		c.w.sending = &c.body
	}
	early := &informer{w: w}
	sent := time.Now()
	resp, peer, err := c.site.pool.RoundTrip(&upstream.Call{
		Request: out, Held: c.body.eof.Load(), Early: early.got, Blame: c.blame,
	})
	c.x.Upstream = time.Since(sent)
	early.end()
	if err != nil {
		c.unanswered(w, r, err)
		return
	}
	defer peer.Done()
	defer resp.Body.Close()
	if refused := c.body.refused(); refused != nil {
		s.refuse(w, r, *c.malformed(refused)) // whatever an upstream says that did not wait for the end
		return
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		c.tunnel(w, r, resp, upgrade)
		return
	}
	c.answer(w, resp)
}

// outbound makes the request for the upstream. Its request line carries the
// path and query as they came: url.URL would encode a few of them anew.
func (c *call) outbound(r *http.Request, upgrade string) (*http.Request, bool) {
	u := &url.URL{Opaque: c.path, RawQuery: c.query, ForceQuery: c.bareQuestion}
	if strings.HasPrefix(c.path, "//") {
		// An opaque part that begins so would be written with a scheme.
		u.Opaque, u.Path, u.RawPath = "", r.URL.Path, c.path
		if u.EscapedPath() != c.path {
			return nil, false
		}
	}
	out := &http.Request{
		Method:        r.Method,
		URL:           u,
		Host:          r.Host,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        c.outgoing(r, upgrade),
		ContentLength: r.ContentLength,
	}
	if r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0 {
		out.Body = io.NopCloser(r.Body)
		out.Trailer = c.body.announce(r)
		if s := c.site.clients; s != nil {
			delete(out.Trailer, s.header)
		}
		if c.body.touched.Load() {
			delete(out.Header, "Expect") // already promised
		}
	} else {
		delete(out.Header, "Expect")
	}
	return out.WithContext(r.Context()), true
}

// blame reports whether a failed round trip is the upstream's fault.
func (c *call) blame(error) bool {
	return c.body.problem() == nil && c.callContext.Context.Err() == nil
}

// unanswered tells visitor and operator that there is no response, each as
// much as is his.
func (c *call) unanswered(w http.ResponseWriter, r *http.Request, err error) {
	var refused *wire.Refusal
	switch problem := c.body.problem(); {
	case errors.As(problem, &refused):
		c.server.refuse(w, r, *c.malformed(refused))
		return
	case errors.Is(problem, errBodyTooLarge):
		c.server.refuse(w, r, *c.refusal(r.Method, http.StatusRequestEntityTooLarge, "body-length"))
		return
	case errors.Is(problem, errOverloaded):
		c.server.refuse(w, r, exchange.Refusal{Status: http.StatusServiceUnavailable, Close: true, Retry: retryAfter})
		return
	case errors.Is(problem, errBodyTooSlow):
		c.server.refuse(w, r, exchange.Refusal{Status: http.StatusRequestTimeout, Close: true})
		return
	case problem != nil && c.callContext.Context.Err() == nil:
		// Shorter than announced, or chunks that are none.
		c.server.refuse(w, r, exchange.Refusal{Status: http.StatusBadRequest, Close: true})
		return
	case errors.Is(err, context.Canceled) || problem != nil:
		c.aborted = true
		panic(http.ErrAbortHandler)
	}
	status := http.StatusBadGateway
	event := c.server.log.Error().Err(err).Str("site", c.siteName()).Str("method", r.Method)
	var failure *upstream.Error
	if errors.As(err, &failure) {
		status = failure.Status
		c.upstreamKind = failure.Kind
		event = event.Str("hint", failure.Hint)
	}
	event.Msg("no answer from the upstream")
	c.server.refuse(w, r, exchange.Refusal{Status: status})
}

// answer streams a response to the visitor. An upstream that dies on the way
// ends the visitor's connection too: a cut answer must not look whole.
func (c *call) answer(w http.ResponseWriter, resp *http.Response) {
	h := w.Header()
	fromUpstream(h, resp.Header)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // or the server guesses one
	}
	c.tellHSTS(h)
	if c.http3 && c.x.TLS && c.x.Proto != "HTTP/3.0" {
		h["Alt-Svc"] = []string{altSvc(c.host)}
	}
	announced := announceTrailers(h, resp.Trailer)
	w.WriteHeader(resp.StatusCode)

	if resp.Body != http.NoBody {
		if err := c.copy(w, resp); err != nil {
			var gone *visitorError
			if !errors.As(err, &gone) && c.callContext.Context.Err() == nil {
				c.upstreamKind = "cut"
				c.server.log.Error().Err(err).Str("site", c.siteName()).Int64("bytes", c.w.bytes).
					Str("hint", "the upstream broke off its response: see its error log").Msg("response cut")
			}
			c.aborted = true
			// What came stands in the buffer; the visitor sees that it was cut.
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}
	if c.body.refused() != nil {
		c.aborted = true // what was answered was answered to half a request
		panic(http.ErrAbortHandler)
	}
	if len(resp.Trailer) > 0 {
		c.writeTrailers(w, resp.Trailer, announced)
	}
}

// tellHSTS has browsers come over TLS only, as the site says, or else as its
// upstream does (RFC 6797): in one line, and never to who came without.
func (c *call) tellHSTS(h http.Header) {
	const name = "Strict-Transport-Security"
	switch lines := h[name]; {
	case !c.x.HTTPS:
		delete(h, name)
	case c.site != nil && c.site.hsts != nil:
		h[name] = c.site.hsts
	case len(lines) > 1:
		h[name] = lines[:1] // the one browsers take
	}
}

func announceTrailers(h, trailer http.Header) int {
	if len(trailer) == 0 {
		return 0
	}
	names := make([]string, 0, len(trailer))
	for name := range trailer {
		names = append(names, name)
	}
	h["Trailer"] = []string{strings.Join(names, ", ")}
	return len(names)
}

func (c *call) writeTrailers(w http.ResponseWriter, trailer http.Header, announced int) {
	// Chunked it must be, even when the body was short enough to be counted.
	_ = http.NewResponseController(w).Flush()
	for name, lines := range trailer {
		if len(trailer) != announced {
			name = http.TrailerPrefix + name
		}
		w.Header()[name] = lines
	}
}

// visitorError marks an error of the visitor's connection.
type visitorError struct{ error }

func (e *visitorError) Unwrap() error { return e.error }

// copy streams the body. What has no announced length is flushed with every
// read, so that an event, a progress line or a comet poll arrives when it is
// sent.
func (c *call) copy(w http.ResponseWriter, resp *http.Response) error {
	next, done := pieces(resp.Body)
	defer done()
	rc := http.NewResponseController(w)
	streaming := resp.ContentLength < 0
	var flush *headFlush
	if streaming {
		if isEventStream(resp.Header) {
			_ = rc.Flush()
		} else {
			flush = newHeadFlush(rc)
			defer flush.cancel()
		}
	}
	for {
		piece, readErr := next()
		flush.cancel()
		if len(piece) > 0 {
			if err := c.send(w, rc, piece, streaming && readErr == nil); err != nil {
				return &visitorError{err}
			}
		}
		if readErr == io.EOF {
			return nil
		}
		if readErr != nil {
			return readErr
		}
	}
}

// send writes a piece of the body, over HTTP/1 as one write of the connection.
func (c *call) send(w http.ResponseWriter, rc *http.ResponseController, piece []byte, flush bool) (err error) {
	c.w.gather(flush)
	defer func() {
		if failed := c.w.send(); err == nil {
			err = failed
		}
	}()
	if _, err := w.Write(piece); err != nil {
		return err
	}
	if flush {
		return rc.Flush()
	}
	return nil
}

// pieces returns a function that reads a body piece by piece, each good until
// the next. Bodies that can hand out what they received are not copied.
func pieces(body io.Reader) (next func() ([]byte, error), done func()) {
	if b, ok := body.(interface{ Next() ([]byte, error) }); ok {
		return b.Next, func() {}
	}
	buf := copyBuffers.Get().(*[]byte)
	next = func() ([]byte, error) {
		n, err := body.Read(*buf)
		return (*buf)[:n], err
	}
	return next, func() { copyBuffers.Put(buf) }
}

func isEventStream(h http.Header) bool {
	v := h["Content-Type"]
	return len(v) > 0 && strings.HasPrefix(strings.ToLower(v[0]), "text/event-stream")
}

// headFlush sends the head of a response on its way when its first byte is
// late.
type headFlush struct {
	mu    sync.Mutex
	over  bool
	timer *time.Timer
}

func newHeadFlush(rc *http.ResponseController) *headFlush {
	f := &headFlush{}
	f.timer = time.AfterFunc(headPatience, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if !f.over {
			_ = rc.Flush()
		}
	})
	return f
}

func (f *headFlush) cancel() {
	if f == nil || f.over { // over is written by the caller's goroutine alone
		return
	}
	f.timer.Stop()
	f.mu.Lock()
	f.over = true
	f.mu.Unlock()
}

// informer passes informational responses on, which the transport reports from
// a goroutine of its own. 100 is the server's business: it says so when the
// body is first read.
type informer struct {
	mu   sync.Mutex
	w    http.ResponseWriter
	over bool
}

func (i *informer) got(status int, header textproto.MIMEHeader) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over || status == http.StatusContinue {
		return nil
	}
	h := i.w.Header()
	fromUpstream(h, http.Header(header))
	i.w.WriteHeader(status)
	clear(h)
	return nil
}

func (i *informer) end() {
	i.mu.Lock()
	i.over = true
	i.mu.Unlock()
}
