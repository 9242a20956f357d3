package herd_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/herd"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/guard/bans"
	"github.com/qorgan/qorgan/guard/crowd"
	"github.com/qorgan/qorgan/report/wire"
)

// TestPeopleBehindOneAddress: one attacker and 999 people share an address of a
// mobile operator. The edge's own gate and counters and the console's decision
// are the real ones; what is simulated is who sends what, and that the console
// hears of it at once. A tenth of the people are signed in somewhere, and each
// of a hundred browsers is shared by ten.
func TestPeopleBehindOneAddress(t *testing.T) {
	for name, before := range map[string]int{"people first": 400, "the attacker first": 0} {
		t.Run(name, func(t *testing.T) {
			clock := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
			now := func() time.Time { return clock }
			gate, err := bans.New(bans.Options{Key: []byte("key"), Record: func(event.Event) {}, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			people := crowd.New(now)
			address := netip.MustParsePrefix("203.0.113.7/32")
			site := &config.Site{Name: "shop", Mode: config.Block}
			attacks := int64(0)
			var inForce bans.Rule

			decide := func() {
				b := people.Behind(address)
				e := herd.Evidence{Network: address, Behind: []herd.Behind{{Tenant: 1, Behind: wire.Behind{Network: address, Clean: b.Clean, Attacks: b.Attacks, Agents: b.Agents, Sessions: b.Persons}}}}
				for tenant := range int64(5) {
					e.Sightings = append(e.Sightings, herd.Sighting{Tenant: tenant + 1, Branch: tenant%3 + 1, Count: attacks, Gravity: 3, Kinds: 3})
				}
				v := herd.Decide(e)
				if len(v) == 0 || attacks == 0 {
					return
				}
				kind := map[wire.DecisionKind]bans.Kind{wire.DecisionBan: bans.Ban, wire.DecisionStrict: bans.Strict}[v[0].Kind]
				for _, h := range gate.Hits() {
					if herd.SpeaksHit(wire.Hit{ID: h.ID, Refused: h.Refused, Witnessed: h.Witnessed, Agents: crowd.Estimate(h.Agents)}) != "" {
						kind = bans.Strict
					}
				}
				if inForce.Kind == bans.Strict || kind == inForce.Kind {
					return
				}
				next := bans.Rule{ID: fmt.Sprint("D", kind), Network: address, Kind: kind, Until: clock.Add(v[0].For)}
				gate.Change([]bans.Rule{next}, []bans.Rule{inForce})
				inForce = next
			}
			refused := 0
			send := func(person int, attack bool) {
				clock = clock.Add(50 * time.Millisecond)
				r := httptest.NewRequest(http.MethodGet, "/news/", nil)
				x := &exchange.Exchange{Site: site, Start: clock, Client: address.Addr(), Target: "/news/",
					Refuse: func(http.ResponseWriter, *http.Request, exchange.Refusal) {}}
				if attack {
					r.Header.Set("User-Agent", fmt.Sprintf("Mozilla/5.0 (a name of %d)", attacks)) // he changes it each time
				} else {
					r.Header.Set("User-Agent", fmt.Sprintf("Mozilla/5.0 (browser %d)", person%100))
					r.Header.Set("Accept-Language", []string{"kk", "ru", "en"}[person%3])
					r.Header.Set("Sec-Fetch-Mode", "navigate")
					if person%10 == 0 {
						x.Rank, x.Session = exchange.Member, fmt.Sprint("session ", person)
					}
				}
				passed := false
				gate.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
					passed = true
					if attack {
						x.Event = &event.Event{Kind: event.KindRule, Action: event.Blocked}
						attacks++
					}
					people.Saw(x, r)
				})).ServeHTTP(httptest.NewRecorder(), r.WithContext(exchange.With(r.Context(), x)))
				if !attack && !passed {
					refused++
				}
			}
			const requests = 20_000
			sent := 0
			for i := range requests {
				if i >= before && i%20 == 0 {
					send(0, true)
				} else {
					send(1+i*7919%999, false)
					sent++
				}
				if i%4 == 3 {
					decide() // edges look for news more often than five times a second's requests
				}
			}
			if attacks == 0 || inForce.Kind != bans.Strict {
				t.Fatalf("%d attacks, %v in force", attacks, inForce.Kind)
			}
			if share := float64(refused) / float64(sent); share > 0.001 {
				t.Errorf("%d of %d requests of people were refused: %.3f %%", refused, sent, 100*share)
			}
			t.Logf("%d of %d requests of people were refused, %d attacks judged", refused, sent, attacks)
		})
	}
}
