package certs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"
)

// rate lets burst events happen at once and one more every so often (the
// generic cell rate algorithm), as the authorities count.
type rate struct {
	key   string // of its state in storage
	every time.Duration
	burst int
}

// slots is the state of a rate. Full is when all of the burst would be free
// again if nothing happened any more; Until is when the authority will hear
// from us again.
type slots struct {
	Full  time.Time `json:"full"`
	Until time.Time `json:"until,omitzero"`
}

// next returns when the n-th event from now, counted from 1, may happen. A
// state that lies further in the future than it ever could is of a clock that
// was wrong, and is cut.
func (r rate) next(s slots, now time.Time, n int) time.Time {
	full := s.Full
	if latest := now.Add(time.Duration(r.burst) * r.every); full.After(latest) {
		full = latest
	}
	if full.Before(now) {
		full = now
	}
	at := full.Add(time.Duration(n-r.burst) * r.every)
	if at.Before(now) {
		at = now
	}
	if s.Until.After(at) && s.Until.Sub(now) < longestPause {
		at = s.Until
	}
	return at
}

// longestPause bounds what an authority may ask for, and what is believed of a
// clock that jumped.
const longestPause = 8 * 24 * time.Hour

// rates keeps the states of rates in storage, so that a restart forgets none.
// With a shared storage, states are read anew under a lock every time.
type rates struct {
	storage Storage
	shared  bool
	now     func() time.Time

	mu    sync.Mutex
	known *bounded[slots]
}

func newRates(s Storage, shared bool, now func() time.Time) *rates {
	return &rates{storage: s, shared: shared, now: now, known: newBounded[slots](maxKnown, now)}
}

// take lets one event of r happen now and returns zero, or returns when one may
// happen and changes nothing.
func (l *rates) take(ctx context.Context, r rate) (time.Time, error) {
	var at time.Time
	err := l.change(ctx, r, func(s slots) (slots, bool) {
		now := l.now()
		if at = r.next(s, now, 1); at.After(now) {
			return s, false
		}
		at = time.Time{}
		full := r.next(s, now, r.burst) // where the last of the burst is now
		s.Full = full.Add(r.every)
		return s, true
	})
	return at, err
}

// pause lets no event of r happen before a time, and no burst after it: who
// asked for the pause has counted more than we did.
func (l *rates) pause(ctx context.Context, r rate, until time.Time) error {
	return l.change(ctx, r, func(s slots) (slots, bool) {
		if !until.After(s.Until) {
			return s, false
		}
		s.Until = until
		if full := until.Add(time.Duration(r.burst-1) * r.every); full.After(s.Full) {
			s.Full = full
		}
		return s, true
	})
}

// peek returns when the n-th event from now may happen, as far as is known
// without asking a shared storage.
func (l *rates) peek(ctx context.Context, r rate, n int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.known.get(r.key)
	if !ok {
		var err error
		if s, err = l.load(ctx, r.key); err != nil {
			return l.now()
		}
		l.known.put(r.key, s, time.Time{})
	}
	return r.next(s, l.now(), n)
}

func (l *rates) change(ctx context.Context, r rate, f func(slots) (slots, bool)) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.known.get(r.key)
	if l.shared {
		if err := l.storage.Lock(ctx, r.key); err != nil {
			return fmt.Errorf("lock %s: %w", r.key, err)
		}
		defer func() { err = errors.Join(err, l.storage.Unlock(context.WithoutCancel(ctx), r.key)) }()
	}
	if !ok || l.shared {
		if s, err = l.load(ctx, r.key); err != nil {
			return err
		}
	}
	s, changed := f(s)
	l.known.put(r.key, s, time.Time{})
	if !changed {
		return nil
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := l.storage.Store(ctx, r.key, b); err != nil {
		return fmt.Errorf("write %s: %w", r.key, err)
	}
	return nil
}

// load reads a state; one that can not be understood is a fresh one, for the
// authority counts as well.
func (l *rates) load(ctx context.Context, key string) (slots, error) {
	var s slots
	b, err := l.storage.Load(ctx, key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, nil
	case err != nil:
		return s, fmt.Errorf("read %s: %w", key, err)
	}
	if json.Unmarshal(b, &s) != nil {
		return slots{}, nil
	}
	return s, nil
}
