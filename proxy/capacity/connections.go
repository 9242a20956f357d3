package capacity

import (
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/qorgan/qorgan/exchange"
)

// Conn is one connection, from its acceptance to its end.
type Conn struct {
	sock    net.Conn
	client  *client // nil for a peer that speaks for many
	weight  int     // against its client's limit; guarded by Capacity.mu
	since   atomic.Int64
	busy    atomic.Int32 // requests under way
	stalled atomic.Int64 // since when a request waits for the visitor; 0 when none does
	open    bool         // guarded by Capacity.mu
}

// client is what one network has open.
type client struct {
	network netip.Prefix
	conns   map[*Conn]struct{} // guarded by Capacity.mu
	weight  int                // of conns together; guarded by Capacity.mu
	heads   atomic.Int64
}

// connections are all there are, guarded by Capacity.mu.
type connections struct {
	all     map[*Conn]struct{}
	keyed   map[net.Conn]*Conn // what the HTTP server knows a connection by
	clients map[netip.Prefix]*client
	shed    atomic.Int64
	count   atomic.Int64
}

func (r *connections) init() {
	r.all = make(map[*Conn]struct{})
	r.keyed = make(map[net.Conn]*Conn)
	r.clients = make(map[netip.Prefix]*client)
}

const (
	// candidates is how many connections are looked at to find one to close:
	// the longest idle of a few is nearly as good as that of all.
	candidates = 32
	// stallTime is how long a visitor may take to accept a piece of an answer,
	// or to send one of his body, before his connection may be closed in favour
	// of others. Loss of a packet or two costs a second.
	stallTime = 3 * time.Second
	// graceTime is how long a connection that has said nothing yet is spared.
	graceTime = time.Second
)

// Connect takes a connection on for its client, see [Capacity.Claim]; peer is invalid for a peer that speaks for many. When there are as many
// as there may be, one that waits is closed. It reports whether sock may stay;
// [Capacity.Disconnect] is due when it may.
func (c *Capacity) Connect(sock net.Conn, peer netip.Addr) (*Conn, bool) {
	l := c.limits.Load()
	k := &Conn{sock: sock, open: true}
	k.since.Store(time.Now().UnixNano())
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.conns.all) >= l.Connections && !c.makeRoom(false) {
		return nil, false
	}
	c.conns.all[k] = struct{}{}
	c.conns.count.Store(int64(len(c.conns.all)))
	if !c.claim(k, peer, l) {
		c.drop(k)
		return nil, false
	}
	return k, true
}

// Claim says whose connection k is, when that is known only after it was taken
// on. It reports whether that client may have one more. A client who has as many
// as one may have, some of them idle, loses the one that was idle longest.
func (c *Capacity) Claim(k *Conn, peer netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.claim(k, peer, c.limits.Load())
}

func (c *Capacity) claim(k *Conn, peer netip.Addr, l *Limits) bool {
	if !peer.IsValid() {
		return true
	}
	network := exchange.Network(peer)
	cl := c.conns.clients[network]
	if cl == nil {
		cl = &client{network: network, conns: map[*Conn]struct{}{}}
		c.conns.clients[network] = cl
	}
	k.client, k.weight = cl, 1
	cl.conns[k] = struct{}{}
	cl.weight++
	return c.lighten(cl, k, l)
}

// streamsWeight is as how many connections one with streams counts.
const streamsWeight = 8

// Streams says that many requests at once may come over k. It reports whether
// its client may have one more such connection.
func (c *Capacity) Streams(k *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.limits.Load()
	if !k.open || k.client == nil || l.PerClient < 2*streamsWeight {
		return true
	}
	k.weight += streamsWeight - 1
	k.client.weight += streamsWeight - 1
	return c.lighten(k.client, k, l)
}

// lighten closes connections of a client that are idle, but for k, until he is
// within his limit. It reports whether he is.
func (c *Capacity) lighten(cl *client, k *Conn, l *Limits) bool {
	now := time.Now().UnixNano()
	for cl.weight > l.PerClient {
		var victim *Conn
		var longest int64
		for other := range cl.conns {
			if waits := other.waits(now, false); waits > longest && other != k {
				victim, longest = other, waits
			}
		}
		if victim == nil {
			return false
		}
		c.shed(victim)
	}
	return true
}

