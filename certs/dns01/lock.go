package dns01

import (
	"context"
	"errors"
	"sync"
)

// locks hold a name for one caller at a time: within this process by a channel
// a name, between edges by the storage.
type locks struct {
	between Locker

	mu    sync.Mutex
	names map[string]*turn
}

// turn is one name's; users counts who holds it or waits.
type turn struct {
	free  chan struct{} // holds one token while nobody has the name
	users int
}

func newLocks(between Locker) *locks { return &locks{between: between, names: map[string]*turn{}} }

func (l *locks) lock(ctx context.Context, name string) error {
	l.mu.Lock()
	t := l.names[name]
	if t == nil {
		t = &turn{free: make(chan struct{}, 1)}
		t.free <- struct{}{}
		l.names[name] = t
	}
	t.users++
	l.mu.Unlock()
	select {
	case <-t.free:
	case <-ctx.Done():
		l.leave(name, t)
		return errors.Join(errors.New("another order changes the record"), ctx.Err())
	}
	if l.between == nil {
		return nil
	}
	if err := l.between.Lock(ctx, lockName(name)); err != nil {
		t.free <- struct{}{}
		l.leave(name, t)
		return err
	}
	return nil
}

func lockName(name string) string { return "dns_record_" + name }

func (l *locks) unlock(ctx context.Context, name string) {
	if l.between != nil {
		_ = l.between.Unlock(context.WithoutCancel(ctx), lockName(name)) // one that stays ends with its lease
	}
	l.mu.Lock()
	t := l.names[name]
	l.mu.Unlock()
	t.free <- struct{}{}
	l.leave(name, t)
}

func (l *locks) leave(name string, t *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.users--; t.users == 0 {
		delete(l.names, name)
	}
}
