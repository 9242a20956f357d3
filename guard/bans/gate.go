package bans

import (
	"cmp"
	"hash/maphash"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/guard/refuse"
)

// What events of this room carry as their reason.
const (
	ReasonBan       = "fleet-ban"
	ReasonChallenge = "fleet-challenge"
)

// Options configure a Gate.
type Options struct {
	Key    []byte            // secret that signs passes
	Record func(event.Event) // told every refusal; must not block
	Now    func() time.Time
}

// Gate is the room.
type Gate struct {
	record func(event.Event)
	now    func() time.Time
	seed   maphash.Seed
	passes passes
	list   atomic.Pointer[list]

	mu  sync.Mutex // of changes, and of what was met
	met map[string]*hits
}

// New returns a Gate that lets everybody in.
func New(o Options) (*Gate, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	g := &Gate{record: o.Record, now: o.Now, seed: maphash.MakeSeed(), met: map[string]*hits{}}
	var err error
	if g.passes, err = newPasses(o.Key, o.Now); err != nil {
		return nil, err
	}
	g.list.Store(newList())
	return g, nil
}

// Change takes rules out and puts others in, at once. A rule is known by its ID
// and the network it was put in with.
func (g *Gate) Change(put, drop []Rule) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list.Store(g.list.Load().change(put, drop))
	for _, r := range drop {
		delete(g.met, r.ID)
	}
}

// Len returns how many networks have rules.
func (g *Gate) Len() int { return g.list.Load().size }

// Find returns what holds for an address at a site, and the rule's name.
func (g *Gate) Find(a netip.Addr, site string) (Kind, string) {
	if e := g.list.Load().find(a, site, g.now().UnixMilli()); e != nil {
		return e.kind, e.id
	}
	return None, ""
}

// Handler puts the gate in front of next. It stands behind the witness.
func (g *Gate) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchange.From(r.Context())
		l := g.list.Load()
		if x == nil || l.size == 0 || !x.Client.IsValid() || x.Site.Mode == config.Off {
			next.ServeHTTP(w, r)
			return
		}
		e := l.find(x.Client, x.Site.Name, x.Start.UnixMilli())
		if e == nil || !g.stops(w, r, x, e) {
			next.ServeHTTP(w, r)
		}
	})
}

// stops answers a request that must not pass, and reports whether it did.
func (g *Gate) stops(w http.ResponseWriter, r *http.Request, x *exchange.Exchange, e *entry) bool {
	x.Strict = true
	if e.kind == Strict {
		return false
	}
	if x.Rank > exchange.Visitor {
		g.count(e, func(h *hits) { h.witnessed.Add(1) })
		return false
	}
	if e.kind == Challenge {
		switch g.passes.judge(w, r, x) {
		case answered:
			return true
		case passed:
			return false
		}
		return g.refuse(w, r, x, e, ReasonChallenge)
	}
	return g.refuse(w, r, x, e, ReasonBan)
}

func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, x *exchange.Exchange, e *entry, reason string) bool {
	g.count(e, func(h *hits) {
		h.refused.Add(1)
		if bit := g.person(r); bit != 0 {
			h.agents.Or(bit)
		}
	})
	ev := refuse.Event(x, r, event.KindGuard, reason)
	blocks := x.Site.Mode != config.Detect
	if blocks {
		ev.Action, ev.Status = event.Blocked, http.StatusForbidden
	}
	x.Event = &ev
	g.record(ev)
	if !blocks {
		return false
	}
	if reason == ReasonChallenge {
		g.passes.ask(w, r, x, ev.Code)
		return true
	}
	x.Refuse(w, r, exchange.Refusal{Status: http.StatusForbidden, Code: ev.Code, Network: true})
	return true
}

// person returns a bit of the browser with which a person seems to open a page;
// none for anything else: who attacks changes his name as he likes, and need not
// make a network look like many people's.
func (g *Gate) person(r *http.Request) uint64 {
	h := r.Header
	if r.Method != http.MethodGet || r.URL.RawQuery != "" || h.Get("Sec-Fetch-Mode") != "navigate" || h.Get("Accept-Language") == "" ||
		!strings.HasPrefix(h.Get("User-Agent"), "Mozilla/") {
		return 0
	}
	return 1 << (maphash.String(g.seed, h.Get("User-Agent")+"\n"+h.Get("Accept-Language")) & 63)
}

// count counts at a rule that was met, and notes that it was.
func (g *Gate) count(e *entry, add func(*hits)) {
	h := e.counters()
	add(h)
	if h.waits.CompareAndSwap(false, true) {
		g.mu.Lock()
		g.met[e.id] = h
		g.mu.Unlock()
	}
}

// Hits returns the rules that were met since it was asked last, with all that
// met them.
func (g *Gate) Hits() []Hit {
	g.mu.Lock()
	met := g.met
	g.met = map[string]*hits{}
	g.mu.Unlock()
	list := make([]Hit, 0, len(met))
	for id, h := range met {
		h.waits.Store(false)
		list = append(list, Hit{ID: id, Refused: h.refused.Load(), Witnessed: h.witnessed.Load(), Agents: h.agents.Load()})
	}
	slices.SortFunc(list, func(a, b Hit) int { return cmp.Compare(a.ID, b.ID) })
	return list
}
