package bans

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// TestListAgainstPlainSearch compares look-ups after every kind of change with
// a search through all rules.
func TestListAgainstPlainSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	until := time.Now().Add(time.Hour)
	network := func() netip.Prefix {
		if r.IntN(2) == 0 {
			p, _ := netip.AddrFrom4([4]byte{10, byte(r.IntN(2)), byte(r.IntN(4)), byte(r.IntN(8))}).Prefix([]int{20, 24, 30, 31, 32}[r.IntN(5)])
			return p
		}
		p, _ := netip.AddrFrom16([16]byte{0x20, 1, 0, 0, 0, 0, 0, byte(r.IntN(3)), 0, 0, 0, 0, 0, 0, byte(r.IntN(2)), byte(r.IntN(4))}).Prefix([]int{48, 63, 64, 65, 127, 128}[r.IntN(6)])
		return p
	}
	l := newList()
	rules := map[string]Rule{}
	for step := range 600 {
		var put, drop []Rule
		for range r.IntN(4) {
			one := Rule{ID: fmt.Sprint(r.IntN(60)), Network: network(), Kind: Kind(1 + r.IntN(3)), Until: until}
			if was, ok := rules[one.ID]; ok {
				drop = append(drop, was)
			}
			put = append(put, one)
			rules[one.ID] = one
		}
		for id, was := range rules {
			if r.IntN(30) == 0 {
				drop = append(drop, was)
				delete(rules, id)
				put = deleteRule(put, id)
			}
		}
		// One rule twice in a change counts as its last.
		for i := len(put) - 1; i >= 0; i-- {
			if rules[put[i].ID] != put[i] {
				put = append(put[:i], put[i+1:]...)
			}
		}
		l = l.change(put, drop)
		if step%97 == 96 {
			l.merge()
			l.small = makeTable(l.changed)
		}
		for range 20 {
			a := network().Addr()
			want, bits := None, -1
			networks := map[netip.Prefix]bool{}
			for _, x := range rules {
				networks[x.Network] = true
				if x.Network.Contains(a) && (x.Network.Bits() > bits || x.Network.Bits() == bits && x.Kind > want) {
					want, bits = x.Kind, x.Network.Bits()
				}
			}
			got := None
			if e := l.find(a, "", time.Now().UnixMilli()); e != nil {
				got = e.kind
			}
			if got != want || l.size != len(networks) {
				t.Fatalf("step %d: %s: %v, want %v; %d networks of %d", step, a, got, want, l.size, len(networks))
			}
		}
	}
}

func deleteRule(list []Rule, id string) (out []Rule) {
	for _, r := range list {
		if r.ID != id {
			out = append(out, r)
		}
	}
	return out
}
