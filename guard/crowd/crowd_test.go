package crowd

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
)

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func saw(c *Crowd, at time.Time, from, agent, session string, e *event.Event) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("User-Agent", agent)
	c.Saw(&exchange.Exchange{Start: at, Client: netip.MustParseAddr(from), Session: session, Event: e}, r)
}

func TestBehind(t *testing.T) {
	now := start
	c := New(func() time.Time { return now })
	attack := &event.Event{Kind: event.KindRule, Action: event.Blocked}
	for i := range 999 {
		saw(c, now, "203.0.113.5", fmt.Sprintf("Mozilla/5.0 (%d)", i%40), fmt.Sprintf("person %d", i%3), nil)
	}
	if news := c.News(); len(news) != 0 {
		t.Errorf("nobody attacked: %+v", news)
	}
	saw(c, now, "203.0.113.5", "sqlmap", "", attack)
	for range 50 {
		saw(c, now, "2001:db8:0:1::1", "Mozilla/5.0 of one", "", attack)
		saw(c, now, "2001:db8:0:1::2", "Mozilla/5.0 of one", "", nil)
	}
	saw(c, now, "198.51.100.1", "Mozilla/5.0", "", &event.Event{Kind: event.KindGuard})

	b := c.Behind(netip.MustParsePrefix("203.0.113.5/32"))
	if b.Clean != 999 || b.Attacks != 1 || b.Agents < 30 || b.Agents > 52 || b.Persons < 2 || b.Persons > 4 {
		t.Errorf("%+v", b)
	}
	b = c.Behind(netip.MustParsePrefix("2001:db8:0:1::/64"))
	if b.Clean != 50 || b.Attacks != 50 || b.Agents != 1 || b.Persons != 0 {
		t.Errorf("%+v", b)
	}
	if b := c.Behind(netip.MustParsePrefix("198.51.100.1/32")); b.Clean+b.Attacks != 0 {
		t.Errorf("what was refused unjudged is counted: %+v", b)
	}
	if news := c.News(); len(news) != 2 {
		t.Errorf("%+v", news)
	}
	if news := c.News(); len(news) != 0 {
		t.Errorf("told again: %+v", news)
	}
	now = now.Add(25 * time.Hour)
	if b := c.Behind(netip.MustParsePrefix("203.0.113.5/32")); b.Clean != 0 {
		t.Errorf("not forgotten: %+v", b)
	}
}

// TestBounded: however many addresses come, the room is what it was, and those
// that are busy stay.
func TestBounded(t *testing.T) {
	c := New(func() time.Time { return start })
	for i := range 100_000 {
		at := start.Add(time.Duration(i) * time.Millisecond)
		saw(c, at, netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)}).String(), "Mozilla/5.0", "", nil)
		if i%1000 == 0 {
			saw(c, at, "203.0.113.5", "Mozilla/5.0", "", nil)
		}
	}
	n := 0
	for i := range c.shards {
		n += len(c.shards[i].m)
	}
	if n > shards*inShard {
		t.Errorf("%d addresses are kept", n)
	}
	if b := c.Behind(netip.MustParsePrefix("203.0.113.5/32")); b.Clean == 0 {
		t.Error("a busy address was forgotten")
	}
}

func TestEstimate(t *testing.T) {
	for bits, want := range map[uint64]int{0: 0, 1: 1, 0xff: 9, 1<<64 - 1: 266} {
		if got := Estimate(bits); got != want {
			t.Errorf("%x: %d, want %d", bits, got, want)
		}
	}
}

func BenchmarkSaw(b *testing.B) {
	c := New(nil)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0 Safari/537.36")
	x := &exchange.Exchange{Start: time.Now()}
	for i := 0; b.Loop(); i++ {
		x.Client = netip.AddrFrom4([4]byte{20, 1, byte(i >> 8), byte(i)})
		c.Saw(x, r)
	}
}
