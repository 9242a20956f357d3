package rulesets

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets/fastpath"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// maxResponse is how much of a response's body the rules see. What follows is
// streamed: leaks stand where the page begins, and a page must not be held back
// without end.
const maxResponse = 512 << 10

// inspectedTypes are the media types whose bodies the response rules read.
var inspectedTypes = map[string]bool{
	"text/html": true, "text/plain": true, "text/xml": true,
	"application/xhtml+xml": true, "application/json": true,
}

// respond calls next behind the response rules.
func (c *call) respond() {
	w := &inspector{ResponseWriter: c.w, c: c}
	inner := c.w
	c.w = w
	c.next.ServeHTTP(w, c.r)
	c.w = inner
	w.finish()
}

// inspector holds a response that the rules will read, and is transparent for
// every other.
type inspector struct {
	http.ResponseWriter
	c *call

	e       *engine
	f       Facts
	t       *transaction // nil while the fast path has no doubt
	begun   bool         // the final status is known
	holding bool
	refused bool
	status  int
	buf     *bytes.Buffer
}

// Unwrap lets http.ResponseController reach deadlines and full duplex.
func (w *inspector) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *inspector) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	if w.begun {
		return
	}
	w.begun, w.status = true, status
	if !w.headers() {
		return
	}
	if w.holding = w.inspectable(); w.holding {
		w.buf = w.c.j.pool.get()
		return
	}
	w.close()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *inspector) Write(p []byte) (int, error) {
	if !w.begun {
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", http.DetectContentType(p))
		}
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.refused:
		return len(p), nil // the upstream's page is dropped
	case !w.holding:
		return w.ResponseWriter.Write(p)
	}
	w.buf.Write(p)
	if w.buf.Len() >= maxResponse {
		if err := w.release(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// FlushError implements what http.ResponseController looks for. A held
// response is not flushed before it was judged.
func (w *inspector) FlushError() error {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if w.holding || w.refused {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (w *inspector) Flush() { _ = w.FlushError() }

// Hijack implements http.Hijacker: a connection that changes its protocol is
// inspected no further.
func (w *inspector) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.close()
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// headers judges what is known before the body and reports whether the response
// goes on.
func (w *inspector) headers() bool {
	start := time.Now()
	defer func() { w.c.x.Judge += time.Since(start) }()
	var err error
	w.e, err = w.c.b.engine(outbound, profileOf(w.c.x))
	if err != nil {
		return w.fail(nil, err)
	}
	w.f = w.c.b.facts(w.c.x, w.c.req, w.c.host)
	w.f.native = w.c.native
	if w.innocent(nil, !w.inspectable()) {
		return true
	}
	if err := w.open(); err != nil {
		return w.fail(w.e, err)
	}
	return w.verdict(false)
}

// innocent reports whether the fast path has no doubt about the response, its
// body as far as it is known. last tells that nothing more of it is looked at.
func (w *inspector) innocent(page []byte, last bool) bool {
	res := w.response()
	res.Body = page
	if !w.e.innocent(&res, &w.f) {
		return false
	}
	if last {
		w.c.j.countResponses.fast.Add(1)
		w.c.j.offerResponse(w.e, &res, &w.f, w.buf != nil, w.c.x.Site.Name, profileOf(w.c.x))
	}
	return true
}

// response is the answer as the rules see it, without its body.
func (w *inspector) response() fastpath.Response {
	res := fastpath.Response{Input: fastpath.Input{Request: w.c.req}, Status: w.status, Proto: w.c.r.Proto}
	for name, values := range w.Header() {
		for _, v := range values {
			res.Fields = append(res.Fields, event.Field{Name: name, Value: v})
		}
	}
	return res
}

// open begins a transaction and runs it through phase 3.
func (w *inspector) open() (err error) {
	w.c.j.countResponses.judged.Add(1)
	res := w.response()
	w.t, err = w.e.beginResponse(w.c.r.Context(), w.c.req, &w.f, &res)
	return err
}

// beginResponse opens a transaction about a response and runs it through phase
// 3. The transaction is to be closed after an error too, when there is one.
func (e *engine) beginResponse(ctx context.Context, r *reader.Request, f *Facts, res *fastpath.Response) (*transaction, error) {
	facts := *f
	facts.native = false // of the request, what the reader found is enough here
	t, err := e.begin(ctx, "", &facts, r)
	if err != nil {
		return t, err
	}
	if err := t.headers(); err != nil {
		return t, err
	}
	return t, t.guard(func() {
		for _, h := range res.Fields {
			t.tx.AddResponseHeader(h.Name, h.Value)
		}
		t.tx.ProcessResponseHeaders(res.Status, res.Proto)
	})
}

// page runs phase 4.
func (t *transaction) page(b []byte) error {
	var failed error
	err := t.guard(func() {
		if _, _, failed = t.tx.WriteResponseBody(b); failed == nil {
			_, failed = t.tx.ProcessResponseBody()
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// judgeResponse judges a response with all rules, its body when page is set.
func (e *engine) judgeResponse(ctx context.Context, r *reader.Request, f *Facts, res *fastpath.Response, page bool) (Verdict, error) {
	t, err := e.beginResponse(ctx, r, f, res)
	if t != nil {
		defer t.close()
	}
	if err == nil && page {
		err = t.page(res.Body)
	}
	if err != nil {
		return Verdict{}, err
	}
	matches, _ := t.matches()
	return Verdict{Score: t.outboundScore(), Matches: matches}, nil
}

// inspectable reports whether rules read this response's body.
func (w *inspector) inspectable() bool {
	switch {
	case w.c.r.Method == http.MethodHead,
		w.status == http.StatusSwitchingProtocols, w.status == http.StatusNoContent, w.status == http.StatusNotModified:
		return false
	}
	h := w.Header()
	if enc := h.Get("Content-Encoding"); enc != "" && enc != "identity" && decoder(enc) == nil {
		return false
	}
	t, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return inspectedTypes[strings.ToLower(strings.TrimSpace(t))]
}

// release judges what is held and lets it go.
func (w *inspector) release() error {
	w.holding = false
	defer func() {
		w.c.j.pool.put(w.buf)
		w.buf = nil
	}()
	if !w.body() {
		return nil
	}
	w.ResponseWriter.WriteHeader(w.status)
	_, err := w.ResponseWriter.Write(w.buf.Bytes())
	return err
}

// body runs phase 4 and reports whether the response goes on.
func (w *inspector) body() bool {
	start := time.Now()
	defer func() { w.c.x.Judge += time.Since(start) }()
	page := w.buf.Bytes()
	if enc := w.Header().Get("Content-Encoding"); enc != "" && enc != "identity" {
		page = inflate(enc, page)
	}
	if w.t == nil {
		if w.innocent(page, true) {
			return true
		}
		if err := w.open(); err != nil {
			return w.fail(w.e, err)
		}
	}
	err := w.t.page(page)
	if err != nil {
		return w.fail(w.t.e, err)
	}
	defer w.close()
	return w.verdict(true)
}

// verdict reports or refuses by what matched so far. The report is made once,
// at the end; a refusal at once.
func (w *inspector) verdict(last bool) bool {
	site := w.c.x.Site
	threshold := site.Threshold.Outbound
	if threshold <= 0 {
		threshold = defaultOutbound
	}
	matches, denied := w.t.matches()
	score := w.t.outboundScore()
	status := http.StatusForbidden
	if denied != nil {
		status = denied.deny
	}
	refused := last && score >= threshold || denied != nil
	last = last || !w.inspectable()
	switch {
	case refused && site.Mode == config.Block:
		ev := w.event(matches, score, threshold)
		ev.Action, ev.Status = event.Blocked, status
		w.c.record(ev)
		w.replace(exchange.Refusal{Status: status, Code: ev.Code})
		return false
	case last && len(matches) > 0 && site.Mode == config.Detect:
		w.c.record(w.event(matches, score, threshold))
	}
	return true
}

func (w *inspector) event(matches []event.Match, score, threshold int) *event.Event {
	ev := newEvent(w.c.x, w.c.req, w.c.host)
	ev.Score, ev.Threshold = score, threshold
	withMatches(ev, matches)
	return ev
}

// fail gives the visitor a 503 in place of a response that the engine failed
// on.
func (w *inspector) fail(e *engine, err error) bool {
	inner := w.c.w
	w.c.w = w.ResponseWriter
	defer func() { w.c.w = inner }()
	w.clear()
	w.refused = !w.c.fail(e, asEngineError(err))
	return !w.refused
}

// replace answers with a refusal in place of the upstream's response.
func (w *inspector) replace(refusal exchange.Refusal) {
	w.refused = true
	w.clear()
	inner := w.c.w
	w.c.w = w.ResponseWriter
	w.c.answer(refusal)
	w.c.w = inner
}

// clear removes the upstream's headers: they describe, or belong to, a
// response that is not sent.
func (w *inspector) clear() {
	for name := range w.Header() {
		delete(w.Header(), name)
	}
}

// finish lets go of a response that ended before it filled the buffer.
func (w *inspector) finish() {
	if w.holding {
		_ = w.release()
	}
	w.close()
}

func (w *inspector) close() {
	if w.t != nil {
		w.t.close()
		w.t = nil
	}
}
