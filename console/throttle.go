package console

import (
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Attempts to sign in: so many at once, then one in so long, for one address
// and for one name. A name is slowed down, never locked, so that nobody can
// lock the owner out.
const (
	addressBurst = 20
	addressEvery = 6 * time.Second
	nameBurst    = 10
	nameEvery    = 5 * time.Second

	maxThrottled = 20_000 // entries remembered; the oldest give way
)

// throttle counts attempts. Names are counted whether they exist or not.
type throttle struct {
	mu      sync.Mutex
	entries map[[16]byte]*attempts
}

type attempts struct {
	limiter *rate.Limiter
	used    time.Time
}

func newThrottle() *throttle { return &throttle{entries: map[[16]byte]*attempts{}} }

// allow counts an attempt and returns how long to wait before it may be made;
// zero is now.
func (t *throttle) allow(now time.Time, address, name string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	wait := t.take(now, "address "+address, addressEvery, addressBurst)
	return max(wait, t.take(now, "name "+strings.ToLower(name), nameEvery, nameBurst))
}

// second counts an attempt at the second step of a name, which is slower.
func (t *throttle) second(now time.Time, name string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.take(now, "second "+strings.ToLower(name), secondEvery, secondBurst)
}

func (t *throttle) take(now time.Time, key string, every time.Duration, burst int) time.Duration {
	sum := sha256.Sum256([]byte(key))
	id := [16]byte(sum[:])
	e := t.entries[id]
	if e == nil {
		if len(t.entries) >= maxThrottled {
			t.forget(now)
		}
		e = &attempts{limiter: rate.NewLimiter(rate.Every(every), burst)}
		t.entries[id] = e
	}
	e.used = now
	r := e.limiter.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// forget drops entries whose attempts have all been given back, else half of
// them at random.
func (t *throttle) forget(now time.Time) {
	full := max(addressEvery*addressBurst, nameEvery*nameBurst, secondEvery*secondBurst)
	for id, e := range t.entries {
		if now.Sub(e.used) > full {
			delete(t.entries, id)
		}
	}
	for id := range t.entries {
		if len(t.entries) <= maxThrottled/2 {
			return
		}
		delete(t.entries, id)
	}
}
