package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/console/fleet"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/report"
)

// records takes the edge's events: secrets masked on the request's goroutine,
// then through a bounded queue into the store of the data folder, and into
// the outbox when the edge reports to a console elsewhere.
type records struct {
	db    *store.DB
	queue *report.Queue
	out   *outlet
	flood *report.Flood
	mask  *event.Redactor
	log   zerolog.Logger

	door atomic.Pointer[fleet.Door] // of the console in this process; nil for none
}

// insert stores events of this process, and has its console look at them.
func (r *records) insert(ctx context.Context, events []event.Event) error {
	err := r.db.Insert(ctx, events)
	if door := r.door.Load(); door != nil && err == nil {
		door.Notice(ownEdge, events)
	}
	return err
}

// flushTime is what a stop may spend on storing what is queued.
const flushTime = 10 * time.Second

// openRecords opens the store at an address, or below data without one, making
// it when there is none.
func openRecords(ctx context.Context, data, address string, registry *prometheus.Registry, log zerolog.Logger) (*records, error) {
	key, err := redactKey(data)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, cmp.Or(address, filepath.Join(data, store.File)))
	if err != nil {
		return nil, err
	}
	r := &records{db: db, mask: event.NewRedactor(key), log: log}
	queue, err := report.New(report.Options{Sink: r.insert, Lost: db.InsertLoss, Logger: component(log, "report")})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	r.queue = queue
	r.out = &outlet{data: data, log: component(log, "report")}
	r.flood, err = report.NewFlood(report.FloodOptions{Full: r.keepWhole, Tallies: r.keepCounts, Logger: component(log, "report")})
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	r.measure(registry)
	return r, nil
}

// measure shows the queue's figures.
func (r *records) measure(registry *prometheus.Registry) {
	for name, m := range map[string]struct {
		help  string
		value func(report.Stats) float64
	}{
		"qorgan_events_recorded_total": {"Refusals and detections kept one by one.", func(s report.Stats) float64 { return float64(s.Recorded) }},
		"qorgan_events_stored_total":   {"Events in the store.", func(s report.Stats) float64 { return float64(s.Stored) }},
		"qorgan_events_dropped_total":  {"Events lost because the queue was full.", func(s report.Stats) float64 { return float64(s.Dropped) }},
	} {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: m.help},
			func() float64 { return m.value(r.queue.Stats()) }))
	}
	registry.MustRegister(r.out, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "qorgan_events_counted_total", Help: "Events of a flood that were counted instead of kept."},
		func() float64 { return float64(r.flood.Tallied()) }))
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "qorgan_events_queued", Help: "Events waiting to be stored."},
		func() float64 { return float64(r.queue.Stats().Queued) }))
}

// sink is what the rooms of the edge get.
func (r *records) sink() eventSink {
	return eventSink{mask: r.mask, masked: r.flood.Record, record: r.record}
}

// record takes one event. It never blocks and is safe for concurrent use.
func (r *records) record(ev event.Event) {
	ev.Request = r.mask.Request(ev.Request)
	matches := make([]event.Match, len(ev.Matches))
	for i, m := range ev.Matches {
		matches[i] = r.mask.Match(m)
	}
	ev.Matches = matches
	r.flood.Record(ev)
}

// keepWhole keeps one event that is no part of a flood.
func (r *records) keepWhole(ev event.Event) {
	r.queue.Record(ev)
	r.out.record(ev)
}

// keepCounts keeps the counts of a flood. When one place took them and the other
// did not, both are offered them again, and the first ignores ids that it has.
func (r *records) keepCounts(ctx context.Context, all []event.Tally) error {
	return errors.Join(r.db.InsertTallies(ctx, all), r.out.tallies(ctx, all))
}

// keep deletes what is too old or too much, once an hour, until ctx is done.
func (r *records) keep(ctx context.Context, age time.Duration, space int64) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		var before time.Time
		if age > 0 {
			before = time.Now().Add(-age)
		}
		n, err := r.db.Trim(ctx, before, space)
		if err != nil && ctx.Err() == nil {
			r.log.Error().Err(err).Msg("old incidents not deleted")
		}
		if n > 0 {
			r.log.Info().Int64("incidents", n).Msg("old incidents deleted")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// close stores what is queued and closes the store.
func (r *records) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	var counts error
	if r.flood != nil {
		counts = r.flood.Close(ctx)
	}
	err := errors.Join(counts, r.queue.Close(ctx), r.out.close(), r.db.Close())
	if err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}
