package certs

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	// ticketPeriod is how long one key seals session tickets.
	ticketPeriod = 24 * time.Hour
	// ticketLife is how long a ticket is good after its key has stopped sealing
	// new ones. Whoever learns a key can read what was said under its tickets in
	// TLS 1.2, so that none is kept longer than it is of use.
	ticketLife = 24 * time.Hour
	// ticketLead is how long before its time a key is known to all edges.
	ticketLead = 6 * time.Hour
	// ticketLook is how often storage is read for what other edges put there.
	ticketLook = time.Minute
	// ticketPatience is how long a start waits for the keys of others.
	ticketPatience = 3 * time.Second
	ticketName     = "qorgan/tickets.key" // sealed, as private keys are
)

// Tickets are the keys that session tickets are sealed with (RFC 5077, RFC
// 8446, section 4.6.1): a new one each day, and shared by all edges of one
// storage, so that a session that began at one is resumed at another, and after
// a restart. Where the storage does not work, an edge goes on with keys of its
// own. It is safe for concurrent use.
type Tickets struct {
	storage Storage
	log     zerolog.Logger
	now     func() time.Time
	every   time.Duration

	mu      sync.Mutex // held by a look
	kept    []ticketKey
	failing bool
	keys    atomic.Pointer[[][32]byte]

	cancel context.CancelFunc
	ctx    context.Context
	over   chan struct{}
}

// ticketKey seals new tickets from a time on, until the next one's.
type ticketKey struct {
	From time.Time `json:"from"`
	Key  []byte    `json:"key"` // 32 bytes
}

// NewTickets takes keys from a storage, and puts them there; nil is none: the
// keys are then the process's own. Close ends what it starts.
func NewTickets(s Storage, log zerolog.Logger) *Tickets {
	return newTickets(s, log, ticketLook, time.Now)
}

func newTickets(s Storage, log zerolog.Logger, every time.Duration, now func() time.Time) *Tickets {
	t := &Tickets{storage: s, log: log, now: now, every: every, over: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	first, cancel := context.WithTimeout(t.ctx, ticketPatience)
	defer cancel()
	t.look(first)
	go func() {
		defer close(t.over)
		for sleep(t.ctx, t.every) == nil {
			t.look(t.ctx)
		}
	}()
	return t
}

// Close ends the rotation and waits for it.
func (t *Tickets) Close() error {
	t.cancel()
	<-t.over
	return nil
}

// Keys returns the keys in force: the first seals, all open. It is the same
// slice until they change, and never empty.
func (t *Tickets) Keys() [][32]byte { return *t.keys.Load() }

// look takes the keys from storage, adds one that is due, and puts in force what
// is.
func (t *Tickets) look(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	err := t.share(ctx, now)
	if err != nil && ctx.Err() == nil && !t.failing {
		t.log.Error().Err(err).Str("hint", "see the storage of certificates; meanwhile visitors of other edges greet anew").
			Msg("session ticket keys are not shared")
	}
	t.failing = err != nil
	if due(t.kept, now) {
		t.kept = rotated(t.kept, now) // of our own until the storage works
	}
	keys := inForce(t.kept, now)
	if was := t.keys.Load(); was == nil || !slices.Equal(*was, keys) {
		t.keys.Store(&keys)
	}
}

// share has storage and memory hold the same.
func (t *Tickets) share(ctx context.Context, now time.Time) error {
	if t.storage == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	kept, err := t.load(ctx)
	if err != nil {
		return err
	}
	if !due(kept, now) {
		t.kept = kept
		return nil
	}
	if err := t.storage.Lock(ctx, ticketName); err != nil {
		return fmt.Errorf("lock session ticket keys: %w", err)
	}
	defer func() { _ = t.storage.Unlock(context.WithoutCancel(ctx), ticketName) }()
	if kept, err = t.load(ctx); err != nil {
		return err
	}
	if due(kept, now) {
		kept = rotated(kept, now)
		b, err := json.Marshal(kept)
		if err != nil {
			return err
		}
		if err := t.storage.Store(ctx, ticketName, b); err != nil {
			return fmt.Errorf("write session ticket keys: %w", err)
		}
	}
	t.kept = kept
	return nil
}

// load reads what is in storage. Keys that can not be read any more are worth a
// word: visitors greet anew.
func (t *Tickets) load(ctx context.Context) ([]ticketKey, error) {
	b, err := t.storage.Load(ctx, ticketName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read session ticket keys: %w", err)
	case bytes.Contains(b, []byte(sealedType)):
		return nil, fmt.Errorf("read session ticket keys: %w", errSealed)
	}
	var kept []ticketKey
	err = json.Unmarshal(b, &kept)
	if err == nil && slices.ContainsFunc(kept, func(k ticketKey) bool { return len(k.Key) != 32 }) {
		err = errors.New("a key is not 32 bytes")
	}
	if err != nil {
		t.log.Error().Err(err).Str("file", ticketName).Msg("stored session ticket keys are damaged: new ones take their place")
		return nil, nil
	}
	slices.SortStableFunc(kept, func(a, b ticketKey) int { return a.From.Compare(b.From) })
	return kept, nil
}

// due reports whether kept, oldest first, is not what it should be by now.
func due(kept []ticketKey, now time.Time) bool {
	return !slices.EqualFunc(kept, rotated(kept, now), func(a, b ticketKey) bool { return a.From.Equal(b.From) })
}

// rotated is kept, oldest first, with a key for now and in time one for what
// follows, and without those of no more use.
func rotated(kept []ticketKey, now time.Time) []ticketKey {
	kept = slices.DeleteFunc(slices.Clone(kept), func(k ticketKey) bool {
		early := k.From.After(now.Add(ticketPeriod)) // the clock was set back
		return early || !k.From.Add(ticketPeriod+ticketLife).After(now)
	})
	if len(kept) == 0 || kept[0].From.After(now) {
		kept = slices.Insert(kept, 0, newTicketKey(now))
	}
	if next := kept[len(kept)-1].From.Add(ticketPeriod); !next.Add(-ticketLead).After(now) {
		if next.Before(now) {
			next = now
		}
		kept = append(kept, newTicketKey(next))
	}
	return kept
}

func newTicketKey(from time.Time) ticketKey {
	k := ticketKey{From: from, Key: make([]byte, 32)}
	_, _ = rand.Read(k.Key) // it does not fail
	return k
}

// inForce returns the key that seals now and then those that open: the ones
// before it, and the one after it, which an edge whose clock is ahead may seal
// with.
func inForce(kept []ticketKey, now time.Time) [][32]byte {
	at := 0
	for i, k := range kept {
		if !k.From.After(now) {
			at = i
		}
	}
	keys := [][32]byte{[32]byte(kept[at].Key)}
	for i, k := range kept {
		if i != at {
			keys = append(keys, [32]byte(k.Key))
		}
	}
	return keys
}
