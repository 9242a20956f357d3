package rulesets

import (
	"errors"
	"io"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// Handler judges each request before next sees it. It needs the exchange that
// the proxy put into the request's context and answers 503 without one.
func (j *Judge) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchange.From(r.Context())
		if x == nil || x.Site == nil {
			j.opts.Log.Error().Msg("request without an exchange reached the rules; refused")
			http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
			return
		}
		if x.Site.Mode == config.Off {
			next.ServeHTTP(w, r)
			return
		}
		c := &call{j: j, b: j.current.Load(), x: x, w: w, r: r, next: next}
		c.serve()
	})
}

// call is one request in the handler.
type call struct {
	j    *Judge
	b    *Build
	x    *exchange.Exchange
	w    http.ResponseWriter
	r    *http.Request
	next http.Handler

	req    *reader.Request
	host   string
	native bool // the reader gave up: Coraza reads the request itself
	body   *spool
}

func (c *call) serve() {
	c.host = hostName(c.r.Host)
	if a := c.readHead(); a != nil {
		if !c.tolerates(a) {
			return
		}
		c.native = true
	}
	e, err := c.b.engine(inbound, profileOf(c.x))
	if err != nil {
		if c.fail(nil, asEngineError(err)) {
			c.forward()
		}
		return
	}
	if hasBody(c.r) {
		// A client that waits for 100 Continue is told of a refusal that its
		// head alone deserves before it sends anything.
		if expectsContinue(c.r) && !c.passes(e, true) {
			return
		}
		goesOn, done := c.readBody()
		defer done()
		if !goesOn {
			return
		}
	}
	if c.passes(e, false) {
		c.forward()
	}
}

// readHead reads what the head says.
func (c *call) readHead() *reader.Ambiguity {
	target, proto, fields := c.x.Target, c.x.Proto, c.x.Fields
	if target == "" {
		target = c.r.RequestURI
	}
	if proto == "" {
		proto = c.r.Proto
	}
	if len(fields) == 0 {
		fields = fieldsOf(c.r)
	}
	fields = asSent(fields, c.r)
	limits := c.x.Site.Limits
	req, err := reader.Head(c.r.Method, target, proto, fields, reader.Limits{Args: limits.Args, Inspect: c.inspectLimit()})
	c.req = req
	var a *reader.Ambiguity
	if err != nil && !errors.As(err, &a) {
		a = &reader.Ambiguity{Name: "unreadable", Detail: err.Error(), Status: http.StatusBadRequest}
	}
	return a
}

// tolerates refuses a request with more than one reading, or reports it where
// the site only detects or is lenient. It reports whether the request goes on,
// to be read by Coraza's own parsers.
func (c *call) tolerates(a *reader.Ambiguity) bool {
	ev := newEvent(c.x, c.req, c.host)
	ev.Kind, ev.Reason = event.KindProtocol, a.Name
	if c.x.Site.Mode != config.Detect && !c.x.Site.Compat {
		c.refuse(ev, a.Status, hasBody(c.r))
		return false
	}
	c.record(ev)
	return true
}

func (c *call) forward() {
	if c.x.Site.Responses {
		c.respond()
		return
	}
	c.next.ServeHTTP(c.w, c.r)
}

// passes judges the request and answers it when it is refused. With headOnly
// it judges what is known before the body and says nothing of a request that
// it would only report.
func (c *call) passes(e *engine, headOnly bool) bool {
	start := time.Now()
	f := c.b.facts(c.x, c.req, c.host)
	f.native = c.native
	v, fast, err := e.decide(c.r.Context(), "", c.req, &f, headOnly)
	c.x.Judge += time.Since(start)
	if err != nil {
		return c.fail(e, asEngineError(err))
	}
	if fast && len(v.Matches) == 0 {
		c.j.count.fast.Add(1)
	} else {
		c.j.count.judged.Add(1)
	}
	if fast && !headOnly {
		c.j.offer(e, c.req, &f, &v, c.x.Site.Name, profileOf(c.x))
	}
	c.x.Score = v.Score
	if v.Refused && !headOnly && c.vouched() {
		return c.passes(e, headOnly)
	}
	c.b.holes(c.x, v.Matches)
	switch {
	case v.Refused && c.x.Site.Mode == config.Block:
		ev := newEvent(c.x, c.req, c.host)
		withMatches(ev, v.Matches)
		c.keep(ev.Code)
		c.refuse(ev, v.Status, hasBody(c.r))
		return false
	case len(v.Matches) > 0 && c.x.Site.Mode == config.Detect && !headOnly:
		ev := newEvent(c.x, c.req, c.host)
		withMatches(ev, v.Matches)
		c.keep(ev.Code)
		c.record(ev)
	}
	return true
}

