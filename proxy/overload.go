package proxy

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/proxy/capacity"
	"github.com/qorgan/qorgan/proxy/streams"
)

// What is full when a request or connection is refused.
const (
	fullMemory      = "memory"
	fullBodies      = "bodies"
	fullRequests    = "requests"
	fullSite        = "site"        // its share of the requests
	fullConnections = "connections" // or those of one client
	fullClient      = "client"      // what one client's heads may take
	fullResets      = "resets"      // one client takes back what it asks for
)

var overloadReasons = [...]string{fullMemory, fullBodies, fullRequests, fullSite, fullConnections, fullClient, fullResets}

// retryAfter is what a visitor is told who came when there was no room.
const retryAfter = 5 * time.Second

// noteEvery is how often the log says that requests are refused.
const noteEvery = 10 * time.Second

// sheds keeps the log from filling with refusals.
type sheds struct{ noted, count atomic.Int64 }

func capacityLimits(c *config.Config) capacity.Limits {
	return capacity.Limits{
		Memory: c.Capacity.Memory, Requests: c.Capacity.Requests, Bodies: c.Capacity.Bodies,
		Connections: c.Capacity.Connections, PerClient: c.Capacity.ClientConnections,
	}.WithDefaults(openFiles())
}

// openFiles is how many descriptors the process may have, 0 when unknown.
func openFiles() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || l.Cur > 1<<30 {
		return 0
	}
	return int(l.Cur)
}

func siteNames(c *config.Config) []string {
	names := make([]string, len(c.Sites))
	for i, s := range c.Sites {
		names[i] = s.Name
	}
	return names
}

// watch keeps an eye on memory until ctx is done.
func (s *Server) watch(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(s.ended, cancel)
	defer stop()
	s.load.Watch(ctx, func(l capacity.Level, used float64) {
		e := s.log.Warn()
		if l == capacity.Easy {
			e = s.log.Info()
		}
		e.Float64("used", used).Int64("limit", s.load.Limits().Memory).Str("gives_up", [...]string{
			"nothing", "connections kept open", "requests with a body", "requests"}[l]).Msg("memory")
	})
}

// full counts a refusal and says so in the log, not more often than every ten
// seconds.
func (s *Server) full(why string) {
	s.metrics.refused.WithLabelValues(why).Inc()
	n := s.sheds.count.Add(1)
	now := time.Now().UnixNano()
	if at := s.sheds.noted.Load(); now-at > int64(noteEvery) && s.sheds.noted.CompareAndSwap(at, now) {
		s.sheds.count.Add(-n)
		s.log.Warn().Str("full", why).Int64("refused", n).Int64("requests", s.load.Requests()).Int64("connections", s.load.Connections()).
			Str("hint", "an attack, a slow upstream, or too small a machine: see capacity in the configuration").Msg("no room")
	}
}

// connect takes a connection on, or closes it and returns nil.
func (s *Server) connect(c net.Conn, announced bool) *capacity.Conn {
	peer := addrPort(c.RemoteAddr()).Addr()
	if announced || s.speaksForMany(peer) {
		peer = netip.Addr{}
	}
	k, ok := s.load.Connect(c, peer)
	if !ok {
		_ = c.Close()
		s.full(fullConnections)
		return nil
	}
	return k
}

// claim says whose connection k is. It reports whether he may have it.
func (s *Server) claim(k *capacity.Conn, client netip.Addr) bool {
	if s.speaksForMany(client) || s.load.Claim(k, client) {
		return true
	}
	s.full(fullConnections)
	return false
}

// speaksForMany reports whether a peer is a proxy that some site trusts.
func (s *Server) speaksForMany(peer netip.Addr) bool {
	t := s.table.Load()
	if within(peer, t.conf.Trusted.Proxies) {
		return true
	}
	for _, site := range t.conf.Sites {
		if site.Trusted != nil && within(peer, site.Trusted.Proxies) {
			return true
		}
	}
	return false
}

