package main

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/console/fleet"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/guard/bans"
	"github.com/qorgan/qorgan/guard/crowd"
	"github.com/qorgan/qorgan/report"
	"github.com/qorgan/qorgan/report/decisions"
	"github.com/qorgan/qorgan/report/wire"
)

func decisionsFile(data, edge string) string {
	return filepath.Join(data, "decisions", edge+".journal")
}

// ownEdge is what the edge in a console's own process is called there.
const ownEdge = "own"

// orders puts what a console has decided into force on this edge: the console
// elsewhere that it is enrolled at, and the one in its own process.
type orders struct {
	e       *edge
	data    string
	watcher *watcher
	log     zerolog.Logger

	due       chan struct{} // something that is not about networks may have changed
	protected atomic.Pointer[[]netip.Prefix]

	mu      sync.Mutex
	sources map[string]*source // by the edge's id there
	done    map[string]string  // decisions that were put into force, or refused: id → how
}

// source is one console.
type source struct {
	keeper *decisions.Keeper
	object func(wire.Objection)
	news   map[string]bans.Hit
	behind map[netip.Prefix]crowd.Behind
}

func newOrders(e *edge, data string, w *watcher, log zerolog.Logger) *orders {
	return &orders{e: e, data: data, watcher: w, log: log, due: make(chan struct{}, 1), sources: map[string]*source{}, done: map[string]string{}}
}

// apply puts a change into force: networks at once, the rest by run.
func (o *orders) apply(c decisions.Change) {
	put, drop := rulesOf(c.Put), rulesOf(c.Drop)
	if len(put)+len(drop) > 0 {
		o.e.guard.Bans().Change(put, drop)
	}
	if len(put) < len(c.Put) || len(drop) < len(c.Drop) {
		o.hurry()
	}
}

func (o *orders) hurry() {
	select {
	case o.due <- struct{}{}:
	default:
	}
}

func rulesOf(list []wire.Decision) (rules []bans.Rule) {
	kinds := map[wire.DecisionKind]bans.Kind{wire.DecisionBan: bans.Ban, wire.DecisionChallenge: bans.Challenge, wire.DecisionStrict: bans.Strict}
	for _, d := range list {
		if k, ok := kinds[d.Kind]; ok {
			rules = append(rules, bans.Rule{ID: d.ID, Network: d.Network, Kind: k, Site: d.Site, Until: d.Until})
		}
	}
	return rules
}

// recall puts into force what consoles had decided before this start, so that
// no request comes before it. door is that of this process; nil for none.
func (o *orders) recall(door *fleet.Door) error {
	if door != nil {
		if _, err := o.open(ownEdge, door.Key()); err != nil {
			return err
		}
	}
	e, err := report.LoadEnrolment(enrolmentFile(o.data))
	if err != nil || len(e.ConsoleKey) == 0 {
		return nil // who reports says what is wrong with it
	}
	if _, err := o.open(e.Edge, e.ConsoleKey); err != nil {
		o.log.Error().Err(err).Str("hint", "the console sends them again when the file is moved away").Msg("decisions of before are not in force")
	}
	return nil
}

// open reads what a console had decided before, and puts it into force, unless
// that was done.
func (o *orders) open(edge string, key []byte) (*source, error) {
	o.mu.Lock()
	s, ok := o.sources[edge]
	o.mu.Unlock()
	if ok {
		return s, nil
	}
	keeper, err := decisions.NewKeeper(decisions.KeeperOptions{
		Path: decisionsFile(o.data, edge), Edge: edge, Key: key, Apply: o.apply, Logger: o.log,
		Protected: func() []netip.Prefix { return o.untouchable() },
	})
	if err != nil {
		return nil, err
	}
	s = &source{keeper: keeper, object: func(wire.Objection) {}, news: map[string]bans.Hit{}, behind: map[netip.Prefix]crowd.Behind{}}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sources[edge] = s
	return s, nil
}

func (o *orders) leave(edge string, s *source) error {
	o.mu.Lock()
	delete(o.sources, edge)
	o.mu.Unlock()
	return s.keeper.Close()
}

// follow takes decisions of the console that the edge is enrolled at, until ctx
// ends.
func (o *orders) follow(ctx context.Context, e report.Enrolment) error {
	if len(e.ConsoleKey) == 0 {
		o.log.Warn().Str("console", e.Console).Str("hint", "qorgan enroll --again with a new code").Msg("this edge enrolled before its console had a key for decisions: it takes none")
		<-ctx.Done()
		return nil
	}
	o.protect(ctx, e.Console)
	s, err := o.open(e.Edge, e.ConsoleKey)
	if err != nil {
		return err
	}
	session, err := report.NewSession(e, version())
	if err != nil {
		return errors.Join(err, o.leave(e.Edge, s))
	}
	defer session.Close()
	f, err := decisions.NewFollower(decisions.FollowerOptions{
		Keeper: s.keeper, Session: session, Logger: o.log, Look: o.look, News: func() ([]wire.Hit, []wire.Behind) { return o.news(s) },
	})
	if err != nil {
		return errors.Join(err, o.leave(e.Edge, s))
	}
	o.mu.Lock()
	s.object = f.Object
	o.mu.Unlock()
	return errors.Join(f.Run(ctx), o.leave(e.Edge, s))
}

