package proxy

import (
	"net/http"
	"strings"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/proxy/page"
	"github.com/qorgan/qorgan/proxy/wire"
)

// maxLoggedMethod clips a method in events and access lines, in bytes.
const maxLoggedMethod = 32

// refusal is what the proxy itself refuses for a site: it makes the event,
// hands it to the recorder, and returns the answer with the event's code.
func (c *call) refusal(method string, status int, reason string) *exchange.Refusal {
	return c.recorded(c.newEvent(method, status, reason))
}

func (c *call) newEvent(method string, status int, reason string) *event.Event {
	id, code := event.NewID()
	e := &event.Event{
		ID:     id,
		Code:   code,
		Time:   c.x.Start.UTC(),
		Site:   c.siteName(),
		Kind:   event.KindProtocol,
		Action: event.Blocked,
		Status: status,
		Reason: reason,
		Client: event.Client{Addr: c.x.Client, Peer: c.x.Peer.Addr()},
		Request: event.Request{
			Method: clip(method, maxLoggedMethod),
			Host:   clip(c.host, 255),
			Target: clip(withoutQuery(c.x.Target), maxLoggedTarget),
			Proto:  c.x.Proto,
			Bytes:  c.body.read.Load(),
		},
	}
	if c.site != nil {
		e.Mode, e.Level, e.Profile = string(c.site.conf.Mode), c.site.conf.Level, c.x.Profile
	}
	return e
}

func (c *call) recorded(e *event.Event) *exchange.Refusal {
	c.x.Event = e
	c.server.record(*e)
	return &exchange.Refusal{Status: e.Status, Code: e.Code, Close: true}
}

// malformed is refusal for what has no single reading. The event carries the
// head as far as it was legible.
func (c *call) malformed(why *wire.Refusal) *exchange.Refusal {
	e := c.newEvent(why.Head.Method, why.Status, why.Name)
	e.Request.Target = clip(c.x.Target, maxLoggedTarget)
	e.Request.Headers = c.x.Fields
	return c.recorded(e)
}

// writeRefusal is the exchange's Refuse.
func (s *Server) writeRefusal(w http.ResponseWriter, r *http.Request, f exchange.Refusal) {
	v := page.Refusal{Status: f.Status, Code: f.Code, Retry: f.Retry, Certificate: f.Certificate, Network: f.Network}
	if x := exchange.From(r.Context()); x != nil && x.Site != nil {
		v.Contact = x.Site.Contact
	}
	if f.Close {
		w.Header().Set("Connection", "close")
	}
	if c := callFrom(r.Context()); c != nil {
		c.tellHSTS(w.Header())
	}
	s.pages.Write(w, r, v)
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// withoutQuery keeps what an owner needs to recognise a target. The values of
// a query may be secrets, and none of the proxy's own reasons lies in one.
func withoutQuery(target string) string {
	path, _, had := strings.Cut(target, "?")
	if had {
		return path + "?…"
	}
	return path
}
