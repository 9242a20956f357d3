package fleet

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/qorgan/qorgan/console/herd"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/report/decisions"
	"github.com/qorgan/qorgan/report/wire"
)

// seen is something that may call for a decision: attacks that an edge
// reported, who is behind a network, or what met a decision.
type seen struct {
	edge    store.Edge
	events  []*event.Event
	network netip.Prefix
	against string // id of a decision
	why     string
}

// watch is what the door remembers of what it has seen, in memory alone.
type watch struct {
	ids     map[string]bool // events that were counted: a report may come again
	order   []string
	worth   map[int64]worth
	against map[string]map[int64]bool // tenants that speak against a decision
	full    int64                     // what was passed over because too much came
}

type worth struct {
	value float64
	at    time.Time
}

const (
	rememberedEvents = 100_000
	worthTime        = time.Minute
)

func newWatch() watch {
	return watch{ids: map[string]bool{}, worth: map[int64]worth{}, against: map[string]map[int64]bool{}}
}

// once reports whether an event was not seen before.
func (w *watch) once(id string) bool {
	if w.ids[id] {
		return false
	}
	if len(w.order) >= rememberedEvents {
		delete(w.ids, w.order[0])
		w.order = w.order[1:]
	}
	w.ids[id] = true
	w.order = append(w.order, id)
	return true
}

// notice takes reports that were stored. It never waits.
func (d *Door) notice(edge store.Edge, frames []store.Frame) {
	var grave []*event.Event
	for _, f := range frames {
		for _, i := range f.Items {
			if i.Event != nil && tells(i.Event) {
				grave = append(grave, i.Event)
			}
		}
	}
	if len(grave) > 0 {
		d.tell(seen{edge: edge, events: grave})
	}
}

// Notice takes events that an edge in this process recorded. It never waits.
func (d *Door) Notice(edge string, events []event.Event) {
	var grave []*event.Event
	for i := range events {
		if tells(&events[i]) {
			grave = append(grave, &events[i])
		}
	}
	if len(grave) > 0 {
		d.tell(seen{edge: store.Edge{ID: edge}, events: grave})
	}
}

// tells reports whether an event tells something of its client: an attack that
// was judged by its content, of nobody whose sign-in the edge saw. That a
// client was refused for a decision is no evidence for it.
func tells(e *event.Event) bool {
	judged := e.Kind == event.KindRule && (e.Score >= e.Threshold || e.Action == event.Blocked) || e.Kind == event.KindSurface
	return judged && e.Author == "" && e.Client.Addr.IsValid() && herd.Gravity(e.Class()) > 0
}

func (d *Door) tell(s seen) {
	select {
	case d.seen <- s:
	default:
		d.mu.Lock()
		d.watch.full++
		d.mu.Unlock()
	}
}

// Run decides, and takes decisions to the edges that are connected, until ctx
// ends. Without it edges enrol and report, and no decision moves.
func (d *Door) Run(ctx context.Context) error {
	defer close(d.stopping)
	poll := time.NewTicker(pollTime)
	defer poll.Stop()
	settle := time.NewTicker(settleTime)
	defer settle.Stop()
	trim := time.NewTicker(time.Hour)
	defer trim.Stop()
	for {
		var err error
		what := ""
		select {
		case <-ctx.Done():
			return nil
		case s := <-d.seen:
			err, what = d.see(ctx, s), "attacks were not weighed"
		case <-settle.C:
			err, what = d.settle(ctx), "decisions under trial wait"
		case <-poll.C:
			err, what = d.hub.refresh(ctx), "new decisions are not known"
		case <-trim.C:
			err, what = d.db.TrimDecisions(ctx, d.now().Add(-keepEnded)), "old decisions were not deleted"
		}
		if err != nil && ctx.Err() == nil {
			d.log.Error().Err(err).Msg(what)
		}
	}
}

const (
	pollTime   = 250 * time.Millisecond // how often is looked what others have decided
	settleTime = 50 * time.Millisecond
	keepEnded  = 90 * 24 * time.Hour
)

