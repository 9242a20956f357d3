package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"

	"github.com/qorgan/qorgan/console/herd"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/report/wire"
)

const (
	maxSaid  = 1 << 20 // bytes of what an edge says at a time
	mostSaid = 1000    // of each kind
)

// said takes what an edge says of decisions.
func (d *Door) said(w http.ResponseWriter, r *http.Request) {
	b, ok := body(w, r, maxSaid)
	if !ok {
		return
	}
	_, edge, ok := d.edge(r.Context(), w, r, b)
	if !ok {
		return
	}
	var s wire.Said
	if err := json.Unmarshal(b, &s); err != nil || max(len(s.Objected), len(s.Asked), len(s.Hits), len(s.Behind)) > mostSaid {
		refuse(w, http.StatusBadRequest, "not what an edge says of decisions")
		return
	}
	if err := d.Said(r.Context(), edge, s); err != nil {
		d.log.Error().Err(err).Str("edge", edge.ID).Msg("what an edge said was not stored")
		refuse(w, http.StatusServiceUnavailable, "the console's store takes nothing")
		return
	}
	answer(w, http.StatusOK, wire.Receipt{})
}

// Said takes what an edge says of decisions.
func (d *Door) Said(ctx context.Context, edge store.Edge, s wire.Said) error {
	now := d.now().UTC()
	tenant := edge.Tenant
	for i, o := range s.Objected {
		s.Objected[i] = wire.Objection{ID: clip(o.ID, 40), Reason: clip(o.Reason, 40), Detail: clip(o.Detail, 400)}
		if o.ID != "" {
			d.hub.answered(edge.ID, o.ID, "an edge refuses it: "+clip(o.Reason, 40))
		}
	}
	var behind []store.Behind
	for _, a := range s.Asked {
		if known(a.Behind.Network) {
			behind = append(behind, store.Behind{Behind: a.Behind, Edge: edge.ID, Tenant: tenant, Seen: now})
		}
		d.hub.answered(edge.ID, a.ID, herd.Speaks(a.Behind))
	}
	for _, b := range s.Behind {
		if known(b.Network) {
			behind = append(behind, store.Behind{Behind: b, Edge: edge.ID, Tenant: tenant, Seen: now})
		}
	}
	if err := errors.Join(d.db.InsertSaid(ctx, edge.ID, s.Hits, s.Objected, now), d.db.InsertBehind(ctx, behind)); err != nil {
		return err
	}
	for _, h := range s.Hits {
		if why := herd.SpeaksHit(h); why != "" && !d.hub.met(h.ID, why) {
			d.tell(seen{edge: edge, against: h.ID, why: why})
		}
	}
	for _, b := range behind {
		if herd.Many(b.Behind) {
			d.tell(seen{edge: edge, network: b.Network})
		}
	}
	return nil
}

// known reports whether a network is one that edges tell clients apart by.
func known(p netip.Prefix) bool { return p.IsValid() && p == exchange.Network(p.Addr()) }
