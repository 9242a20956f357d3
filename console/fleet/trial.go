package fleet

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/qorgan/qorgan/console/herd"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/report/wire"
)

// How long a decision is tried at a few edges: those that are asked answer from
// memory, within a round trip; who does not answer is not waited for.
const (
	trialTime  = 150 * time.Millisecond // at least, for what meets the decision meanwhile
	trialLimit = 400 * time.Millisecond
)

// trial is a decision that a few edges were given first.
type trial struct {
	began   time.Time
	asked   map[string]bool // edges that have not answered yet
	against string
}

// begin tries a decision. The hub's lock is held.
func (h *hub) begin(d store.Decision) {
	if h.trials[d.ID] != nil {
		return
	}
	t := &trial{began: h.now(), asked: map[string]bool{}}
	for _, s := range h.pick(d) {
		if s.tries == nil {
			s.tries = map[string]bool{}
		}
		s.tries[d.ID] = true
		t.asked[s.edge] = true
	}
	h.trials[d.ID] = t
}

// answered notes what an edge knows against a decision under trial.
func (h *hub) answered(edge, id, against string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.trials[id]
	if t == nil || !t.asked[edge] {
		return
	}
	delete(t.asked, edge)
	if against != "" && t.against == "" {
		t.against = against
	}
}

// met notes that somebody met a decision under trial who should not have.
func (h *hub) met(id, against string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.trials[id]
	if t != nil && t.against == "" {
		t.against = against
	}
	return t != nil
}

// settle ends the trials that are over: decisions go to every edge, or are
// taken back.
func (d *Door) settle(ctx context.Context) error {
	h := d.hub
	now := d.now()
	type end struct{ id, against string }
	var over []end
	h.mu.Lock()
	for id, t := range h.trials {
		age := now.Sub(t.began)
		if t.against != "" || age >= trialLimit || len(t.asked) == 0 && age >= trialTime {
			over = append(over, end{id, t.against})
			delete(h.trials, id)
			for s := range h.streams {
				delete(s.tries, id)
			}
		}
	}
	h.mu.Unlock()
	var errs []error
	for _, e := range over {
		err := d.finish(ctx, e.id, e.against)
		if err != nil && !errors.Is(err, store.ErrNotFound) { // another node was first
			errs = append(errs, err)
		}
	}
	if len(over) > 0 {
		errs = append(errs, h.refresh(ctx))
	}
	return errors.Join(errs...)
}

func (d *Door) finish(ctx context.Context, id, against string) error {
	if against == "" {
		return d.db.PromoteDecision(ctx, id)
	}
	return d.yield(ctx, id, against)
}

// yield takes a decision back because of what met it. A ban becomes stricter
// judgement, which costs nobody anything who sends nothing bad.
func (d *Door) yield(ctx context.Context, id, against string) error {
	was, err := d.db.Decision(ctx, id)
	if err != nil {
		return err
	}
	if err := d.db.EndDecision(ctx, id, "", against, d.now()); err != nil {
		return err
	}
	d.log.Warn().Str("decision", id).Str("network", was.Network.String()).Str("why", against).Msg("a decision was taken back")
	if was.Kind != wire.DecisionBan || was.Person != "" {
		return nil
	}
	now := d.now()
	held, err := d.db.Decisions(ctx, store.DecisionQuery{Scope: store.Whole(), Network: was.Network.String()}, now)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(held, func(h store.Decision) bool {
		return h.Kind == wire.DecisionStrict && (h.Audience == "" || h.Audience == was.Audience)
	}) {
		return nil
	}
	next := was
	next.Decision = wire.Decision{ID: newDecisionID(), Kind: wire.DecisionStrict, Network: was.Network, Site: was.Site, Made: now, Until: now.Add(max(herd.FirstTime, was.Until.Sub(now)))}
	next.Stage, next.Reason = store.StageFleet, was.Reason+"; "+against
	_, err = d.db.InsertDecision(ctx, next)
	return err
}