func (d *Door) see(ctx context.Context, s seen) error {
	switch {
	case s.against != "":
		return d.reconsider(ctx, s)
	case s.network.IsValid():
		return d.weigh(ctx, s.network)
	}
	tenant := s.edge.Tenant
	branch, err := d.branchOf(ctx, tenant)
	if err != nil {
		return err
	}
	var networks []netip.Prefix
	counts := map[netip.Prefix]*store.Sighting{}
	for _, e := range s.events {
		if !d.watch.once(e.ID) {
			continue
		}
		n := exchange.Network(e.Client.Addr)
		c := counts[n]
		if c == nil {
			c = &store.Sighting{Network: n.String(), Tenant: tenant, Branch: branch, First: e.Time, Last: e.Time}
			counts[n] = c
			networks = append(networks, n)
		}
		c.Count++
		c.Gravity = max(c.Gravity, herd.Gravity(e.Class()))
		if e.Time.After(c.Last) {
			c.Last = e.Time
		}
		kind := string(e.Class())
		if len(e.Rules) > 0 {
			kind = fmt.Sprintf("%s/%d", kind, e.Rules[0])
		}
		if !slices.Contains(c.Kinds, kind) {
			c.Kinds = append(c.Kinds, kind)
		}
	}
	var list []store.Sighting
	for _, n := range networks {
		list = append(list, *counts[n])
	}
	if len(list) == 0 {
		return nil
	}
	if err := d.db.InsertSightings(ctx, list); err != nil {
		return err
	}
	var errs []error
	for _, n := range networks {
		errs = append(errs, d.weigh(ctx, n))
	}
	return errors.Join(errs...)
}

// weigh decides about a network anew.
func (d *Door) weigh(ctx context.Context, n netip.Prefix) error {
	now := d.now().UTC()
	since := now.Add(-herd.Memory)
	e := herd.Evidence{Network: n, Worth: map[int64]float64{}}
	sightings, err := d.db.Sightings(ctx, n.String(), since)
	if err != nil {
		return err
	}
	branchOf := map[int64]int64{}
	for _, s := range sightings {
		e.Sightings = append(e.Sightings, herd.Sighting{Tenant: s.Tenant, Branch: s.Branch, Count: s.Count, Gravity: s.Gravity, Kinds: len(s.Kinds)})
		branchOf[s.Tenant] = s.Branch
	}
	behind, err := d.db.BehindNetwork(ctx, n.String(), since)
	if err != nil {
		return err
	}
	for _, b := range behind {
		e.Behind = append(e.Behind, herd.Behind{Tenant: b.Tenant, Behind: b.Behind})
		if _, ok := branchOf[b.Tenant]; !ok {
			branchOf[b.Tenant] = 0
		}
	}
	for tenant, branch := range branchOf {
		if e.Worth[tenant], err = d.worthOf(ctx, tenant, branch, now); err != nil {
			return err
		}
	}
	held, err := d.db.Decisions(ctx, store.DecisionQuery{Scope: store.Whole(), Network: n.String()}, now)
	if err != nil {
		return err
	}
	past, err := d.db.Decisions(ctx, store.DecisionQuery{Scope: store.Whole(), Network: n.String(), Past: true, Limit: 20}, now)
	if err != nil {
		return err
	}
	for _, p := range past {
		if p.Stage != store.StageEnded { // it ran its course, and the network came again
			e.Before++
		}
	}
	return d.carryOut(ctx, e, held, branchOf, now)
}

// carryOut brings what holds for a network to what was decided.
func (d *Door) carryOut(ctx context.Context, e herd.Evidence, held []store.Decision, branchOf map[int64]int64, now time.Time) error {
	changed := false
	if e.Shared() {
		for _, h := range held {
			if h.Kind == wire.DecisionBan && h.Person == "" {
				if err := d.yield(ctx, h.ID, "many people are behind it"); err != nil && !errors.Is(err, store.ErrNotFound) {
					return err
				}
				changed = true
			}
		}
	}
	if changed {
		var err error
		if held, err = d.db.Decisions(ctx, store.DecisionQuery{Scope: store.Whole(), Network: e.Network.String()}, now); err != nil {
			return err
		}
	}
	for _, v := range herd.Decide(e) {
		audience, tenant := store.TenantAudience(v.Tenant), v.Tenant
		if v.Everywhere {
			audience, tenant = "", 0
		}
		if slices.ContainsFunc(held, func(h store.Decision) bool {
			return h.OnNetwork() && (h.Audience == "" || h.Audience == audience) && (h.Kind == v.Kind || h.Kind == wire.DecisionBan && !e.Shared())
		}) {
			continue
		}
		one := store.Decision{
			Decision: wire.Decision{ID: newDecisionID(), Kind: v.Kind, Network: e.Network, Made: now, Until: now.Add(v.For)},
			Audience: audience, Stage: store.StageTrial, Reason: v.Why, Tenant: tenant, Branch: branchOf[tenant],
		}
		if why := decisions.Check(one.Decision, now, nil); why != nil {
			d.log.Debug().Str("network", e.Network.String()).Str("reason", why.Reason).Msg("nothing is decided about this network")
			return nil
		}
		if v.Kind == wire.DecisionStrict {
			one.Stage = store.StageFleet // it refuses nobody who sends nothing bad
		}
		if _, err := d.db.InsertDecision(ctx, one); err != nil {
			return err
		}
		d.log.Info().Str("decision", one.ID).Str("kind", string(v.Kind)).Str("network", e.Network.String()).Str("audience", audience).Str("why", v.Why).Msg("decided")
		changed = true
	}
	if !changed {
		return nil
	}
	return d.hub.refresh(ctx)
}

