package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/report"
	"github.com/qorgan/qorgan/report/outbox"
	"github.com/qorgan/qorgan/report/wire"
)

func enrolmentFile(data string) string { return filepath.Join(data, "enrolment.json") }
func outboxFolder(data string) string  { return filepath.Join(data, "outbox") }

// enrolPause is how soon a running edge notices that it was enrolled.
const enrolPause = 2 * time.Second

// outboxShare is the most of the disk's free space that reports may take, one
// part in so many.
const outboxShare = 10

// outlet is what of an edge's records goes to a console elsewhere. While the
// edge is not enrolled it takes nothing.
type outlet struct {
	data   string
	log    zerolog.Logger
	follow func(context.Context, report.Enrolment) error // takes decisions while the edge is enrolled; nil takes none

	mu      sync.Mutex
	box     *outbox.Outbox
	queue   *report.Queue
	shipper *report.Shipper

	lost struct {
		sync.Mutex
		waiting []event.Loss // what the outbox lost and nobody has written down
	}
}

// record takes one event. It never blocks.
func (o *outlet) record(e event.Event) {
	o.mu.Lock()
	q := o.queue
	o.mu.Unlock()
	if q != nil {
		q.Record(e)
	}
}

// tallies takes counts.
func (o *outlet) tallies(_ context.Context, all []event.Tally) error {
	o.mu.Lock()
	box := o.box
	o.mu.Unlock()
	if box == nil {
		return nil
	}
	items := make([]wire.Item, len(all))
	for i := range all {
		items[i].Tally = &all[i]
	}
	return o.put(box, items)
}

// put appends items, and with them the losses that nobody has written down.
func (o *outlet) put(box *outbox.Outbox, items []wire.Item) error {
	o.lost.Lock()
	waiting := o.lost.waiting
	o.lost.waiting = nil
	o.lost.Unlock()
	for i := range waiting {
		items = append(items, wire.Item{Loss: &waiting[i]})
	}
	records := make([][]byte, len(items))
	for i, item := range items {
		var err error
		if records[i], err = item.Encode(); err != nil {
			return err
		}
	}
	err := box.Append(records)
	if err != nil {
		o.lost.Lock()
		defer o.lost.Unlock()
		o.lost.waiting = append(waiting, o.lost.waiting...)
	}
	return err
}

// damaged notes what an outbox lost.
func (o *outlet) damaged(n int64, reason string) {
	o.log.Error().Int64("records", n).Str("reason", reason).Msg("reports were lost")
	id, _ := event.NewID()
	now := time.Now().UTC()
	o.lost.Lock()
	defer o.lost.Unlock()
	o.lost.waiting = append(o.lost.waiting, event.Loss{ID: id, First: now, Last: now, Count: n, Reason: reason})
}

