package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qorgan/qorgan/event"
)

// store is a sink that can be broken and mended.
type store struct {
	mu     sync.Mutex
	err    error
	ids    []string
	calls  []int
	losses []event.Loss
}

func (s *store) sink(ctx context.Context, batch []event.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.calls = append(s.calls, len(batch))
	for _, e := range batch {
		s.ids = append(s.ids, e.ID)
	}
	return nil
}

func (s *store) lost(ctx context.Context, l event.Loss) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.losses = append(s.losses, l)
	return nil
}

func (s *store) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *store) sizes() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *store) stored() ([]string, []event.Loss) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids), slices.Clone(s.losses)
}

func numbered(from, to int) []string {
	var ids []string
	for i := from; i < to; i++ {
		ids = append(ids, fmt.Sprint(i))
	}
	return ids
}

func record(q *Queue, ids []string) {
	for _, id := range ids {
		q.Record(event.Event{ID: id, Time: time.Now()})
	}
}

func TestQueueBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		q, err := New(Options{Sink: s.sink, Batch: 10, Wait: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		record(q, numbered(0, 3))
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		if got := s.sizes(); len(got) != 0 {
			t.Errorf("an incomplete batch left early: %v", got)
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if got := s.sizes(); !slices.Equal(got, []int{3}) {
			t.Errorf("calls = %v; want [3]", got)
		}
		record(q, numbered(3, 13))
		synctest.Wait()
		if got := s.sizes(); !slices.Equal(got, []int{3, 10}) {
			t.Errorf("a complete batch did not leave at once: %v", got)
		}
		record(q, numbered(13, 38))
		if err := q.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := numbered(0, 38); !slices.Equal(s.ids, want) {
			t.Errorf("stored %v", s.ids)
		}
		if got := q.Stats(); got.Recorded != 38 || got.Stored != 38 || got.Queued != 0 || got.Dropped != 0 {
			t.Errorf("stats = %+v", got)
		}
	})
}

func TestQueueKeepsEventsWhileTheSinkFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{err: errors.New("disk full")}
		q, err := New(Options{Sink: s.sink, Lost: s.lost, Size: 50, Batch: 10})
		if err != nil {
			t.Fatal(err)
		}
		record(q, numbered(0, 80))
		time.Sleep(time.Minute)
		synctest.Wait()
		got := q.Stats()
		if got.Queued != 50 || got.Dropped != 30 || got.Failing != "disk full" || got.Failures < 5 || got.Failures > 40 {
			t.Errorf("stats while it fails = %+v", got)
		}
		s.fail(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		ids, losses := s.stored()
		if want := numbered(0, 50); !slices.Equal(ids, want) {
			t.Errorf("stored %v", ids)
		}
		if got := q.Stats(); got.Failing != "" || got.Queued != 0 || got.Stored != 50 {
			t.Errorf("stats after it healed = %+v", got)
		}
		var lost int64
		for _, l := range losses {
			lost += l.Count
			if l.Reason != "queue-full" || l.First.After(l.Last) || l.ID == "" {
				t.Errorf("loss = %+v", l)
			}
		}
		if lost != 30 {
			t.Errorf("%d lost events were written down; want 30", lost)
		}
		if err := q.Close(t.Context()); err != nil {
			t.Error(err)
		}
		q.Record(event.Event{})
		if got := q.Stats(); got.Dropped != 31 {
			t.Errorf("an event after Close is not counted: %+v", got)
		}
	})
}

func TestQueueCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{err: errors.New("locked")}
		q, err := New(Options{Sink: s.sink, Batch: 10})
		if err != nil {
			t.Fatal(err)
		}
		record(q, numbered(0, 25))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := q.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close = %v", err)
		}
		if got := q.Stats(); got.Dropped != 25 || got.Queued != 0 {
			t.Errorf("stats = %+v", got)
		}
	})
}

// TestQueueLosesNothingUncounted records from many goroutines against a sink
// that fails every third time.
func TestQueueLosesNothingUncounted(t *testing.T) {
	s := &store{}
	n := 0
	q, err := New(Options{
		Size: 300, Batch: 20, Wait: time.Millisecond, backoff: time.Microsecond,
		Lost: s.lost,
		Sink: func(ctx context.Context, batch []event.Event) error {
			if n++; n%3 == 0 {
				return errors.New("busy")
			}
			return s.sink(ctx, batch)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				id, _ := event.NewID()
				q.Record(event.Event{ID: id})
			}
		})
	}
	wg.Wait()
	if err := q.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var lost int64
	for _, l := range s.losses {
		lost += l.Count
	}
	slices.Sort(s.ids)
	if distinct := len(slices.Compact(s.ids)); distinct+int(lost) != 16000 {
		t.Errorf("%d stored + %d lost; want 16000", distinct, lost)
	}
	if got := q.Stats(); got.Recorded != got.Stored+got.Dropped {
		t.Errorf("stats = %+v", got)
	}
}

func BenchmarkRecord(b *testing.B) {
	q, err := New(Options{Sink: func(context.Context, []event.Event) error { return nil }})
	if err != nil {
		b.Fatal(err)
	}
	e := event.Event{ID: "x"}
	b.ReportAllocs()
	for b.Loop() {
		q.Record(e)
	}
	if err := q.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}
