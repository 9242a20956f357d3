package capacity

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestDefaultsFitTheMachine(t *testing.T) {
	for _, tc := range []struct {
		memory int64
		files  int
		want   string // requests, connections, bodies, heads
	}{
		{64 << 20, 0, "1024 4000 16777216 4194304"},
		{512 << 20, 1024, "256 704 134217728 8388608"},
		{512 << 20, 1 << 20, "8192 16384 134217728 8388608"},
		{16 << 30, 1 << 20, "50000 200000 4294967296 8388608"},
		{16 << 30, 32, "16 16 4294967296 8388608"},
	} {
		l := Limits{Memory: tc.memory}.WithDefaults(tc.files)
		if got := fmt.Sprint(l.Requests, l.Connections, l.Bodies, l.Heads); got != tc.want {
			t.Errorf("%d bytes, %d files: %s, want %s", tc.memory, tc.files, got, tc.want)
		}
		if l.PerClient != defaultPerClient {
			t.Errorf("%d connections a client", l.PerClient)
		}
	}
	if l := (Limits{Memory: 1, Requests: 2, Bodies: 3, Connections: 4, PerClient: 5, Heads: 6}); l.WithDefaults(10) != l {
		t.Errorf("what was said is not kept: %+v", l.WithDefaults(10))
	}
	if Memory() <= 0 {
		t.Error("no memory")
	}
}

// However many sites flood, one that has nothing under way gets its request in.
func TestAFloodLeavesRoomForOtherSites(t *testing.T) {
	for _, flooding := range []int{1, 2, 5, 30} {
		c := New(Limits{Requests: 1000, Bodies: 1000}, nil)
		var names []string
		for i := range flooding + 1 {
			names = append(names, fmt.Sprint("site", i))
		}
		c.Sites(names)
		random := rand.New(rand.NewPCG(1, uint64(flooding)))
		for range 100000 {
			s := c.Site(names[random.IntN(flooding)])
			if !c.Enter(s) {
				c.Leave(s)
			}
		}
		if n := c.Requests(); n < 400 || n >= 1000 {
			t.Errorf("%d sites flood: %d requests under way", flooding, n)
		}
		quiet := c.Site(names[flooding])
		for i := range 1000 / (flooding + 2) / 4 {
			if !c.Enter(quiet) {
				t.Errorf("%d sites flood: request %d of the quiet one finds no room", flooding, i+1)
				break
			}
		}
	}
}

func TestOneSiteMayHaveEverything(t *testing.T) {
	c := New(Limits{Requests: 10, Bodies: 100}, nil)
	c.Sites([]string{"only"})
	s := c.Site("only")
	for i := range 10 {
		if !c.Enter(s) {
			t.Fatalf("request %d finds no room", i+1)
		}
	}
	if c.Enter(s) || !c.Full() {
		t.Error("an eleventh of ten")
	}
	c.Leave(s)
	c.Leave(s)
	if !c.Enter(s) {
		t.Error("no room after one has left")
	}
	if !c.Hold(s, 100) || c.Holds(s, 1) || c.Hold(s, 1) {
		t.Error("101 bytes of 100")
	}
	c.Release(s, 101)
	if c.Bodies() != 0 {
		t.Errorf("%d bytes are held by nobody", c.Bodies())
	}
}

func TestSitesKeepWhatTheyHold(t *testing.T) {
	c := New(Limits{Requests: 10, Bodies: 10}, nil)
	c.Sites([]string{"a", "b"})
	a := c.Site("a")
	c.Enter(a)
	c.Sites([]string{"a", "c"})
	if c.Site("a") != a {
		t.Error("a site that stays is counted anew")
	}
	c.Leave(a)
	if c.Requests() != 0 {
		t.Errorf("%d requests under way", c.Requests())
	}
}

// sock is a connection that tells when it was closed.
type sock struct {
	net.Conn
	closed bool
}

func (s *sock) Close() error {
	s.closed = true
	return nil
}

func TestConnectionsOfOneClient(t *testing.T) {
	c := New(Limits{Connections: 100, PerClient: 2}, nil)
	addr := netip.MustParseAddr
	var held []*Conn
	for _, tc := range []struct {
		peer netip.Addr
		ok   bool
	}{
		{addr("192.0.2.1"), true}, {addr("192.0.2.1"), true}, {addr("192.0.2.1"), false}, {addr("::ffff:192.0.2.1"), false},
		{addr("192.0.2.2"), true},
		{addr("2001:db8::1"), true}, {addr("2001:db8::2"), true}, {addr("2001:db8:0:0:ffff::3"), false}, {addr("2001:db8:0:1::1"), true},
		{netip.Addr{}, true}, {netip.Addr{}, true}, {netip.Addr{}, true},
	} {
		k, ok := c.Connect(&sock{}, tc.peer)
		if ok != tc.ok {
			t.Errorf("%s: %t", tc.peer, ok)
		}
		if ok {
			held = append(held, k)
		}
	}
	late, _ := c.Connect(&sock{}, netip.Addr{})
	if c.Claim(late, addr("192.0.2.1")) {
		t.Error("a client that is known late gets a third")
	}
	for _, k := range append(held, late) {
		c.Disconnect(k)
		c.Disconnect(k)
	}
	if c.Connections() != 0 || len(c.conns.clients) != 0 {
		t.Errorf("%d connections, %d clients are left", c.Connections(), len(c.conns.clients))
	}
}

