package report

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/event"
)

// Options configures a [Queue]. Zero values are replaced by the defaults.
type Options struct {
	// Sink accepts a batch, or returns an error and is called again with the
	// same events. It may see an event twice (when it accepted a batch and
	// its answer was lost) and must ignore ids that it has. It must not keep
	// the slice. Required.
	Sink func(context.Context, []event.Event) error

	// Lost accepts the record of a loss, on the same terms. Optional.
	Lost func(context.Context, event.Loss) error

	Size   int           // events held in memory; 8192 by default
	Batch  int           // most events in one call of Sink; 500 by default
	Wait   time.Duration // longest an event waits for company; 200 ms by default
	Logger zerolog.Logger

	backoff time.Duration // first pause after a failure; 100 ms
	longest time.Duration // longest pause; 5 s
}

// Stats is what a queue has done since it was made. Recorded = Stored +
// Dropped + Queued at any moment in which no call is under way.
type Stats struct {
	Recorded int64  // calls of Record
	Stored   int64  // accepted by the sink
	Dropped  int64  // lost because the queue was full or closed
	Queued   int    // waiting, the batch under way included
	Size     int    // most that may wait
	Failures int64  // calls of the sink that failed
	Failing  string // the sink's last error; empty when the last call succeeded
}

// Queue is a bounded queue of events in memory. The zero value is not usable.
type Queue struct {
	options Options
	wake    chan struct{} // holds one token when there is news
	full    chan struct{} // holds one token when a batch is complete
	cancel  context.CancelCauseFunc
	done    chan struct{}

	mu     sync.Mutex
	ring   []event.Event
	head   int // index of the oldest
	count  int // events in ring
	flight int // events handed to the sink and not yet accepted
	closed bool
	stats  Stats
	loss   event.Loss // not yet written down; Count 0 when there is none
}

// New starts a queue.
func New(o Options) (*Queue, error) {
	if o.Sink == nil {
		return nil, errors.New("report: a queue needs a sink")
	}
	if o.Size <= 0 {
		o.Size = 8192
	}
	if o.Batch <= 0 {
		o.Batch = 500
	}
	if o.Wait <= 0 {
		o.Wait = 200 * time.Millisecond
	}
	if o.backoff <= 0 {
		o.backoff = 100 * time.Millisecond
	}
	if o.longest <= 0 {
		o.longest = 5 * time.Second
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	q := &Queue{
		options: o,
		wake:    make(chan struct{}, 1),
		full:    make(chan struct{}, 1),
		cancel:  cancel,
		done:    make(chan struct{}),
		ring:    make([]event.Event, o.Size),
	}
	q.stats.Size = o.Size
	go q.run(ctx)
	return q, nil
}

// Record takes e. It never blocks and never fails: when the queue is full or
// closed the event is dropped and counted.
func (q *Queue) Record(e event.Event) {
	q.mu.Lock()
	q.stats.Recorded++
	switch {
	case q.closed:
		q.drop(1, e.Time, "closed")
	case q.count+q.flight == len(q.ring):
		q.drop(1, e.Time, "queue-full")
	default:
		q.ring[(q.head+q.count)%len(q.ring)] = e
		q.count++
	}
	complete := q.count >= q.options.Batch
	q.mu.Unlock()
	signal(q.wake)
	if complete {
		signal(q.full)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// drop counts n lost events. The caller holds q.mu.
func (q *Queue) drop(n int64, at time.Time, reason string) {
	if q.loss.Count == 0 {
		id, _ := event.NewID()
		q.loss = event.Loss{ID: id, First: at, Reason: reason}
	}
	q.loss.Count += n
	q.loss.Last = at
	q.stats.Dropped += n
}

// Stats returns the queue's figures.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Queued = q.count + q.flight
	return s
}

// Close refuses further events, hands over what is queued and waits. When ctx
// ends first the rest is dropped and counted, and the error says how many
// events that were. It may be called once.
func (q *Queue) Close(ctx context.Context) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return errors.New("report: queue closed twice")
	}
	q.closed = true
	q.mu.Unlock()
	signal(q.wake)
	signal(q.full)
	select {
	case <-q.done:
	case <-ctx.Done():
		q.cancel(ctx.Err())
		<-q.done
	}
	q.cancel(nil)

	q.mu.Lock()
	defer q.mu.Unlock()
	if left := q.count + q.flight; left > 0 {
		q.count, q.flight = 0, 0
		q.drop(int64(left), time.Now().UTC(), "closed")
		return fmt.Errorf("report: %d events were not stored: %w", left, context.Cause(ctx))
	}
	return nil
}

