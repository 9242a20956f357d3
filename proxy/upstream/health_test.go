package upstream

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
)

// TestProbes: a server whose health path fails twice gets no requests until it
// answers again; when none is well, requests are sent all the same.
func TestProbes(t *testing.T) {
	var ill [2]atomic.Bool
	var asked [2]atomic.Int64
	var upstreams []config.Upstream
	for i := range ill {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/health" {
				asked[i].Add(1)
				return
			}
			if ill[i].Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		defer s.Close()
		u, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		upstreams = append(upstreams, config.Upstream{URL: u, Health: "/health"})
	}
	set := NewSet(nil, zerolog.Nop())
	pool, err := set.Pool(upstreams, config.Timeouts{})
	if err != nil {
		t.Fatal(err)
	}
	spread := func(want0, want1 bool, when string) {
		t.Helper()
		asked[0].Store(0)
		asked[1].Store(0)
		for range 6 {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = "shop.example.kz"
			resp, peer, err := pool.RoundTrip(&Call{Request: r, Held: true, Blame: func(error) bool { return true }})
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			peer.Done()
		}
		if got0, got1 := asked[0].Load() > 0, asked[1].Load() > 0; got0 != want0 || got1 != want1 {
			t.Errorf("%s: %d and %d requests", when, asked[0].Load(), asked[1].Load())
		}
	}
	set.Probe(t.Context())
	spread(true, true, "both are well")
	ill[0].Store(true)
	set.Probe(t.Context())
	spread(true, true, "one has missed once")
	set.Probe(t.Context())
	spread(false, true, "one is out")
	ill[0].Store(false)
	set.Probe(t.Context())
	spread(true, true, "it is back")
	ill[0].Store(true)
	ill[1].Store(true)
	set.Probe(t.Context())
	set.Probe(t.Context())
	spread(true, true, "both are out")
}