// A client over his limit loses the connection that was idle longest, and gets
// no new one when none is idle. One with streams counts as eight.
func TestClientOverHisLimit(t *testing.T) {
	c := New(Limits{Connections: 100, PerClient: 16}, nil)
	peer := netip.MustParseAddr("192.0.2.1")
	var socks [16]*sock
	var conns [16]*Conn
	for i := range conns {
		socks[i] = &sock{}
		conns[i], _ = c.Connect(socks[i], peer)
		conns[i].Begin()
	}
	for i := range 8 {
		conns[i].End(time.Now().Add(-time.Duration(i+2) * time.Minute))
	}
	if k, ok := c.Connect(&sock{}, peer); !ok || !socks[7].closed || socks[6].closed {
		t.Fatal("the longest idle one is not closed")
	} else {
		k.Begin()
		if !c.Streams(k) || !socks[6].closed || !socks[0].closed || socks[8].closed {
			t.Error("a connection with streams does not count as eight")
		}
	}
	if _, ok := c.Connect(&sock{}, peer); ok {
		t.Error("one more, though none is idle")
	}
}

// Among connections that may be closed the one that has waited longest is;
// those with a request that does not wait for its visitor are not.
func TestWhoWaitsLongestMakesRoom(t *testing.T) {
	c := New(Limits{Connections: 4, PerClient: 10}, nil)
	ago := func(k *Conn, d time.Duration) { k.since.Store(time.Now().Add(-d).UnixNano()) }
	var socks [5]*sock
	var conns [5]*Conn
	for i := range 4 {
		socks[i] = &sock{}
		conns[i], _ = c.Connect(socks[i], netip.Addr{})
	}
	if _, ok := c.Connect(&sock{}, netip.Addr{}); ok {
		t.Fatal("a fifth of four, though none has waited")
	}
	ago(conns[0], time.Hour)
	conns[0].Begin()
	ago(conns[1], time.Minute)
	ago(conns[2], 2*time.Minute)
	if _, ok := c.Connect(&sock{}, netip.Addr{}); !ok || !socks[2].closed || socks[0].closed || socks[1].closed {
		t.Fatalf("closed: %t %t %t", socks[0].closed, socks[1].closed, socks[2].closed)
	}
	if c.MakeRoom() {
		t.Fatal("a request was ended that does not wait for its visitor")
	}
	conns[0].stalled.Store(time.Now().Add(-time.Minute).UnixNano())
	if !c.MakeRoom() || !socks[0].closed {
		t.Error("a visitor who takes nothing is kept")
	}
	if c.Shed() != 2 || c.Connections() != 3 {
		t.Errorf("%d shed, %d left", c.Shed(), c.Connections())
	}
}

func TestHeadsOfOneClient(t *testing.T) {
	c := New(Limits{Connections: 10, PerClient: 10, Heads: 100}, nil)
	a, _ := c.Connect(&sock{}, netip.MustParseAddr("192.0.2.1"))
	b, _ := c.Connect(&sock{}, netip.MustParseAddr("192.0.2.1"))
	other, _ := c.Connect(&sock{}, netip.MustParseAddr("192.0.2.2"))
	many, _ := c.Connect(&sock{}, netip.Addr{})
	if !c.HoldHead(a, 60) || c.HoldHead(b, 60) || !c.HoldHead(other, 60) || !c.HoldHead(many, 600) || !c.HoldHead(nil, 600) {
		t.Error("heads are not counted by client")
	}
	b.ReleaseHead(60)
	if !c.HoldHead(b, 40) {
		t.Error("no room after it was given back")
	}
}

func TestMemoryGivesUpInOrder(t *testing.T) {
	used := make(chan float64)
	c := New(Limits{}, func() float64 { return <-used })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	var told []Level
	go func() {
		defer close(ended)
		c.Watch(ctx, func(l Level, _ float64) { told = append(told, l) })
	}()
	for _, u := range []float64{0.5, 0.84, 0.86, 0.93, 0.94, 0.96, 2, 0.5} {
		used <- u
	}
	cancel()
	select {
	case used <- 0.5: // it may have been about to look
	case <-ended:
	}
	<-ended
	if got := fmt.Sprint(told); got != fmt.Sprint([]Level{NoIdle, NoBodies, NoRequest, Easy}) || c.Level() != Easy {
		t.Errorf("told %s", got)
	}
}

func TestMemoryInUseIsRead(t *testing.T) {
	r := newReading()
	r.group = ""
	keep := make([]byte, 32<<20)
	if used := r.share(1 << 30); used <= 0 || used >= 1 {
		t.Errorf("%f of 1 GiB is in use", used)
	}
	keep[0] = 1
}