// shed closes a connection to make room.
func (c *Capacity) shed(k *Conn) {
	c.drop(k)
	c.conns.shed.Add(1)
	_ = k.sock.Close()
}

// Disconnect ends what Connect began. It may be called again.
func (c *Capacity) Disconnect(k *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(k)
}

func (c *Capacity) drop(k *Conn) {
	if !k.open {
		return
	}
	k.open = false
	delete(c.conns.all, k)
	c.conns.count.Store(int64(len(c.conns.all)))
	if cl := k.client; cl != nil {
		delete(cl.conns, k)
		if cl.weight -= k.weight; cl.weight == 0 {
			delete(c.conns.clients, cl.network)
		}
	}
}

// Key has k found by [Capacity.Keyed] under the connection that the HTTP
// server knows.
func (c *Capacity) Key(outer net.Conn, k *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns.keyed[outer] = k
}

// Keyed returns the connection of outer, nil when there is none.
func (c *Capacity) Keyed(outer net.Conn) *Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conns.keyed[outer]
}

// Unkey forgets outer and returns what it was the key of.
func (c *Capacity) Unkey(outer net.Conn) *Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.conns.keyed[outer]
	delete(c.conns.keyed, outer)
	return k
}

// MakeRoom closes a connection whose visitor keeps a request waiting, so that
// one more request has room. It reports whether it found one.
func (c *Capacity) MakeRoom() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.makeRoom(true)
}

// makeRoom closes the connection that has waited longest among a few: one
// without a request, or, and with busy only, one whose visitor does not take
// his answer.
func (c *Capacity) makeRoom(busy bool) bool {
	now := time.Now().UnixNano()
	var victim *Conn
	var longest int64
	n := 0
	for k := range c.conns.all { // begins anywhere
		if waits := k.waits(now, busy); waits > longest {
			victim, longest = k, waits
		}
		if n++; n >= candidates && victim != nil || n >= 64*candidates {
			break
		}
	}
	if victim == nil {
		return false
	}
	c.shed(victim)
	return true
}

// waits returns for how long k has waited, 0 when it must not be closed.
func (k *Conn) waits(now int64, busy bool) int64 {
	if s := k.stalled.Load(); s != 0 {
		if d := now - s; d > int64(stallTime) {
			return d
		}
		return 0
	}
	if busy || k.busy.Load() > 0 {
		return 0
	}
	if d := now - k.since.Load(); d > int64(graceTime) {
		return d
	}
	return 0
}

// Begin says that a request came.
func (k *Conn) Begin() {
	if k != nil {
		k.busy.Add(1)
	}
}

// End says that a request has ended, at a time.
func (k *Conn) End(at time.Time) {
	if k != nil {
		k.since.Store(at.UnixNano())
		k.busy.Add(-1)
	}
}

// Waiting says that from now on a request waits for the visitor.
func (k *Conn) Waiting(now time.Time) {
	if k != nil {
		k.stalled.Store(now.UnixNano())
	}
}

// Went says that the visitor no longer keeps a request waiting.
func (k *Conn) Went() {
	if k != nil {
		k.stalled.Store(0)
	}
}

// HoldHead counts n bytes of a head that its client has under way. It reports
// whether he may; [Conn.ReleaseHead] is due in either case.
func (c *Capacity) HoldHead(k *Conn, n int64) bool {
	if k == nil || k.client == nil {
		return true
	}
	return k.client.heads.Add(n) <= c.limits.Load().Heads
}

// ReleaseHead gives back what HoldHead counted.
func (k *Conn) ReleaseHead(n int64) {
	if k != nil && k.client != nil {
		k.client.heads.Add(-n)
	}
}

// Cut closes the connection without a word.
func (k *Conn) Cut() {
	if k != nil {
		_ = k.sock.Close()
	}
}

// Connections returns how many there are.
func (c *Capacity) Connections() int64 { return c.conns.count.Load() }

// Shed returns how many were closed to make room.
func (c *Capacity) Shed() int64 { return c.conns.shed.Load() }
