package report

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"github.com/qorgan/qorgan/event"
)

// FloodOptions configures a [Flood]. Zero values are replaced by the defaults.
type FloodOptions struct {
	Full    func(event.Event)                          // takes what is kept one by one; must not block. Required.
	Tallies func(context.Context, []event.Tally) error // takes what was counted; on an error the same are offered again, by the same ids. Required.

	Rate   float64       // events a second of one site that are kept one by one; 50 by default
	Burst  int           // of them at once; 5000 by default
	Window time.Duration // how long events are counted before they are handed on; 10 s by default
	Keys   int           // most tallies in one window; what comes after is counted by site and class alone; 4096 by default
	Sites  int           // most sites told apart in one window; 20,000 by default
	Logger zerolog.Logger
}

// Flood stands in front of a [Queue] and keeps one site's flood from taking
// everybody's place: what is beyond a site's rate is counted instead of kept.
// What it was given is the sum of what it handed on. It owns one goroutine,
// which ends when Close returns; its methods are safe for concurrent use.
type Flood struct {
	options FloodOptions
	stop    chan struct{}
	done    chan struct{}

	mu      sync.Mutex
	sites   map[string]*rate.Limiter
	counted tallies
	offered []event.Tally // counts that were offered and not taken: offered again as they are
	total   int64
}

// NewFlood starts a Flood.
func NewFlood(o FloodOptions) (*Flood, error) {
	if o.Full == nil || o.Tallies == nil {
		return nil, errors.New("report: a flood needs somewhere to go")
	}
	if o.Rate <= 0 {
		o.Rate = 50
	}
	if o.Burst <= 0 {
		o.Burst = 5000
	}
	if o.Window <= 0 {
		o.Window = 10 * time.Second
	}
	if o.Keys <= 0 {
		o.Keys = 4096
	}
	if o.Sites <= 0 {
		o.Sites = 20_000
	}
	f := &Flood{options: o, stop: make(chan struct{}), done: make(chan struct{}), sites: map[string]*rate.Limiter{}, counted: tallies{most: o.Keys}}
	go f.run()
	return f, nil
}

// Record takes e, keeps it or counts it. It never blocks.
func (f *Flood) Record(e event.Event) {
	if f.passes(&e) {
		f.options.Full(e)
	}
}

func (f *Flood) passes(e *event.Event) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.sites[e.Site]
	if l == nil {
		if len(f.sites) >= f.options.Sites {
			clear(f.sites) // each begins with a full burst again
		}
		l = rate.NewLimiter(rate.Limit(f.options.Rate), f.options.Burst)
		f.sites[e.Site] = l
	}
	if l.AllowN(time.Now(), 1) {
		return true
	}
	f.counted.add(keyOf(e), 1, e.Time, e.Time)
	f.total++
	return false
}

// Tallied returns how many events were counted instead of kept.
func (f *Flood) Tallied() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.total
}

func (f *Flood) run() {
	defer close(f.done)
	tick := time.NewTicker(f.options.Window)
	defer tick.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-tick.C:
			if err := f.hand(context.Background()); err != nil {
				f.options.Logger.Warn().Err(err).Msg("counts of a flood cannot be stored; they wait in memory")
			}
		}
	}
}

// hand hands on what was counted. What is not taken stays offered, and what
// comes meanwhile is counted apart: who took it and could not say so knows it
// by its ids.
func (f *Flood) hand(ctx context.Context) error {
	for {
		f.mu.Lock()
		if len(f.offered) == 0 {
			f.offered = f.counted.take()
		}
		all := f.offered
		f.mu.Unlock()
		if len(all) == 0 {
			return nil
		}
		if err := f.options.Tallies(ctx, all); err != nil {
			return err
		}
		f.mu.Lock()
		f.offered = nil
		f.mu.Unlock()
	}
}

// Close hands on what was counted and stops. Its error says how many events
// are in nobody's count, because they could not be handed on. It may be called
// once.
func (f *Flood) Close(ctx context.Context) error {
	close(f.stop)
	<-f.done
	err := f.hand(ctx)
	if err == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var lost int64
	for _, t := range append(f.counted.take(), f.offered...) {
		lost += t.Count
	}
	return fmt.Errorf("report: counts of %d events were not stored: %w", lost, err)
}
