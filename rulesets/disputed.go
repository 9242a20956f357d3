package rulesets

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// Disputed is a rule about which the fast path and Coraza disagreed.
type Disputed struct {
	Profile  string
	Response bool
	Rule     int  // 0 when they agreed on the rules and not on the score
	Missed   bool // only Coraza saw it match
	Times    uint64
}

// maxDisputed bounds what Disputed lists.
const maxDisputed = 1000

// disputes counts disagreements by rule, and remembers where the fast path is
// to stay off when the rules are compiled anew.
type disputes struct {
	mu    sync.Mutex
	times map[Disputed]uint64
	off   map[engineOf]bool
}

// note counts a disagreement.
func (d *disputes) note(x Disagreement) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.times == nil {
		d.times, d.off = map[Disputed]uint64{}, map[engineOf]bool{}
	}
	key := engineOf{inbound, x.Profile}
	if x.Response {
		key.half = outbound
	}
	d.off[key] = true
	count := func(rule int, missed bool) {
		k := Disputed{Profile: x.Profile, Response: x.Response, Rule: rule, Missed: missed}
		if d.times[k] > 0 || len(d.times) < maxDisputed {
			d.times[k]++
		}
	}
	for _, id := range x.Missed {
		count(id, true)
	}
	for _, id := range x.Extra {
		count(id, false)
	}
	if len(x.Missed)+len(x.Extra) == 0 {
		count(0, true)
	}
}

func (d *disputes) isOff(key engineOf) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off[key]
}

// Disputed lists the rules about which the fast path and Coraza disagreed since
// the start, by profile and number.
func (j *Judge) Disputed() []Disputed {
	j.disputes.mu.Lock()
	defer j.disputes.mu.Unlock()
	var out []Disputed
	for d, n := range j.disputes.times {
		d.Times = n
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Disputed) int {
		return cmp.Or(strings.Compare(a.Profile, b.Profile), cmp.Compare(a.Rule, b.Rule), cmp.Compare(b.Times, a.Times))
	})
	return out
}
