package rulesets

import (
	"bytes"
	"strings"

	"github.com/qorgan/qorgan/event"
)

// MaxKept is the longest body of a request that Options.Keep is given, in
// bytes.
const MaxKept = 256 << 10

// keep hands the request's bytes to whoever may be asked about it later. The
// strings are copies: a kept request must not hold on to buffers that are
// larger than it.
func (c *call) keep(code string) {
	if c.j.opts.Keep == nil {
		return
	}
	p := Probe{
		Method: strings.Clone(c.req.Method), Target: strings.Clone(c.req.Target), Proto: strings.Clone(c.req.Proto),
		Fields: make([]event.Field, len(c.req.Fields)), Client: c.x.Client, Rank: c.x.Rank, Profile: profileOf(c.x),
	}
	for i, f := range c.req.Fields {
		p.Fields[i] = event.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)}
	}
	if c.body != nil {
		if c.body.size > MaxKept {
			return
		}
		p.Body = bytes.Clone(c.body.buf.Bytes()) // MaxKept is less than a spool holds in memory
	}
	c.j.opts.Keep(code, p)
}