// followOwn takes decisions of the console in this process, until ctx ends.
func (o *orders) followOwn(ctx context.Context, door *fleet.Door) error {
	s, err := o.open(ownEdge, door.Key())
	if err != nil {
		return err
	}
	self := store.Edge{ID: ownEdge}
	said := func(w wire.Said) {
		if err := door.Said(ctx, self, w); err != nil && ctx.Err() == nil {
			o.log.Error().Err(err).Msg("what was seen of decisions is not stored")
		}
	}
	o.mu.Lock()
	s.object = func(x wire.Objection) { said(wire.Said{Objected: []wire.Objection{x}}) }
	o.mu.Unlock()
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			s.keeper.Lapse()
			if hits, behind := o.news(s); len(hits)+len(behind) > 0 {
				said(wire.Said{Hits: hits, Behind: behind})
			}
		}
	})
	err = door.Follow(ctx, ownEdge, s.keeper.Version(), func(sealed string) error {
		if sealed == "" {
			s.keeper.Heard()
			return nil
		}
		taken, err := s.keeper.Take(sealed)
		w := wire.Said{Objected: taken.Objected}
		if err != nil {
			o.log.Error().Err(err).Msg("decisions are not taken")
			w.Objected = append(w.Objected, wire.Objection{Reason: decisions.Reason(err), Detail: err.Error()})
		}
		for _, d := range taken.Trials {
			w.Asked = append(w.Asked, wire.Answer{ID: d.ID, Behind: o.look(d.Network)})
		}
		said(w)
		return err
	})
	if err != nil {
		o.log.Error().Err(err).Str("hint", "a restart takes them up again").Msg("decisions are not followed any more")
		<-ctx.Done() // what is in force goes on
	}
	done.Wait()
	return o.leave(ownEdge, s)
}

// look returns what was seen of a network lately.
func (o *orders) look(n netip.Prefix) wire.Behind { return behindOf(o.e.guard.Crowd().Behind(n)) }

func behindOf(b crowd.Behind) wire.Behind {
	return wire.Behind{Network: b.Network, Clean: b.Clean, Attacks: b.Attacks, Agents: b.Agents, Sessions: b.Persons}
}

// news returns what is new for one console; the others get it too.
func (o *orders) news(s *source) (hits []wire.Hit, behind []wire.Behind) {
	fresh, people := o.e.guard.Bans().Hits(), o.e.guard.Crowd().News()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, other := range o.sources {
		for _, h := range fresh {
			other.news[h.ID] = h
		}
		for _, b := range people {
			other.behind[b.Network] = b
		}
	}
	for id, h := range s.news {
		hits = append(hits, wire.Hit{ID: id, Refused: h.Refused, Witnessed: h.Witnessed, Agents: crowd.Estimate(h.Agents)})
	}
	for _, b := range s.behind {
		behind = append(behind, behindOf(b))
	}
	clear(s.news)
	clear(s.behind)
	return hits, behind
}

// untouchable are networks that no decision may name on this edge: the
// console's, those of proxies that are believed, and its own addresses.
func (o *orders) untouchable() (list []netip.Prefix) {
	if p := o.protected.Load(); p != nil {
		list = append(list, *p...)
	}
	c := o.e.config.Load()
	list = append(list, c.Trusted.Proxies...)
	for _, s := range c.Sites {
		if s.Trusted != nil {
			list = append(list, s.Trusted.Proxies...)
		}
	}
	if own, err := net.InterfaceAddrs(); err == nil {
		for _, a := range own {
			if n, err := netip.ParsePrefix(a.String()); err == nil {
				list = append(list, netip.PrefixFrom(n.Addr(), n.Addr().BitLen()))
			}
		}
	}
	return list
}

// protect looks up the console's addresses.
func (o *orders) protect(ctx context.Context, console string) {
	u, err := url.Parse(console)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		o.log.Warn().Err(err).Msg("the console's addresses are not known: no decision is checked against them")
		return
	}
	var list []netip.Prefix
	for _, a := range addrs {
		a = a.Unmap()
		list = append(list, netip.PrefixFrom(a, a.BitLen()))
	}
	o.protected.Store(&list)
}

// run puts into force what takes longer than a look into a table, until ctx
// ends.
func (o *orders) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.due:
			o.settle(ctx)
		}
	}
}

// held returns every decision in force that is not about networks, and who is
// to be told that it cannot be.
func (o *orders) held() (list map[string]wire.Decision, object map[string]func(wire.Objection)) {
	o.mu.Lock()
	sources := maps.Clone(o.sources)
	o.mu.Unlock()
	list, object = map[string]wire.Decision{}, map[string]func(wire.Objection){}
	for _, s := range sources {
		for _, d := range s.keeper.Decisions() {
			list[d.ID], object[d.ID] = d, s.object
		}
	}
	return list, object
}

// settle brings exclusions, patches, modes and messages to what is held.
func (o *orders) settle(ctx context.Context) {
	list, object := o.held()
	refuse := func(d wire.Decision, reason string, err error) {
		o.done[d.ID] = reason
		object[d.ID](wire.Objection{ID: d.ID, Reason: reason, Detail: oneLine(err)})
	}
	o.settleExclusions(ctx, list, refuse)
	o.settlePatches(ctx, list, refuse)
	if err := o.settleModes(ctx, list); err != nil && ctx.Err() == nil {
		o.log.Error().Err(err).Msg("the modes that were decided are not in force")
	}
	for id := range o.done {
		if _, ok := list[id]; !ok {
			delete(o.done, id)
		}
	}
}
