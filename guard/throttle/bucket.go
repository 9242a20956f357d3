package throttle

import (
	"sync"
	"time"
)

// limit is how many failures are free, and how fast that recovers.
type limit struct {
	burst float64
	every time.Duration // one failure is forgiven in so long
}

// debt bounds how far below zero a bucket may go, in failures.
const debt = 60

// buckets counts failures by key, at most max keys. It is safe for concurrent
// use.
type buckets struct {
	limit
	max int
	now func() time.Time

	mu sync.Mutex
	m  map[uint64]bucket
}

type bucket struct {
	left float64 // failures still free
	at   int64   // when left was right, Unix nanoseconds
	told int64   // when an event last said that it is empty
}

func newBuckets(l limit, limit int, now func() time.Time) *buckets {
	return &buckets{limit: l, max: limit, now: now, m: map[uint64]bucket{}}
}

// get returns the bucket as it is now.
func (b *buckets) get(key uint64, now int64) bucket {
	k, ok := b.m[key]
	if !ok {
		return bucket{left: b.burst, at: now}
	}
	k.left = min(b.burst, k.left+float64(now-k.at)/float64(b.every))
	k.at = now
	return k
}

// take spends cost where there is something left; otherwise it returns how long
// to wait, and whether that is worth an event: the first time in a minute.
func (b *buckets) take(key uint64, cost float64) (wait time.Duration, tell bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now().UnixNano()
	k := b.get(key, now)
	if k.left < cost {
		wait = max(time.Second, time.Duration((cost-k.left)*float64(b.every)))
		if tell = now-k.told >= int64(time.Minute); tell {
			k.told = now
			b.m[key] = k
		}
		return wait, tell
	}
	k.left -= cost
	b.set(key, k, now)
	return 0, false
}

// spend adds cost to what was spent; a negative one gives back.
func (b *buckets) spend(key uint64, cost float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now().UnixNano()
	k := b.get(key, now)
	k.left = max(-debt, min(b.burst, k.left-cost))
	b.set(key, k, now)
}

// set stores a bucket; a full one needs no memory.
func (b *buckets) set(key uint64, k bucket, now int64) {
	if k.left >= b.burst {
		delete(b.m, key)
		return
	}
	if _, ok := b.m[key]; !ok && len(b.m) >= b.max {
		b.sweep(now)
	}
	b.m[key] = k
}

// sweep makes room: what has recovered goes, and if nothing has, whatever comes
// first. It looks at a bounded number of keys.
func (b *buckets) sweep(now int64) {
	looked := 0
	var any uint64
	for key := range b.m {
		any = key
		if b.get(key, now).left >= b.burst {
			delete(b.m, key)
		}
		if looked++; looked == 256 {
			break
		}
	}
	if len(b.m) >= b.max {
		delete(b.m, any)
	}
}

func (b *buckets) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.m)
}
