package fastpath

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

const (
	cacheSlots = 4096 // entries kept
	cacheWays  = 4
	cacheValue = 512 // bytes of the longest value kept
)

// verdicts remembers, for values that come again and again (a browser's
// headers, the cookies of one visitor, the paths of a site), which heads of
// their class match. An entry holds the whole value and counts only when it is
// equal, so no collision can make one value pass for another; the hash is keyed
// by a seed of the process. Space is fixed: at most cacheSlots values of
// cacheValue bytes. A value is kept when it is seen the second time, so that a
// flood of new ones costs nothing and drives little out.
type verdicts struct {
	seed  maphash.Seed
	slots [cacheSlots]atomic.Pointer[verdict]
	door  [cacheSlots]atomic.Uint32
	turn  atomic.Uint32
}

type verdict struct {
	hash  uint64
	id    uint32 // of the class, or of the table whose class it tells
	value string
	hits  []uint16 // heads of the class that match
	class *class   // of a key
}

func newVerdicts() *verdicts { return &verdicts{seed: maphash.MakeSeed()} }

func (v *verdicts) hash(id uint32, s string) uint64 {
	return maphash.String(v.seed, s) ^ uint64(id)*0x9e3779b97f4a7c15
}

func (v *verdicts) get(h uint64, id uint32, s string) *verdict {
	at := h & (cacheSlots/cacheWays - 1) * cacheWays
	for i := range uint64(cacheWays) {
		if e := v.slots[at+i].Load(); e != nil && e.hash == h && e.id == id && e.value == s {
			return e
		}
	}
	return nil
}

// again reports whether h was seen shortly before, and notes it.
func (v *verdicts) again(h uint64) bool {
	d := &v.door[h>>32&(cacheSlots-1)]
	mark := uint32(h) | 1
	if d.Load() == mark {
		return true
	}
	d.Store(mark)
	return false
}

// put keeps e, of which it copies what belongs to the request.
func (v *verdicts) put(h uint64, e *verdict) {
	e.hash, e.value, e.hits = h, strings.Clone(e.value), append([]uint16(nil), e.hits...)
	at := h & (cacheSlots/cacheWays - 1) * cacheWays
	for i := range uint64(cacheWays) {
		if v.slots[at+i].CompareAndSwap(nil, e) {
			return
		}
	}
	v.slots[at+uint64(v.turn.Add(1)%cacheWays)].Store(e)
}
