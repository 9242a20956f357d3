package refuse

import (
	"net/http"
	"strings"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
)

// maxTarget bounds a path in an event, in bytes.
const maxTarget = 512

// Event makes the event of x's request, as one that was only detected. The
// target comes without its query, whose values may be secrets.
func Event(x *exchange.Exchange, r *http.Request, kind event.Kind, reason string) event.Event {
	id, code := event.NewID()
	target, _, query := strings.Cut(x.Target, "?")
	target = target[:min(len(target), maxTarget)]
	if query {
		target += "?…"
	}
	return event.Event{
		ID: id, Code: code, Time: x.Start.UTC(), Site: x.Site.Name, Kind: kind, Action: event.Detected,
		Mode: string(x.Site.Mode), Reason: reason,
		Client: event.Client{Addr: x.Client, Peer: x.Peer.Addr()},
		Level:  x.Site.Level, Profile: x.Profile, Author: x.Rank.String(),
		Request: event.Request{Method: r.Method, Host: r.Host, Target: target, Proto: x.Proto},
	}
}

// Judge records the verdict that a request must not pass, and reports whether
// it was refused; in detect mode it is to go on.
func Judge(w http.ResponseWriter, r *http.Request, x *exchange.Exchange, record func(event.Event), kind event.Kind, reason string, status int, retry time.Duration) bool {
	e := Event(x, r, kind, reason)
	blocks := x.Site.Mode != config.Detect
	if blocks {
		e.Action, e.Status = event.Blocked, status
	}
	x.Event = &e
	record(e)
	if blocks {
		x.Refuse(w, r, exchange.Refusal{Status: status, Code: e.Code, Retry: retry})
	}
	return blocks
}
