package fleet

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/qorgan/qorgan/console/store"
)

const (
	beat      = 20 * time.Second // how often an idle stream says that it lives
	writeTime = 30 * time.Second // what one write may take
)

// decisions holds a stream. It costs a connection and a goroutine that sleeps.
func (d *Door) decisions(w http.ResponseWriter, r *http.Request) {
	claim, edge, ok := d.edge(r.Context(), w, r, nil)
	if !ok {
		return
	}
	after, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	if last := r.Header.Get("Last-Event-ID"); err != nil && last != "" {
		after, err = strconv.ParseInt(last, 10, 64)
	}
	if err != nil || after < 0 {
		refuse(w, http.StatusBadRequest, "no version in the address")
		return
	}
	if current, _ := d.hub.current(); after > current {
		if err := d.ahead(r.Context(), after); err != nil {
			d.log.Error().Err(err).Msg("decisions cannot be sent")
			refuse(w, http.StatusServiceUnavailable, "the console's store does not answer")
			return
		}
	}
	audiences, err := d.labels(r.Context(), edge)
	if err != nil {
		d.log.Error().Err(err).Msg("decisions cannot be sent")
		refuse(w, http.StatusServiceUnavailable, "the console's store does not answer")
		return
	}
	s := &stream{edge: claim.Edge, labels: audiences, at: after, cursor: after}
	control := http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		d.log.Warn().Err(err).Msg("a stream will not last")
	}
	d.serve(r.Context(), s, func(sealed string) error {
		text := ": \n\n"
		if sealed != "" {
			text = "id: " + strconv.FormatInt(s.at, 10) + "\nevent: decisions\ndata: " + sealed + "\n\n"
		}
		if err := control.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
			return err
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
		return control.Flush()
	})
}

// serve sends what a stream's edge misses, as soon as there is any, and an
// empty text now and then, until ctx ends or send fails.
func (d *Door) serve(ctx context.Context, s *stream, send func(sealed string) error) {
	defer d.hub.join(s)()
	tick := time.NewTicker(beat)
	defer tick.Stop()
	if send("") != nil {
		return
	}
	for {
		_, news := d.hub.current()
		for {
			sealed, err := d.hub.next(ctx, s)
			if err != nil {
				if ctx.Err() == nil {
					d.log.Error().Err(err).Msg("decisions cannot be sent")
				}
				return
			}
			if sealed == "" {
				break
			}
			if send(sealed) != nil {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-d.stopping:
			return
		case <-news:
		case <-tick.C:
			if send("") != nil {
				return
			}
		}
	}
}

// ahead makes versions go on after one that an edge has: this store was
// restored from a copy that does not know it.
func (d *Door) ahead(ctx context.Context, after int64) error {
	current, _ := d.hub.current()
	const most = 1 << 40
	if after-current > most {
		after = current
	}
	d.log.Warn().Int64("edge_has", after).Int64("known", current).Msg("an edge has decisions that this console does not know; their versions are passed over")
	if err := d.db.RaiseDecisionVersion(ctx, after); err != nil {
		return err
	}
	return d.hub.refresh(ctx)
}

// Follow has take be called with every batch that an edge in this process
// misses, and with an empty text now and then, until ctx ends or take fails.
func (d *Door) Follow(ctx context.Context, edge string, after int64, take func(sealed string) error) error {
	if current, _ := d.hub.current(); after > current {
		if err := d.ahead(ctx, after); err != nil {
			return err
		}
	}
	audiences, err := d.labels(ctx, store.Edge{ID: edge})
	if err != nil {
		return err
	}
	s := &stream{edge: edge, labels: audiences, at: after, cursor: after}
	var failed error
	d.serve(ctx, s, func(sealed string) error {
		failed = take(sealed)
		return failed
	})
	return failed
}

// labels are the audiences that an edge is of.
func (d *Door) labels(ctx context.Context, e store.Edge) ([]string, error) {
	branch, err := d.branchOf(ctx, e.Tenant)
	return []string{store.EdgeAudience(e.ID), store.TenantAudience(e.Tenant), store.BranchAudience(branch)}, err
}

// branchOf returns under which tenant of the desk another lies. That never
// changes.
func (d *Door) branchOf(ctx context.Context, tenant int64) (int64, error) {
	if b, ok := d.branches.Load(tenant); ok {
		return b.(int64), nil
	}
	b, err := d.db.Branch(ctx, tenant)
	if err == nil {
		d.branches.Store(tenant, b)
	}
	return b, err
}
