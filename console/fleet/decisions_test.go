package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/report"
	"github.com/qorgan/qorgan/report/decisions"
	"github.com/qorgan/qorgan/report/wire"
)

// post is an edge of a test that follows decisions, with what is in force there.
type post struct {
	t        *testing.T
	follower *decisions.Follower
	keeper   *decisions.Keeper
	behind   func(netip.Prefix) wire.Behind

	mu    sync.Mutex
	force map[string]wire.Decision
	news  chan struct{}
	hits  []wire.Hit
}

// follow starts an edge; it ends with the returned function, or with the test.
func follow(t *testing.T, e report.Enrolment, file string) (*post, func()) {
	t.Helper()
	p := &post{t: t, force: map[string]wire.Decision{}, news: make(chan struct{}), behind: func(n netip.Prefix) wire.Behind { return wire.Behind{Network: n} }}
	var err error
	p.keeper, err = decisions.NewKeeper(decisions.KeeperOptions{Path: file, Edge: e.Edge, Key: e.ConsoleKey, Apply: p.apply, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	session, err := report.NewSession(e, "1.0")
	if err != nil {
		t.Fatal(err)
	}
	p.follower, err = decisions.NewFollower(decisions.FollowerOptions{
		Keeper: p.keeper, Session: session, Logger: zerolog.Nop(), Shortest: 10 * time.Millisecond, Longest: 100 * time.Millisecond, Every: 20 * time.Millisecond,
		Look: func(n netip.Prefix) wire.Behind { return p.behind(n) },
		News: func() ([]wire.Hit, []wire.Behind) {
			p.mu.Lock()
			defer p.mu.Unlock()
			h := p.hits
			p.hits = nil
			return h, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.follower.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, p.keeper.Close()); err != nil {
			t.Error(err)
		}
		session.Close()
	})
	t.Cleanup(stop)
	return p, stop
}

func (p *post) apply(c decisions.Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range c.Drop {
		delete(p.force, d.ID)
	}
	for _, d := range c.Put {
		p.force[d.ID] = d
	}
	close(p.news)
	p.news = make(chan struct{})
}

// until waits until what is in force is as wanted: kinds and networks.
func (p *post) until(want ...string) {
	p.t.Helper()
	slices.Sort(want)
	end := time.After(time.Minute)
	for {
		p.mu.Lock()
		var got []string
		for _, d := range p.force {
			got = append(got, fmt.Sprintf("%s %s", d.Kind, d.Network))
		}
		news := p.news
		p.mu.Unlock()
		slices.Sort(got)
		if slices.Equal(got, want) {
			return
		}
		select {
		case <-news:
		case <-end:
			p.t.Fatalf("in force: %q, want %q", got, want)
		}
	}
}

// run has the door decide until the test ends.
func (d *desk) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.door.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func bannedBy(person, network string) store.Decision {
	return store.Decision{Decision: wire.Decision{Kind: wire.DecisionBan, Network: netip.MustParsePrefix(network), Until: time.Now().Add(time.Hour)}, Person: person, Reason: "a test"}
}

func attack(client string, rule int) event.Event {
	id, code := event.NewID()
	return event.Event{ID: id, Code: code, Time: time.Now().UTC(), Site: "shop.kz", Kind: event.KindRule, Action: event.Blocked, Score: 5, Threshold: 5,
		Client: event.Client{Addr: netip.MustParseAddr(client)}, Rules: []int{rule}, Matches: []event.Match{{Rule: rule, Score: 5}}}
}

// TestDecisionsReachEveryEdge: what a person decides holds at all edges of the
// real protocol, and no more once it is taken back.
func TestDecisionsReachEveryEdge(t *testing.T) {
	d := found(t, nil)
	d.run(t)
	var posts []*post
	for i := range 12 {
		p, _ := follow(t, d.enroll(t, fmt.Sprint("CODE-", i)), filepath.Join(t.TempDir(), "j"))
		posts = append(posts, p)
	}
	one, err := d.door.Decide(t.Context(), bannedBy("aigerim", "203.0.113.7/32"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range posts {
		p.until("ban 203.0.113.7/32")
	}
	if err := d.door.TakeBack(t.Context(), one.ID, "aigerim", ""); err != nil {
		t.Fatal(err)
	}
	for _, p := range posts {
		p.until()
	}
	for _, bad := range []string{"0.0.0.0/0", "10.0.0.0/24", "203.0.0.0/16", "66.249.66.1/32"} {
		var objection *Objection
		if _, err := d.door.Decide(t.Context(), bannedBy("aigerim", bad)); !errors.As(err, &objection) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestAttackAtOneEdge: attacks that one edge reports, through the reports of
// the real protocol, are refused at another.
func TestAttackAtOneEdge(t *testing.T) {
	d := found(t, nil)
	d.run(t)
	almaty := d.enroll(t, "ALMATY")
	astana, _ := follow(t, d.enroll(t, "ASTANA"), filepath.Join(t.TempDir(), "j"))
	b := box(t)
	var records [][]byte
	for i, rule := range []int{942100, 932100, 930100} {
		e := attack("203.0.113.7", rule)
		e.Client.Addr = netip.MustParseAddr("203.0.113.7")
		item, err := wire.Item{Event: &e}.Encode()
		if err != nil {
			t.Fatal(i, err)
		}
		records = append(records, item)
	}
	witnessed := attack("203.0.113.8", 942100)
	witnessed.Author = "admin"
	banned := event.Event{ID: witnessed.ID, Time: witnessed.Time, Site: "shop.kz", Kind: event.KindGuard, Reason: "fleet-ban", Client: event.Client{Addr: netip.MustParseAddr("203.0.113.9")}}
	for _, e := range []event.Event{witnessed, witnessed, witnessed, banned, banned} {
		e.ID, e.Code = event.NewID()
		item, err := wire.Item{Event: &e}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, item)
	}
	if err := b.Append(records); err != nil {
		t.Fatal(err)
	}
	s, err := report.NewShipper(report.ShipperOptions{Outbox: b, Enrolment: almaty, Version: "1.0", Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	astana.until("ban 203.0.113.7/32")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestTrial: a decision is asked about at a few edges first. Where people are
// behind the network it is taken back before the others hear of it; what the
// console itself decided becomes stricter judgement.
func TestTrial(t *testing.T) {
	d := found(t, nil)
	d.run(t)
	one, _ := follow(t, d.enroll(t, "ONE"), filepath.Join(t.TempDir(), "j"))
	one.behind = func(n netip.Prefix) wire.Behind {
		return wire.Behind{Network: n, Clean: 5000, Agents: 40, Sessions: 7}
	}
	waitFor(t, func() bool { return len(d.door.Connected()) == 1 })
	byHand, err := d.door.Decide(t.Context(), bannedBy("aigerim", "203.0.113.7/32"))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		got, err := d.db.Decision(t.Context(), byHand.ID)
		return err == nil && got.Stage == store.StageEnded && strings.Contains(got.EndedWhy, "people are signed in")
	})
	one.until()
	d.door.Notice("almaty", []event.Event{attack("203.0.113.9", 942100), attack("203.0.113.9", 932100), attack("203.0.113.9", 930100)})
	one.until("strict 203.0.113.9/32")
}

// TestPeopleMeetABan: a ban of the console's that people meet becomes stricter
// judgement everywhere; a person's stays, and is shown.
func TestPeopleMeetABan(t *testing.T) {
	d := found(t, nil)
	d.run(t)
	one, _ := follow(t, d.enroll(t, "ONE"), filepath.Join(t.TempDir(), "j"))
	d.door.Notice("almaty", []event.Event{attack("203.0.113.9", 942100), attack("203.0.113.9", 932100), attack("203.0.113.9", 930100)})
	one.until("ban 203.0.113.9/32")
	waitFor(t, func() bool {
		held, err := d.db.Decisions(t.Context(), store.DecisionQuery{Scope: store.Whole()}, time.Now())
		return err == nil && len(held) == 1 && held[0].Stage == store.StageFleet
	})
	one.mu.Lock()
	for id := range one.force {
		one.hits = []wire.Hit{{ID: id, Refused: 3, Witnessed: 1}}
	}
	one.mu.Unlock()
	one.until("strict 203.0.113.9/32")
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("waited in vain")
		}
	}
}

// TestStreamRefusals: who may not follow is told so.
func TestStreamRefusals(t *testing.T) {
	d := found(t, nil)
	e := d.enroll(t, "ONE")
	s, err := report.NewSession(e, "1")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ask := func(method, target string, body []byte) int {
		t.Helper()
		r, err := s.Do(t.Context(), method, target, body)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		return r.StatusCode
	}
	for _, c := range []struct {
		method, target, body string
		want                 int
	}{
		{http.MethodGet, wire.PathDecisions, "", 400},
		{http.MethodGet, wire.PathDecisions + "?after=-1", "", 400},
		{http.MethodGet, wire.PathDecisions + "?after=x", "", 400},
		{http.MethodPost, wire.PathSaid, "[]", 400},
		{http.MethodPost, wire.PathSaid, "{", 400},
		{http.MethodPost, wire.PathSaid, "{}", 200},
		{http.MethodPost, wire.PathSaid, strings.Repeat(" ", 2<<20), 413},
	} {
		if got := ask(c.method, c.target, []byte(c.body)); got != c.want {
			t.Errorf("%s %s %.10s: %d, want %d", c.method, c.target, c.body, got, c.want)
		}
	}
	plain, err := d.server.Client().Get(d.address() + wire.PathDecisions + "?after=0")
	if err != nil {
		t.Fatal(err)
	}
	plain.Body.Close()
	if plain.StatusCode != 401 {
		t.Errorf("who does not sign: %s", plain.Status)
	}
	if err := d.db.Retire(t.Context(), store.Whole(), e.Edge, time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := ask(http.MethodGet, wire.PathDecisions+"?after=0", nil); got != 401 {
		t.Errorf("a retired edge: %d", got)
	}
}
