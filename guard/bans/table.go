package bans

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
)

// table finds the narrowest network around an address. It is a hash table for
// each length of prefix that there is, a handful in practice: a look-up reads
// one place in memory for each, and one more for what it has found. Of a
// million networks that is what takes time, not the arithmetic.
type table struct {
	four, six []length // the longest prefixes first
}

// length is the networks of one length of prefix.
type length struct {
	bits  int
	shift int
	slots []slot // a power of two, at most half full
}

type slot struct {
	key   uint64
	entry *entry // nil beside used, when the network is hidden
	used  bool
}

// addrKey is an address as the tables know it.
type addrKey struct {
	hi, lo uint64
	four   bool
}

func keyOf(a netip.Addr) addrKey {
	if a.Is4() {
		b := a.As4()
		return addrKey{hi: uint64(binary.BigEndian.Uint32(b[:])) << 32, four: true}
	}
	b := a.As16()
	return addrKey{hi: binary.BigEndian.Uint64(b[:8]), lo: binary.BigEndian.Uint64(b[8:])}
}

func (k addrKey) addr() netip.Addr {
	if k.four {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(k.hi>>32))))
	}
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, k.hi), k.lo)))
}

// masked returns the key of the network of that length around an address. Up to
// 64 bits it is the network itself; of a longer one it is a hash, of which two
// networks share one among 2^64.
func (k addrKey) masked(n int) uint64 {
	if n <= 64 {
		return k.hi &^ (1<<(64-n) - 1)
	}
	return k.hi ^ mix(k.lo&^(1<<(128-n)-1))
}

// mix spreads a key's bits over all of it (the finaliser of MurmurHash3).
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

func makeTable(networks map[netip.Prefix]*entry) table {
	counts := map[bool]map[int]int{true: {}, false: {}}
	for n := range networks {
		counts[n.Addr().Is4()][n.Bits()]++
	}
	build := func(four bool) []length {
		var list []length
		for n, count := range counts[four] {
			size := max(8, 1<<bits.Len(uint(2*count-1)))
			list = append(list, length{bits: n, shift: 64 - bits.TrailingZeros(uint(size)), slots: make([]slot, size)})
		}
		slices.SortFunc(list, func(a, b length) int { return b.bits - a.bits })
		return list
	}
	t := table{four: build(true), six: build(false)}
	for n, e := range networks {
		lengths := t.six
		if n.Addr().Is4() {
			lengths = t.four
		}
		i := slices.IndexFunc(lengths, func(l length) bool { return l.bits == n.Bits() })
		lengths[i].add(keyOf(n.Addr()).masked(n.Bits()), e)
	}
	return t
}

func (l *length) add(key uint64, e *entry) {
	for i := mix(key) >> l.shift; ; i = (i + 1) & uint64(len(l.slots)-1) {
		if !l.slots[i].used {
			l.slots[i] = slot{key, e, true}
			return
		}
	}
}

func (l *length) get(key uint64) (e *entry, ok bool) {
	for i := mix(key) >> l.shift; l.slots[i].used; i = (i + 1) & uint64(len(l.slots)-1) {
		if l.slots[i].key == key {
			return l.slots[i].entry, true
		}
	}
	return nil, false
}

func (t *table) lengths(four bool) []length {
	if four {
		return t.four
	}
	return t.six
}

// find returns what stands at the narrowest network around an address whose
// prefix is shorter than most, and its length; -1 when there is none.
func (t *table) find(k addrKey, most int) (e *entry, n int) {
	lengths := t.lengths(k.four)
	for i := range lengths {
		l := &lengths[i]
		if l.bits >= most {
			continue
		}
		if e, ok := l.get(k.masked(l.bits)); ok {
			return e, l.bits
		}
	}
	return nil, -1
}

// at returns what stands at exactly that network.
func (t *table) at(n netip.Prefix) *entry {
	k := keyOf(n.Addr())
	for _, l := range t.lengths(k.four) {
		if l.bits == n.Bits() {
			e, _ := l.get(k.masked(l.bits))
			return e
		}
	}
	return nil
}

// each calls yield with every network's entry.
func (t *table) each(yield func(*entry) bool) {
	for _, lengths := range [][]length{t.four, t.six} {
		for _, l := range lengths {
			for _, s := range l.slots {
				if s.used && s.entry != nil && !yield(s.entry) {
					return
				}
			}
		}
	}
}

// size returns how many networks there is room for.
func (t *table) size() (n int) {
	for _, lengths := range [][]length{t.four, t.six} {
		for _, l := range lengths {
			n += len(l.slots) / 2
		}
	}
	return n
}
