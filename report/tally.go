package report

import (
	"net/netip"
	"strings"
	"time"

	"github.com/qorgan/qorgan/event"
)

// tallyKey is what events counted together have in common.
type tallyKey struct {
	site    string
	action  event.Action
	class   event.Class
	rule    int
	reason  string
	network netip.Prefix
	path    string
}

// keyOf returns the key of e with every detail.
func keyOf(e *event.Event) tallyKey {
	k := tallyKey{site: e.Site, action: e.Action, class: e.Class(), reason: e.Reason, network: wideNetwork(e.Client.Addr), path: pathShape(e.Request.Target)}
	if len(e.Rules) > 0 {
		k.rule = e.Rules[0]
	}
	return k
}

// coarse returns the key without what makes keys many.
func (k tallyKey) coarse() tallyKey {
	return tallyKey{site: k.site, action: k.action, class: k.class}
}

func keyOfTally(t *event.Tally) tallyKey {
	return tallyKey{site: t.Site, action: t.Action, class: t.Class, rule: t.Rule, reason: t.Reason, network: t.Network, path: t.Path}
}

// wideNetwork is the client's /24, or /64 for IPv6: wide enough that a flood
// from one provider's customers is a few lines.
func wideNetwork(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// pathShape is a target's path with "#" for every part that is a number, so
// that /product/1 and /product/2 are counted together. It has at most six parts
// and 100 bytes.
func pathShape(target string) string {
	path, _, _ := strings.Cut(target, "?")
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(parts) > 6 {
		parts = append(parts[:6], "…")
	}
	for i, p := range parts {
		if strings.IndexFunc(p, func(r rune) bool { return r < '0' || r > '9' }) < 0 && p != "" {
			parts[i] = "#"
		}
	}
	shape := "/" + strings.Join(parts, "/")
	if len(shape) > 100 {
		shape = strings.ToValidUTF8(shape[:97], "") + "…"
	}
	return shape
}

// tallies counts by key. The zero value is ready. It has no lock.
type tallies struct {
	most  int // keys kept apart; more are counted without details
	byKey map[tallyKey]*event.Tally
}

func (t *tallies) add(k tallyKey, n int64, first, last time.Time) {
	if t.byKey == nil {
		t.byKey = map[tallyKey]*event.Tally{}
	}
	c := t.byKey[k]
	if c == nil && t.most > 0 && len(t.byKey) >= t.most {
		k = k.coarse()
		c = t.byKey[k]
	}
	if c == nil {
		id, _ := event.NewID()
		c = &event.Tally{ID: id, First: first, Last: last, Site: k.site, Action: k.action, Class: k.class,
			Rule: k.rule, Reason: k.reason, Network: k.network, Path: k.path}
		t.byKey[k] = c
	}
	c.Count += n
	if first.Before(c.First) {
		c.First = first
	}
	if last.After(c.Last) {
		c.Last = last
	}
}

// take returns what was counted and begins anew.
func (t *tallies) take() []event.Tally {
	all := make([]event.Tally, 0, len(t.byKey))
	for _, c := range t.byKey {
		all = append(all, *c)
	}
	t.byKey = nil
	return all
}
