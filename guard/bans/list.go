package bans

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// Kind is what happens to a network.
type Kind uint8

// The kinds, the gentlest first.
const (
	None Kind = iota
	Strict
	Challenge
	Ban
)

// Rule is a decision about a network.
type Rule struct {
	ID      string
	Network netip.Prefix
	Kind    Kind
	Site    string // where it holds; empty for everywhere
	Until   time.Time
}

// entry is a rule in the list. It is immutable but for what is more of it: of a
// million rules nearly all have nothing more.
type entry struct {
	id    string
	key   addrKey
	until int64 // Unix milliseconds
	more  atomic.Pointer[more]
	bits  uint8
	kind  Kind
}

// more is what few rules have.
type more struct {
	site string
	next *entry // of the same network
	hits hits
}

func newEntry(r Rule, next *entry) *entry {
	e := &entry{id: r.ID, key: keyOf(r.Network.Addr()), bits: uint8(r.Network.Bits()), until: r.Until.UnixMilli(), kind: r.Kind}
	if r.Site != "" || next != nil {
		e.more.Store(&more{site: r.Site, next: next})
	}
	return e
}

func (e *entry) network() netip.Prefix { return netip.PrefixFrom(e.key.addr(), int(e.bits)) }

func (e *entry) next() *entry {
	if m := e.more.Load(); m != nil {
		return m.next
	}
	return nil
}

// counters returns the entry's counters.
func (e *entry) counters() *hits {
	if m := e.more.Load(); m != nil {
		return &m.hits
	}
	e.more.CompareAndSwap(nil, new(more))
	return &e.more.Load().hits
}

// list finds the rules of an address: those of the narrowest network that has
// any. It is immutable: most of it in a large table that is made seldom, what
// changed since in a small one that is made with each change. There a network
// without an entry hides the large one's.
type list struct {
	large, small table
	changed      map[netip.Prefix]*entry // what is in small
	size         int
}

// mostChanged is how many networks the small table has before all is made anew:
// so many, or one in so many of the large one's.
const (
	mostChanged  = 1024
	shareChanged = 64
)

func newList() *list { return &list{} }

// at returns the rules of exactly that network.
func (l *list) at(n netip.Prefix) *entry {
	if e, ok := l.changed[n]; ok {
		return e
	}
	return l.large.at(n)
}

// change returns the list with rules taken out and put in.
func (l *list) change(put, drop []Rule) *list {
	next := &list{large: l.large, size: l.size, changed: make(map[netip.Prefix]*entry, len(l.changed)+len(put)+len(drop))}
	for n, e := range l.changed {
		next.changed[n] = e
	}
	set := func(n netip.Prefix, e *entry) {
		was := next.at(n)
		switch {
		case was == nil && e != nil:
			next.size++
		case was != nil && e == nil:
			next.size--
		}
		next.changed[n] = e
	}
	for _, r := range drop {
		if e := next.at(r.Network); e != nil {
			set(r.Network, e.without(r.ID))
		}
	}
	for _, r := range put {
		set(r.Network, newEntry(r, next.at(r.Network).without(r.ID)))
	}
	if len(next.changed) > max(mostChanged, next.large.size()/shareChanged) {
		next.merge()
	}
	next.small = makeTable(next.changed)
	return next
}

// merge makes the large table anew.
func (l *list) merge() {
	all := make(map[netip.Prefix]*entry, l.size)
	for e := range l.large.each {
		if n := e.network(); !has(l.changed, n) {
			all[n] = e
		}
	}
	for n, e := range l.changed {
		if e != nil {
			all[n] = e
		}
	}
	l.large, l.changed = makeTable(all), nil
}

func has(m map[netip.Prefix]*entry, n netip.Prefix) bool {
	_, ok := m[n]
	return ok
}

// without returns the chain without a rule; nil when none is left. Counters of
// the others begin anew where the chain had to be copied.
func (e *entry) without(id string) *entry {
	if e == nil {
		return nil
	}
	rest := e.next().without(id)
	if e.id == id {
		return rest
	}
	if rest == e.next() {
		return e
	}
	copied := &entry{id: e.id, key: e.key, bits: e.bits, until: e.until, kind: e.kind}
	copied.more.Store(&more{site: e.more.Load().site, next: rest})
	return copied
}

// find returns the gravest rule that holds for an address at a site.
func (l *list) find(a netip.Addr, site string, now int64) *entry {
	key := keyOf(a.Unmap())
	for most := 129; ; {
		changed, n := l.small.find(key, most)
		e, m := l.large.find(key, most)
		switch {
		case m > n:
			return e.gravest(site, now)
		case changed != nil:
			return changed.gravest(site, now)
		case n < 0:
			return nil
		}
		most = n // the large table's is hidden: what is wider may hold
	}
}

func (e *entry) gravest(site string, now int64) (best *entry) {
	for ; e != nil; e = e.next() {
		if e.until > now && e.at(site) && (best == nil || e.kind > best.kind) {
			best = e
		}
	}
	return best
}

func (e *entry) at(site string) bool {
	m := e.more.Load()
	return m == nil || m.site == "" || m.site == site
}

// hits counts what met a rule.
type hits struct {
	refused, witnessed atomic.Int64
	agents             atomic.Uint64
	waits              atomic.Bool // to be told
}

// Hit is how many requests met a rule.
type Hit struct {
	ID                 string
	Refused, Witnessed int64
	Agents             uint64 // one bit for each browser, hashed, with which people seem to open pages
}
