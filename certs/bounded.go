package certs

import (
	"sync"
	"time"
)

// bounded is a map that forgets its oldest entries beyond a number of them, and
// every entry after its time. It is safe for concurrent use.
type bounded[V any] struct {
	limit int
	now   func() time.Time

	mu    sync.Mutex
	kept  map[string]perishable[V]
	order []string // by the time of their first entry, forgotten ones among them
}

type perishable[V any] struct {
	value V
	until time.Time // zero: for ever
}

func newBounded[V any](limit int, now func() time.Time) *bounded[V] {
	return &bounded[V]{limit: limit, now: now, kept: map[string]perishable[V]{}}
}

// get returns what is kept for key and whether anything is.
func (b *bounded[V]) get(key string) (V, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.kept[key]
	if ok && !p.until.IsZero() && !b.now().Before(p.until) {
		delete(b.kept, key)
		var none V
		return none, false
	}
	return p.value, ok
}

// put keeps value for key, until a time unless that is zero.
func (b *bounded[V]) put(key string, value V, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.kept[key]; !known {
		b.order = append(b.order, key)
	}
	b.kept[key] = perishable[V]{value, until}
	for len(b.kept) > b.limit || len(b.order) > 2*b.limit {
		delete(b.kept, b.order[0])
		b.order[0] = ""
		b.order = b.order[1:]
	}
}

// drop forgets key.
func (b *bounded[V]) drop(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.kept, key)
}

// each calls visit for what is kept until it returns false.
func (b *bounded[V]) each(visit func(key string, value V) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, p := range b.kept {
		if !visit(key, p.value) {
			return
		}
	}
}