// run hands events on until the queue is closed and empty, or ctx ends.
func (q *Queue) run(ctx context.Context) {
	defer close(q.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if !q.await(ctx, timer) {
			return
		}
		batch := q.take()
		if len(batch) > 0 && !q.deliver(ctx, batch) {
			return
		}
		q.confess(ctx)
		if q.finished() {
			return
		}
	}
}

// await returns when a batch is complete, or when the oldest event has waited
// long enough, or when the queue is closed. It reports false when ctx ended.
func (q *Queue) await(ctx context.Context, timer *time.Timer) bool {
	for {
		q.mu.Lock()
		count, closed := q.count, q.closed
		loss := q.loss.Count > 0
		q.mu.Unlock()
		if closed || count >= q.options.Batch {
			return ctx.Err() == nil
		}
		if count > 0 || loss {
			timer.Reset(q.options.Wait)
			select {
			case <-q.full:
			case <-timer.C:
			case <-ctx.Done():
				return false
			}
			return true
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
			return false
		}
	}
}

// take moves the oldest events out of the ring.
func (q *Queue) take() []event.Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(q.count, q.options.Batch)
	batch := make([]event.Event, n)
	for i := range batch {
		at := (q.head + i) % len(q.ring)
		batch[i], q.ring[at] = q.ring[at], event.Event{}
	}
	q.head = (q.head + n) % len(q.ring)
	q.count -= n
	q.flight = n
	return batch
}

// deliver calls the sink until it accepts the batch. It reports false when
// ctx ended before.
func (q *Queue) deliver(ctx context.Context, batch []event.Event) bool {
	pause := q.options.backoff
	for {
		err := q.options.Sink(ctx, batch)
		q.mu.Lock()
		before := q.stats.Failing
		if err == nil {
			q.stats.Stored += int64(len(batch))
			q.stats.Failing = ""
			q.flight = 0
		} else {
			q.stats.Failures++
			q.stats.Failing = err.Error()
		}
		q.mu.Unlock()
		if err == nil {
			if before != "" {
				q.options.Logger.Info().Msg("events are stored again")
			}
			return true
		}
		if before == "" {
			q.options.Logger.Warn().Err(err).Int("events", len(batch)).Msg("events cannot be stored; they wait in memory")
		}
		if !sleep(ctx, pause/2+rand.N(pause/2+1)) {
			return false
		}
		pause = min(pause*2, q.options.longest)
	}
}

// confess writes down what was lost. A failure leaves the loss to the next
// time.
func (q *Queue) confess(ctx context.Context) {
	q.mu.Lock()
	loss := q.loss
	q.loss = event.Loss{}
	q.mu.Unlock()
	if loss.Count == 0 || q.options.Lost == nil {
		return
	}
	if err := q.options.Lost(ctx, loss); err != nil {
		q.mu.Lock()
		if q.loss.Count > 0 {
			loss.Count += q.loss.Count
			loss.Last = q.loss.Last
		}
		q.loss = loss
		q.stats.Failures++
		q.mu.Unlock()
		return
	}
	q.options.Logger.Warn().Int64("events", loss.Count).Str("reason", loss.Reason).Msg("events were lost")
}

// finished reports whether the queue is closed and empty.
func (q *Queue) finished() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed && q.count == 0
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
