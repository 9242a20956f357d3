package mistake

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qorgan/qorgan/rulesets"
)

func TestRecent(t *testing.T) {
	clock := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	r := Recent{now: func() time.Time { return clock }}
	from := func(addr string) rulesets.Probe {
		return rulesets.Probe{Method: "GET", Target: "/" + addr, Client: netip.MustParseAddr(addr)}
	}
	r.Keep("VISI-TOR1", from("203.0.113.7"))
	for i := range 10_000 { // a flood from one network
		r.Keep(fmt.Sprintf("FLOD-%04d", i), from(fmt.Sprintf("2001:db8::%x", i+1)))
	}
	if p, ok := r.Find("VISI-TOR1"); !ok || p.Target != "/203.0.113.7" {
		t.Error("a flood from elsewhere pushed the visitor's request out")
	}
	if _, ok := r.Find("FLOD-0000"); ok {
		t.Error("the flood's first is still there")
	}
	if _, ok := r.Find("FLOD-9999"); !ok {
		t.Error("the flood's last is not there")
	}
	if len(r.by) != 1+recentEach || len(r.order) > 2*len(r.by)+65 {
		t.Errorf("%d held, %d in order", len(r.by), len(r.order))
	}
	clock = clock.Add(recentMaxAge + time.Second)
	if _, ok := r.Find("VISI-TOR1"); ok {
		t.Error("an old request is still found")
	}
	r.Keep("FRES-HONE", from("203.0.113.8"))
	if len(r.by) != 1 {
		t.Errorf("%d held after all but one grew old", len(r.by))
	}
}

func TestRecentIsBoundedInBytes(t *testing.T) {
	var r Recent
	body := []byte(strings.Repeat("x", 1<<20))
	for i := range 100 {
		p := rulesets.Probe{Body: body, Client: netip.AddrFrom4([4]byte{10, 0, byte(i), 1})}
		r.Keep(fmt.Sprintf("CODE-%04d", i), p)
	}
	if r.bytes > recentBytes || len(r.by) < 30 {
		t.Errorf("%d bytes, %d requests", r.bytes, len(r.by))
	}
	if _, ok := r.Find("CODE-0099"); !ok {
		t.Error("the latest is not there")
	}
	sum := 0
	for _, h := range r.by {
		sum += h.size
	}
	if sum != r.bytes {
		t.Errorf("%d bytes are held, %d counted", sum, r.bytes)
	}
}

func TestRecentConcurrently(t *testing.T) {
	var r Recent
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				code := fmt.Sprintf("%04d-%04d", g, i)
				r.Keep(code, rulesets.Probe{Target: code, Client: netip.AddrFrom4([4]byte{10, byte(g), byte(i), 1})})
				if p, ok := r.Find(code); !ok || p.Target != code {
					t.Errorf("%s: %q, %t", code, p.Target, ok)
				}
			}
		})
	}
	wg.Wait()
}