// retryAfter is what a visitor is told whom the edge cannot serve now.
const retryAfter = 5 * time.Second

// refuse records an event and answers the visitor.
func (c *call) refuse(ev *event.Event, status int, hangUp bool) {
	ev.Action, ev.Status = event.Blocked, status
	c.record(ev)
	refusal := exchange.Refusal{Status: status, Code: ev.Code, Close: hangUp}
	if status == http.StatusServiceUnavailable {
		refusal.Retry = retryAfter
	}
	c.answer(refusal)
}

func (c *call) answer(refusal exchange.Refusal) {
	if c.x.Refuse != nil {
		c.x.Refuse(c.w, c.r, refusal)
		return
	}
	if refusal.Close {
		c.w.Header().Set("Connection", "close")
	}
	http.Error(c.w, http.StatusText(refusal.Status), refusal.Status)
}

func (c *call) record(ev *event.Event) {
	if c.x.Event == nil {
		c.x.Event = ev
	}
	if c.j.observe != nil {
		c.j.observe(ev)
	}
	ev.Request = c.j.opts.Redact.Request(ev.Request)
	for i, m := range ev.Matches {
		ev.Matches[i] = c.j.opts.Redact.Match(m)
	}
	c.j.opts.Record(*ev)
}

// unreadable answers a request whose body could not be read to its end. A
// client that went away gets no event: there is nothing to know about it.
func (c *call) unreadable(err error) {
	ev := newEvent(c.x, c.req, c.host)
	ev.Kind = event.KindProtocol
	// An error of the proxy's reader says what it means for the visitor.
	var known interface {
		Protocol() (status int, name, detail string)
	}
	switch {
	case errors.Is(err, errSpool):
		c.j.opts.Log.Error().Err(err).Str("site", c.x.Site.Name).
			Str("hint", "make room in "+c.j.opts.Spool+", or bound uploads with limits.body").Msg("an upload was refused for want of disk space")
		ev.Kind, ev.Reason = event.KindEngine, "engine-spool"
		c.refuse(ev, http.StatusServiceUnavailable, true)
	case errors.As(err, &known):
		status, name, _ := known.Protocol()
		switch status {
		case http.StatusRequestTimeout:
			c.answer(exchange.Refusal{Status: status, Close: true})
			return
		case http.StatusServiceUnavailable: // no room: nothing to hold against the visitor
			c.answer(exchange.Refusal{Status: status, Close: true, Retry: retryAfter})
			return
		}
		ev.Reason = name
		c.refuse(ev, status, true)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), c.r.Context().Err() != nil, isTimeout(err):
		c.answer(exchange.Refusal{Status: http.StatusBadRequest, Close: true})
	default:
		ev.Reason = "body-framing"
		c.refuse(ev, http.StatusBadRequest, true)
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// fail answers a request on which the engine failed. It reports whether the
// request goes on uninspected: only where the site's fail mode says so, and
// only for what cannot carry an attack to code.
func (c *call) fail(e *engine, ee *engineError) bool {
	quarantined := e != nil && e.failed(ee, time.Now())
	log := c.j.opts.Log.Error().Err(ee).Int("rule", ee.rule).Str("site", c.x.Site.Name).Bool("quarantined", quarantined)
	if len(ee.stack) > 0 {
		log = log.Bytes("stack", ee.stack)
	}
	log.Msg("engine failure")
	ev := newEvent(c.x, c.req, c.host)
	ev.Kind, ev.Reason = event.KindEngine, ee.reason()
	if ee.rule != 0 {
		withMatches(ev, []event.Match{{Rule: ee.rule, Message: "the engine failed in this rule"}})
	}
	if c.x.Site.FailMode == config.FailStatic && staticFile(c.r) {
		c.record(ev)
		return true
	}
	c.refuse(ev, http.StatusServiceUnavailable, hasBody(c.r))
	return false
}

// staticFile reports whether a request can only be for a file that the
// upstream's web server hands out itself.
func staticFile(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || hasBody(r) ||
		strings.ContainsAny(r.RequestURI, "?%;\\") || strings.Contains(strings.ToLower(r.RequestURI), ".php") {
		return false
	}
	switch strings.ToLower(path.Ext(r.URL.Path)) {
	case ".css", ".js", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".svg", ".ico", ".woff", ".woff2", ".ttf", ".mp4", ".webm", ".pdf":
		return true
	}
	return false
}

func hasBody(r *http.Request) bool {
	return r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody
}

func expectsContinue(r *http.Request) bool {
	return strings.EqualFold(strings.TrimSpace(r.Header.Get("Expect")), "100-continue")
}

// hostName is a Host header without its port, and an IPv6 literal without its
// brackets.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.Trim(host, "[]")
}
