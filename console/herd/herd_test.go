package herd

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/qorgan/qorgan/report/wire"
)

// fleet is a simulated console: tenants, and what they reported.
type fleet struct {
	branch map[int64]int64
	seen   map[netip.Addr]map[int64]*Sighting
	behind map[netip.Addr][]Behind
}

func newFleet(tenants, branches int) *fleet {
	f := &fleet{branch: map[int64]int64{}, seen: map[netip.Addr]map[int64]*Sighting{}, behind: map[netip.Addr][]Behind{}}
	for i := range tenants {
		f.branch[int64(i+1)] = int64(i%branches + 1000)
	}
	return f
}

// report is that a tenant was attacked.
func (f *fleet) report(tenant int64, a netip.Addr, gravity int) {
	if f.seen[a] == nil {
		f.seen[a] = map[int64]*Sighting{}
	}
	s := f.seen[a][tenant]
	if s == nil {
		s = &Sighting{Tenant: tenant, Branch: f.branch[tenant]}
		f.seen[a][tenant] = s
	}
	s.Count++
	s.Kinds = min(s.Kinds+1, 3)
	s.Gravity = max(s.Gravity, gravity)
}

// worth is every tenant's, as the store works it out.
func (f *fleet) worth() map[int64]float64 {
	reported, agreed := map[int64]int64{}, map[int64]int64{}
	for _, by := range f.seen {
		for t := range by {
			reported[t]++
			for o := range by {
				if f.branch[o] != f.branch[t] {
					agreed[t]++
					break
				}
			}
		}
	}
	out := map[int64]float64{}
	for t := range f.branch {
		out[t] = Worth(reported[t], agreed[t])
	}
	return out
}

func (f *fleet) decide(a netip.Addr, worth map[int64]float64) []Verdict {
	e := Evidence{Network: netip.PrefixFrom(a, a.BitLen()), Worth: worth, Behind: f.behind[a]}
	for _, s := range f.seen[a] {
		e.Sightings = append(e.Sightings, *s)
	}
	return Decide(e)
}

func address(n int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)}) }

// TestHostileTenant: one tenant in a hundred reports a thousand who did nothing,
// among whom are some whom an honest tenant refused by mistake.
func TestHostileTenant(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		f := newFleet(100, 10)
		const hostile, attackers, victims = 1, 400, 1000
		for a := range attackers {
			for range 4 + r.IntN(20) { // a campaign goes from site to site
				f.report(int64(2+r.IntN(99)), address(a), 2+r.IntN(2))
			}
		}
		for v := range victims {
			for range 5 {
				f.report(hostile, address(10_000+v), 3)
			}
			if r.IntN(100) < 3 {
				f.report(int64(2+r.IntN(99)), address(10_000+v), 1)
			}
		}
		worth := f.worth()
		stopped := 0
		for a := range attackers {
			if v := f.decide(address(a), worth); len(v) == 1 && v[0].Everywhere && v[0].Kind == wire.DecisionBan {
				stopped++
			}
		}
		hit, own := 0, 0
		for v := range victims {
			for _, verdict := range f.decide(address(10_000+v), worth) {
				switch {
				case verdict.Everywhere, verdict.Tenant != hostile:
					hit++
				default:
					own++
				}
			}
		}
		if hit > 0 || stopped < attackers*95/100 {
			t.Errorf("seed %d: %d victims refused elsewhere, %d of %d attackers refused everywhere", seed, hit, stopped, attackers)
		}
		if own == 0 {
			t.Error("the simulated tenant is not hostile to anybody")
		}
		if w := worth[hostile]; w > heard {
			t.Errorf("its reports are worth %.2f", w)
		}
	}
}

// TestOneBranch: however many tenants of one hoster say so, others are not
// bound by it.
func TestOneBranch(t *testing.T) {
	f := newFleet(50, 1)
	for tenant := range int64(50) {
		f.report(tenant+1, address(1), 3)
	}
	for _, v := range f.decide(address(1), nil) {
		if v.Everywhere {
			t.Fatalf("%+v", v)
		}
	}
}

func TestDecide(t *testing.T) {
	three := []Sighting{{Tenant: 1, Branch: 1, Count: 1, Gravity: 2, Kinds: 1}, {Tenant: 2, Branch: 2, Count: 1, Gravity: 2, Kinds: 1}, {Tenant: 3, Branch: 2, Count: 1, Gravity: 2, Kinds: 1}}
	people := wire.Behind{Clean: 500, Agents: 40, Sessions: 3}
	for _, c := range []struct {
		name string
		e    Evidence
		want []Verdict
	}{
		{"nothing", Evidence{}, nil},
		{"one attack that may be a mistake", Evidence{Sightings: three[:1]}, nil},
		{"three of one kind", Evidence{Sightings: []Sighting{{Tenant: 1, Count: 3, Gravity: 2, Kinds: 1}}}, nil},
		{"three of two kinds", Evidence{Sightings: []Sighting{{Tenant: 1, Count: 3, Gravity: 2, Kinds: 2}}}, []Verdict{{Kind: wire.DecisionBan, Tenant: 1, For: FirstTime}}},
		{"an exploit", Evidence{Sightings: []Sighting{{Tenant: 7, Count: 1, Gravity: 3, Kinds: 1}}}, []Verdict{{Kind: wire.DecisionBan, Tenant: 7, For: FirstTime}}},
		{"three tenants of two branches", Evidence{Sightings: three}, []Verdict{{Kind: wire.DecisionBan, Everywhere: true, For: FirstTime}}},
		{"again", Evidence{Sightings: three, Before: 2}, []Verdict{{Kind: wire.DecisionBan, Everywhere: true, For: 4 * FirstTime}}},
		{"again and again", Evidence{Sightings: three, Before: 60}, []Verdict{{Kind: wire.DecisionBan, Everywhere: true, For: MostTime}}},
		{"people behind it", Evidence{Sightings: three, Behind: []Behind{{Tenant: 9, Behind: people}}}, []Verdict{{Kind: wire.DecisionStrict, Everywhere: true, For: FirstTime}}},
		{"people, says nobody who is believed", Evidence{Sightings: three, Behind: []Behind{{Tenant: 9, Behind: people}}, Worth: map[int64]float64{9: 0.02}},
			[]Verdict{{Kind: wire.DecisionBan, Everywhere: true, For: FirstTime}}},
		{"tenants whose reports nobody shares", Evidence{Sightings: three, Worth: map[int64]float64{1: 0.02, 2: 0.02, 3: 0.02}}, nil},
	} {
		got := Decide(c.e)
		for i := range got {
			got[i].Why = ""
		}
		if len(got) != len(c.want) || len(got) > 0 && got[0] != c.want[0] {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestNeighbourhood(t *testing.T) {
	var list []netip.Addr
	for i := range 8 {
		if _, ok := Neighbourhood(append(list, list...)); ok {
			t.Errorf("%d addresses are a neighbourhood", i)
		}
		list = append(list, address(3<<8+i))
	}
	if p, ok := Neighbourhood(list); !ok || p.String() != "198.51.3.0/24" {
		t.Errorf("%v, %v", p, ok)
	}
	if _, ok := Neighbourhood(append(list, address(4<<8))); ok {
		t.Error("two networks are one")
	}
	if _, ok := Neighbourhood(append(list, netip.MustParseAddr("2001:db8::1"))); ok {
		t.Error("IPv6 is counted")
	}
}
