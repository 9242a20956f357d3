package proxy

import (
	"hash/maphash"
	"log"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/event"
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
		target = c.server.masked.target(mask, target)
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

// maskedTargets remembers targets that were searched for secrets, which costs
// more than all else of an access line: most targets with a query are those of
// styles and scripts, asked for again and again. What a visitor sends can evict
// and no more: whoever shares a slot is known by his whole target. It is safe
// for concurrent use.
type maskedTargets struct {
	seed  maphash.Seed
	slots [256]atomic.Pointer[maskedTarget]
}

type maskedTarget struct{ raw, masked string }

func newMaskedTargets() *maskedTargets { return &maskedTargets{seed: maphash.MakeSeed()} }

func (m *maskedTargets) target(mask *event.Redactor, raw string) string {
	if len(raw) > maxLoggedTarget {
		return mask.Target(raw)
	}
	slot := &m.slots[maphash.String(m.seed, raw)%uint64(len(m.slots))]
	if t := slot.Load(); t != nil && t.raw == raw {
		return t.masked
	}
	raw = strings.Clone(raw) // of a whole head
	t := &maskedTarget{raw: raw, masked: mask.Target(raw)}
	slot.Store(t)
	return t.masked
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
