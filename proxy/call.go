package proxy

import (
	"cmp"
	"context"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/proxy/wire"
)

// call is one request under way, as the proxy sees it. It, the exchange, the
// response writer and the body's reader are one allocation.
type call struct {
	callContext
	x      exchange.Exchange
	server *Server
	site   *site // nil when no site answers to the host
	conn   *conn
	head   wire.Head
	w      writer
	body   body

	host         string // as it came
	scheme, port string // as the visitor sees them
	ours         [4]string
	path, query  string // of the request line the upstream gets
	bareQuestion bool   // the target ends with a "?" and nothing after it
	aborted      bool   // the answer was cut
	http3        bool   // may be told of to who came over TLS
	upstreamKind string // how the upstream failed

	entered bool  // counts as a request of its site
	heads   int64 // bytes counted against its client
}

// callContext carries the call beside the exchange, without an allocation.
type callContext struct {
	context.Context
	call *call
}

type callKey struct{}

// Value implements context.Context.
func (c *callContext) Value(key any) any {
	if key == (callKey{}) {
		return c.call
	}
	return c.Context.Value(key)
}

func callFrom(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// serve is where every request enters: find the site, admit, judge, forward.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	t := s.acquire()
	if t == nil {
		panic(http.ErrAbortHandler)
	}
	defer t.release()
	c := &call{server: s}
	ctx := r.Context()
	if c.conn, _ = ctx.Value(connKey{}).(*conn); c.conn == nil {
		c.conn = &conn{}
	}
	if c.conn.wire != nil {
		left, cancel := context.WithCancel(ctx)
		defer cancel()
		c.conn.wire.OnLeave(cancel)
		defer c.conn.wire.Answered()
		ctx = left
	}
	c.callContext = callContext{Context: ctx, call: c}
	s.fresh.remove(c.conn.key)
	c.conn.held.Begin()
	c.w.inner, c.w.conn = w, c.conn
	refused := c.readHead(r)
	if refused != nil {
		r = legible(r, &refused.Head)
	}
	r = c.begin(t, r)
	if c.conn.wire != nil {
		c.conn.until = time.Time{} // the server takes a deadline off at a request's end
		c.conn.patient(c.x.Start)  // also for what the server writes of itself
	}
	s.metrics.begin()
	defer c.end(r)
	if c.overHeads() {
		s.full(fullClient)
		panic(http.ErrAbortHandler) // an answer would hold what there is too much of
	}
	if refused != nil {
		s.refuse(&c.w, r, *c.malformed(refused))
		return
	}
	if refusal := c.admit(t, r); refusal != nil {
		s.refuse(&c.w, r, *refusal)
		return
	}
	if why := c.enter(r); why != "" {
		c.overloaded(&c.w, r, why)
		return
	}
	s.chain.ServeHTTP(&c.w, r)
}

// readHead takes the request's head as it came, or says why it was refused. r
// is then not the visitor's request.
func (c *call) readHead(r *http.Request) *wire.Refusal {
	if c.conn.wire == nil {
		c.head = wire.Head{Target: r.RequestURI, Proto: r.Proto, Host: r.Host, Fields: fieldsOf(r), Odd: true, Upgrade: true}
		return nil
	}
	var refused *wire.Refusal
	if c.head, refused = c.conn.wire.Next(); refused != nil {
		c.head = refused.Head
	}
	return refused
}

// legible returns the request that a refused head shows, for the page that
// answers it and for the logs. It goes no further.
func legible(r *http.Request, h *wire.Head) *http.Request {
	seen := *r
	if h.Method != "" {
		seen.Method = clip(h.Method, maxLoggedMethod)
	}
	seen.Header = make(http.Header, len(h.Fields))
	for _, f := range h.Fields {
		seen.Header.Add(f.Name, f.Value)
	}
	return &seen
}

// begin fills the exchange from what is known without judging anything.
func (c *call) begin(t *table, r *http.Request) *http.Request {
	if r.TLS == nil {
		r.TLS = c.conn.tls
	}
	c.host = c.head.Host
	c.site = t.hosts.find(routingHost(c.host))
	c.x = exchange.Exchange{
		Start:  time.Now(),
		Peer:   c.conn.peer,
		Local:  c.conn.local,
		Target: c.head.Target,
		Proto:  c.head.Proto,
		Fields: c.head.Fields,
		TLS:    r.TLS != nil,
		Refuse: c.server.refuse,
	}
	trusted := t.conf.Trusted.Proxies
	if c.site != nil {
		trusted = c.site.trusted
		c.x.Site, c.x.Profile = c.site.conf, c.site.conf.Profile
	}
	c.x.Client = clientAddr(c.x.Peer.Addr(), r.Header, trusted)
	c.http3 = t.conf.HTTP3
	c.seenScheme(r, len(trusted) > 0 && within(c.x.Peer.Addr(), trusted))
	c.x.HTTPS = c.scheme == "https"
	r = r.WithContext(exchange.With(&c.callContext, &c.x))
	r.Host = canonicalHost(c.host)
	if r.Body != nil && r.Body != http.NoBody {
		c.body.begin(c, r)
		r.Body = &c.body
	}
	return r
}

// end accounts for the request. A panic of a room costs its request, not the
// process.
func (c *call) end(r *http.Request) {
	p := recover()
	if p != nil {
		c.aborted = true
		if p != http.ErrAbortHandler {
			c.server.log.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Str("site", c.siteName()).
				Str("hint", "a defect in Qorgan: please report it with this line").Msg("request failed")
			if c.w.status == 0 {
				c.aborted, p = false, nil
				c.server.refuse(&c.w, r, exchange.Refusal{Status: http.StatusServiceUnavailable, Close: true})
			}
		}
	}
	c.body.end()
	c.leave(r)
	c.account(r)
	if p != nil {
		panic(http.ErrAbortHandler)
	}
}

func (c *call) siteName() string {
	if c.site == nil {
		return ""
	}
	return c.site.conf.Name
}

// fieldsOf returns the header lines as decoded, names sorted, the lines of one
// name in order, for HTTP/2.
func fieldsOf(r *http.Request) []event.Field {
	n := 1
	for _, lines := range r.Header {
		n += len(lines)
	}
	fields := make([]event.Field, 0, n)
	fields = append(fields, event.Field{Name: "Host", Value: r.Host})
	for name, lines := range r.Header {
		for _, v := range lines {
			fields = append(fields, event.Field{Name: name, Value: v})
		}
	}
	slices.SortStableFunc(fields[1:], func(a, b event.Field) int { return cmp.Compare(a.Name, b.Name) })
	return fields
}
