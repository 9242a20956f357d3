package proxy

import (
	"log"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// maxLoggedTarget clips the request target of an access line, in bytes.
const maxLoggedTarget = 512

// account closes the books on a request: metrics, and its line in the access
// log. zerolog escapes control characters, so that a target cannot forge a
// line or drive a terminal.
func (c *call) account(r *http.Request) {
	total := time.Since(c.x.Start)
	c.server.metrics.end(c, total)
	if !c.server.table.Load().conf.Log.Access {
		return
	}
	target := c.x.Target
	if mask := c.server.opts.Redact; mask != nil && strings.IndexByte(target, '?') >= 0 {
		target = mask.Target(target)
	}
	if len(target) > maxLoggedTarget {
		target = target[:maxLoggedTarget]
	}
	e := c.server.log.Info().Str("site", c.siteName())
	if c.site == nil {
		e = e.Str("host", c.host)
	}
	e = addr(e, "client", c.x.Client)
	if c.x.Peer.Addr() != c.x.Client {
		e = addr(e, "peer", c.x.Peer.Addr())
	}
	e = e.Str("method", r.Method).Str("target", target).Str("proto", c.x.Proto).
		Int("status", c.w.status).Int64("in", c.x.Bytes).Int64("out", c.w.bytes).
		Int64("total_us", total.Microseconds()).Int64("judge_us", c.x.Judge.Microseconds()).
		Int64("upstream_us", c.x.Upstream.Microseconds())
	if c.x.Event != nil {
		e = e.Str("code", c.x.Event.Code)
	}
	if c.aborted {
		e = e.Bool("aborted", true)
	}
	e.Msg("request")
}

func addr(e *zerolog.Event, key string, a netip.Addr) *zerolog.Event {
	if !a.IsValid() {
		return e.Str(key, "unknown")
	}
	return e.Str(key, a.String())
}

// serverLog takes what net/http would print: faults of clients, mostly.
func serverLog(l zerolog.Logger) *log.Logger { return log.New(lineLog{l}, "", 0) }

type lineLog struct{ zerolog.Logger }

// Write implements io.Writer.
func (l lineLog) Write(p []byte) (int, error) {
	l.Debug().Msg(strings.TrimSpace(string(p)))
	return len(p), nil
}