func (d *Door) worthOf(ctx context.Context, tenant, branch int64, now time.Time) (float64, error) {
	if w, ok := d.watch.worth[tenant]; ok && now.Sub(w.at) < worthTime {
		return w.value, nil
	}
	reported, agreed, err := d.db.Agreed(ctx, tenant, branch, now.Add(-7*24*time.Hour))
	if err != nil {
		return 0, err
	}
	w := worth{herd.Worth(reported, agreed), now}
	if tenant == 0 { // the desk's own
		w.value = 1
	}
	d.watch.worth[tenant] = w
	return w.value, nil
}

// reconsider takes back what meets people, when those who say so may.
func (d *Door) reconsider(ctx context.Context, s seen) error {
	was, err := d.db.Decision(ctx, s.against)
	if errors.Is(err, store.ErrNotFound) || err == nil && (was.Stage != store.StageFleet || was.Person != "" || was.Kind != wire.DecisionBan) {
		return nil
	}
	if err != nil {
		return err
	}
	tenant := s.edge.Tenant
	if d.watch.against[was.ID] == nil {
		d.watch.against[was.ID] = map[int64]bool{}
	}
	d.watch.against[was.ID][tenant] = true
	// What one tenant's edges say binds them alone; a fleet hears two, or the desk.
	if was.Audience == "" && tenant != 0 && len(d.watch.against[was.ID]) < 2 {
		return nil
	}
	delete(d.watch.against, was.ID)
	if err := d.yield(ctx, was.ID, s.why); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return d.hub.refresh(ctx)
}

func newDecisionID() string {
	_, code := event.NewID()
	return code
}

// Decide stores what a person has decided and takes it to the edges: at a few
// of them first when it refuses somebody. It fails with an [*Objection] when
// every edge would refuse it.
func (d *Door) Decide(ctx context.Context, one store.Decision) (store.Decision, error) {
	one, err := Decide(ctx, d.db, one, d.now())
	if err != nil {
		return one, err
	}
	return one, d.hub.refresh(ctx)
}

// TakeBack takes a decision back and tells the edges. It fails with
// store.ErrNotFound.
func (d *Door) TakeBack(ctx context.Context, id, by, why string) error {
	if err := d.db.EndDecision(ctx, id, by, why, d.now()); err != nil {
		return err
	}
	return d.hub.refresh(ctx)
}

// Objection is why a decision may not be.
type Objection struct{ wire.Objection }

// Error implements error.
func (o *Objection) Error() string { return o.Detail }

// Decide is [Door.Decide] beside a running console, which notices.
func Decide(ctx context.Context, db *store.DB, one store.Decision, now time.Time) (store.Decision, error) {
	one.ID, one.Made = newDecisionID(), now.UTC().Truncate(time.Second)
	if why := decisions.Check(one.Decision, now, nil); why != nil {
		return one, &Objection{*why}
	}
	one.Stage = store.StageFleet
	if one.Kind == wire.DecisionBan || one.Kind == wire.DecisionChallenge {
		one.Stage = store.StageTrial
	}
	if _, err := db.InsertDecision(ctx, one); err != nil {
		return one, err
	}
	return one, nil
}

// Key returns the public half of the key that signs decisions.
func (d *Door) Key() ed25519.PublicKey { return d.key }

// Connected returns the edges that hold a stream at this node.
func (d *Door) Connected() map[string]bool { return d.hub.connected() }