// run ships what was recorded as soon as the edge is enrolled, until ctx ends.
// What is recorded later still goes to the disk, until close.
func (o *outlet) run(ctx context.Context) error {
	tick := time.NewTicker(enrolPause)
	defer tick.Stop()
	var enrolled report.Enrolment
	for {
		e, err := report.LoadEnrolment(enrolmentFile(o.data))
		switch {
		case err == nil && e.Edge != enrolled.Edge:
			enrolled = e
			if err := o.ship(ctx, e, tick.C); err != nil {
				return err
			}
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			o.log.Warn().Err(err).Msg("reports go nowhere")
			enrolled = report.Enrolment{Edge: "unreadable"}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// ship ships until ctx ends or the edge is enrolled elsewhere.
func (o *outlet) ship(ctx context.Context, e report.Enrolment, tick <-chan time.Time) error {
	if err := o.open(e); err != nil {
		return err
	}
	o.log.Info().Str("console", e.Console).Str("edge", e.Edge).Msg("reporting")
	inner, stop := context.WithCancel(ctx)
	both, inner := errgroup.WithContext(inner)
	both.Go(func() error { return o.shipper.Run(inner) })
	if o.follow != nil {
		both.Go(func() error {
			err := o.follow(inner, e)
			if err != nil { // reports go on
				o.log.Error().Err(err).Msg("no decisions are taken from the console")
			}
			return nil
		})
	}
	done := make(chan error, 1)
	go func() { done <- both.Wait() }()
	defer stop()
	file, _ := os.Stat(enrolmentFile(o.data))
	for {
		select {
		case <-ctx.Done():
			return <-done
		case <-tick:
			now, err := os.Stat(enrolmentFile(o.data))
			if err == nil && file != nil && now.ModTime().Equal(file.ModTime()) {
				continue
			}
			stop()
			return errors.Join(<-done, o.close())
		}
	}
}

func (o *outlet) open(e report.Enrolment) error {
	box, err := outbox.Open(outbox.Options{
		Dir: outboxFolder(o.data), For: e.Edge, Capacity: outboxCapacity(o.data), Fold: report.Fold, Damaged: o.damaged,
	})
	if err != nil {
		return err
	}
	shipper, err := report.NewShipper(report.ShipperOptions{Outbox: box, Enrolment: e, Version: version(), Logger: o.log})
	if err != nil {
		return errors.Join(err, box.Close())
	}
	queue, err := report.New(report.Options{
		Logger: o.log,
		Sink: func(_ context.Context, events []event.Event) error {
			items := make([]wire.Item, len(events))
			for i := range events {
				items[i].Event = &events[i]
			}
			return o.put(box, items)
		},
		Lost: func(_ context.Context, l event.Loss) error { return o.put(box, []wire.Item{{Loss: &l}}) },
	})
	if err != nil {
		return errors.Join(err, box.Close())
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.box, o.queue, o.shipper = box, queue, shipper
	return nil
}

// close brings what is queued to the disk.
func (o *outlet) close() error {
	o.mu.Lock()
	box, queue := o.box, o.queue
	o.box, o.queue = nil, nil
	o.mu.Unlock()
	if box == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	return errors.Join(queue.Close(ctx), box.Close())
}

// outboxCapacity is what of the disk reports may take: a gigabyte, or less
// where less is free.
func outboxCapacity(data string) int64 {
	most := int64(1 << 30)
	var disk unix.Statfs_t
	if err := unix.Statfs(data, &disk); err == nil {
		most = min(most, int64(disk.Bavail)*int64(disk.Bsize)/outboxShare)
	}
	return max(most, 16<<20)
}

// Describe implements prometheus.Collector.
func (o *outlet) Describe(d chan<- *prometheus.Desc) { prometheus.DescribeByCollect(o, d) }

// The metrics of reports to a console elsewhere; there is none before the edge
// is enrolled.
var (
	reportsWaiting = prometheus.NewDesc("qorgan_reports_waiting", "Records on the disk that the console has not confirmed.", nil, nil)
	reportsBytes   = prometheus.NewDesc("qorgan_reports_disk_bytes", "Bytes that waiting records take.", nil, nil)
	reportsSent    = prometheus.NewDesc("qorgan_reports_sent_total", "Records that the console has confirmed.", nil, nil)
	reportsFailed  = prometheus.NewDesc("qorgan_reports_failures_total", "Requests to the console that brought nothing further.", nil, nil)
)

// Collect implements prometheus.Collector.
func (o *outlet) Collect(m chan<- prometheus.Metric) {
	o.mu.Lock()
	box, shipper := o.box, o.shipper
	o.mu.Unlock()
	if box == nil {
		return
	}
	kept, sent := box.Stats(), shipper.Stats()
	m <- prometheus.MustNewConstMetric(reportsWaiting, prometheus.GaugeValue, float64(kept.Waiting))
	m <- prometheus.MustNewConstMetric(reportsBytes, prometheus.GaugeValue, float64(kept.Bytes))
	m <- prometheus.MustNewConstMetric(reportsSent, prometheus.CounterValue, float64(sent.Sent))
	m <- prometheus.MustNewConstMetric(reportsFailed, prometheus.CounterValue, float64(sent.Failures))
}
