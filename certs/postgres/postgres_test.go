package postgres

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/certs"
	"github.com/qorgan/qorgan/internal/postgrestest"
)

func open(t *testing.T, address string) *Storage {
	t.Helper()
	s, err := Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestStorage follows the sentences of certmagic's contract.
func TestStorage(t *testing.T) {
	address := postgrestest.Start(t)
	ctx, s := t.Context(), open(t, address)
	if _, err := s.Load(ctx, "a/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing is there: %v", err)
	}
	if _, err := s.Stat(ctx, "a/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing is there: %v", err)
	}
	if _, err := s.List(ctx, "a", false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing is there: %v", err)
	}
	for _, key := range []string{"a/b/c", "a/b/d", "a/e", "ab/f", "a%/g"} {
		for _, value := range []string{"first", "of " + key} {
			if err := s.Store(ctx, key, []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
	}
	other := open(t, address)
	if got, err := other.Load(ctx, "a/b/c"); err != nil || string(got) != "of a/b/c" {
		t.Errorf("another edge reads %q, %v", got, err)
	}
	if info, err := s.Stat(ctx, "a/b/c"); err != nil || !info.IsTerminal || info.Size != int64(len("of a/b/c")) || time.Since(info.Modified) > time.Hour {
		t.Errorf("%+v, %v", info, err)
	}
	if info, err := s.Stat(ctx, "a/b"); err != nil || info.IsTerminal {
		t.Errorf("%+v, %v", info, err)
	}
	if got, err := s.List(ctx, "a", false); err != nil || !slices.Equal(got, []string{"a/b", "a/e"}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := s.List(ctx, "a", true); err != nil || !slices.Equal(got, []string{"a/b/c", "a/b/d", "a/e"}) {
		t.Errorf("%v, %v", got, err)
	}
	if err := s.Delete(ctx, "a/b"); err != nil {
		t.Fatal(err)
	}
	if s.Exists(ctx, "a/b/c") || s.Exists(ctx, "a/b") || !s.Exists(ctx, "a/e") || !s.Exists(ctx, "ab") {
		t.Error("the wrong keys are gone")
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Load(ended, "a/e"); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was ended: %v", err)
	}
}

// TestLock: one holder at a time; a lock whose holder gives no sign of life is
// free after a lease, and not before.
func TestLock(t *testing.T) {
	address := postgrestest.Start(t)
	ctx := t.Context()
	var mu sync.Mutex
	inside, worst := 0, 0
	var all sync.WaitGroup
	for range 2 {
		s := open(t, address)
		for range 10 {
			all.Go(func() {
				if err := s.Lock(ctx, "one"); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				inside++
				worst = max(worst, inside)
				mu.Unlock()
				mu.Lock()
				inside--
				mu.Unlock()
				if err := s.Unlock(ctx, "one"); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if worst != 1 {
		t.Errorf("%d held one lock", worst)
	}

	dead, err := Open(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.Lock(ctx, "left"); err != nil {
		t.Fatal(err)
	}
	dead.pool.Close() // as a process that was killed: no sign of life any more
	s := open(t, address)
	soon, cancel := context.WithTimeout(ctx, lease/3)
	defer cancel()
	if err := s.Lock(soon, "left"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a lock was taken from one who may live: %v", err)
	}
	began := time.Now()
	if err := s.Lock(ctx, "left"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 2*lease {
		t.Errorf("the dead one's lock was free after %s", took)
	}
	if err := s.Unlock(ctx, "left"); err != nil {
		t.Error(err)
	}
	if err := s.Unlock(ctx, "left"); err == nil {
		t.Error("what is not held was given back")
	}
}

func TestAddress(t *testing.T) {
	for _, address := range []string{"postgres://user:secret@/%zz", "port=secret"} {
		if _, err := Open(t.Context(), address); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("error %v", err)
		}
	}
}

// TestTicketsOfEdges: edges of one database that start at the same moment seal
// session tickets with the same keys.
func TestTicketsOfEdges(t *testing.T) {
	address := postgrestest.Start(t)
	const edges = 4
	got := make([]*certs.Tickets, edges)
	var all sync.WaitGroup
	for i := range edges {
		s := open(t, address)
		all.Go(func() { got[i] = certs.NewTickets(s, zerolog.Nop()) })
	}
	all.Wait()
	for i, e := range got {
		t.Cleanup(func() { _ = e.Close() })
		if !slices.Equal(e.Keys(), got[0].Keys()) {
			t.Errorf("edge %d has other keys", i)
		}
	}
}