// push hands a connection that is ready for HTTP to the server.
func (s *Server) push(c net.Conn, k *capacity.Conn) {
	s.load.Key(c, k)
	feed := s.feed
	if _, ok := c.(*streams.Conn); ok {
		feed = s.feed2
	}
	s.fresh.add(c)
	if !feed.push(c) {
		s.fresh.remove(c)
		s.disconnect(s.load.Unkey(c))
	}
}

// connState is the http.Server's ConnState.
func (s *Server) connState(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateHijacked:
		s.load.Unkey(c) // its tunnel disconnects it
	case http.StateClosed:
		s.fresh.remove(c)
		s.disconnect(s.load.Unkey(c))
	}
}

func (s *Server) disconnect(k *capacity.Conn) {
	if k != nil {
		s.load.Disconnect(k)
	}
}

// enter takes the request on, or says what is full.
func (c *call) enter(r *http.Request) (why string) {
	load := c.server.load
	level := load.Level()
	if level >= capacity.NoIdle {
		c.w.inner.Header()["Connection"] = []string{"close"}
	}
	switch {
	case level >= capacity.NoRequest, level >= capacity.NoBodies && c.body.src != nil:
		return fullMemory
	case c.body.src != nil && r.ContentLength > 0 && !load.Holds(c.site.share, min(r.ContentLength, c.site.holds)):
		return fullBodies
	}
	c.entered = true
	if load.Enter(c.site.share) {
		return ""
	}
	if !load.Full() {
		return fullSite
	}
	if !load.MakeRoom() {
		return fullRequests
	}
	return "" // one ends for this one
}

// leave ends what enter and serve began.
func (c *call) leave(r *http.Request) {
	if c.entered {
		c.server.load.Leave(c.site.share)
	}
	c.conn.held.ReleaseHead(c.heads)
	if r.Context().Err() == nil {
		c.w.finish(r)
	} else if c.conn.wire == nil && c.conn.resets.tooMany(time.Now()) {
		c.server.full(fullResets)
		c.conn.held.Cut()
	}
	c.conn.held.End(time.Now())
}

// overloaded answers a request for which there is no room. There is no event:
// the visitor did nothing wrong, and a flood of events is no help.
func (c *call) overloaded(w http.ResponseWriter, r *http.Request, why string) {
	c.server.full(why)
	c.server.refuse(w, r, exchange.Refusal{Status: http.StatusServiceUnavailable, Close: true, Retry: retryAfter})
}

// streamCost is what a request takes beside its head, in bytes, about: its
// goroutines and the buffers of its upstream connection.
const streamCost = 32 << 10

// headCost is what a request with a decoded head takes in memory, in bytes,
// about.
func headCost(c *call) int64 {
	n := int64(streamCost + len(c.x.Target))
	for i := range c.x.Fields {
		n += int64(len(c.x.Fields[i].Name)+len(c.x.Fields[i].Value)) + 128
	}
	return n
}

// overHeads reports whether the client has more under way, over all its
// connections, than one may have. Only streams can be many.
func (c *call) overHeads() bool {
	if c.conn.wire != nil || c.conn.held == nil {
		return false
	}
	c.heads = headCost(c)
	return !c.server.load.HoldHead(c.conn.held, c.heads)
}

// resets counts requests that a client took back before they were answered.
type resets struct{ spent atomic.Int64 }

// A browser that leaves a page takes back all that the page asked for; only a
// flood goes on doing so.
const (
	resetBurst = 400
	resetEvery = 100 * time.Millisecond // one more
)

// tooMany counts one and reports whether that is one too many.
func (r *resets) tooMany(now time.Time) bool {
	t := now.UnixNano()
	for {
		spent := r.spent.Load() // the time until which all that were counted are paid for
		next := max(spent, t) + int64(resetEvery)
		if r.spent.CompareAndSwap(spent, next) {
			return next-t > int64(resetBurst*resetEvery)
		}
	}
}
