package throttle

import (
	"hash/maphash"
	"net/http"
	"strings"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/guard/peek"
	"github.com/qorgan/qorgan/guard/refuse"
)

// Reason is what events of this room carry.
const Reason = "login-throttled"

// The limits: what an owner who forgot his password never reaches, and a list
// of passwords always does.
var (
	byClient = limit{burst: 10, every: time.Minute}
	byUser   = limit{burst: 30, every: 30 * time.Second}
)

// remembered bounds clients, users and friends each: about 100 bytes an entry.
const remembered = 100_000

// friendFor is how long a client is known as one that logged in as a user.
const friendFor = 30 * 24 * time.Hour

// Options configure a Throttle.
type Options struct {
	Record func(event.Event) // told refusals, the first a minute and client; must not block
	Now    func() time.Time  // the clock; time.Now when nil
}

// Throttle is the room's state.
type Throttle struct {
	record  func(event.Event)
	now     func() time.Time
	seed    maphash.Seed
	clients *buckets
	users   *buckets
	friends *buckets // a spent bucket marks a friend until it has recovered
}

// New returns a Throttle.
func New(o Options) *Throttle {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Throttle{
		record: o.Record, now: o.Now, seed: maphash.MakeSeed(),
		clients: newBuckets(byClient, remembered, o.Now),
		users:   newBuckets(byUser, remembered, o.Now),
		friends: newBuckets(limit{burst: 1, every: 2 * friendFor}, remembered, o.Now),
	}
}

// Handler answers 429 to whoever has failed too often, and counts failures.
func (t *Throttle) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchange.From(r.Context())
		if x == nil || r.Method != http.MethodPost && r.Header["Authorization"] == nil || x.Site.Mode == config.Off {
			next.ServeHTTP(w, r)
			return
		}
		path, query := r.URL.EscapedPath(), r.URL.RawQuery
		if strings.HasPrefix(x.Target, "/") {
			path, query, _ = strings.Cut(x.Target, "?")
		}
		a, ok := read(x, r, path, query)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		t.serve(next, w, r, x, a)
	})
}

func (t *Throttle) serve(next http.Handler, w http.ResponseWriter, r *http.Request, x *exchange.Exchange, a attempt) {
	g := &guess{t: t, x: x, a: a, status: -1}
	// A program whose very password the CMS has accepted guesses nothing. A
	// session proves nothing here: a subscriber may guess at an administrator.
	witnessed := x.Rank > exchange.Visitor && r.Header["Authorization"] != nil && r.Header["Cookie"] == nil
	if x.Client.IsValid() {
		g.client = t.key("client", x.Site.Name, exchange.Network(x.Client).String(), "")
	}
	if a.user != "" {
		user := strings.ToLower(strings.TrimSpace(a.user))
		g.user = t.key("user", x.Site.Name, user, "")
		g.friend = t.key("friend", x.Site.Name, user, exchange.Network(x.Client).String())
	}
	if !witnessed && !t.admit(g, w, r) {
		return
	}
	peek.Serve(next, w, r, g)
	g.settle()
}

// admit holds back what a failure would cost, so that many guesses at once are
// no way around the limit.
func (t *Throttle) admit(g *guess, w http.ResponseWriter, r *http.Request) bool {
	var wait time.Duration
	var tell bool
	if g.client != 0 {
		if wait, tell = t.clients.take(g.client, g.a.cost); wait == 0 {
			g.heldClient = g.a.cost
		}
	}
	if wait == 0 && g.user != 0 && !t.isFriend(g.friend) {
		if wait, tell = t.users.take(g.user, g.a.cost); wait == 0 {
			g.heldUser = g.a.cost
		}
	}
	if wait == 0 {
		return true
	}
	g.giveBack()
	wait = wait.Round(time.Second)
	if tell {
		return !refuse.Judge(w, r, g.x, t.record, event.KindGuard, Reason, http.StatusTooManyRequests, wait)
	}
	if g.x.Site.Mode == config.Detect {
		return true
	}
	g.x.Refuse(w, r, exchange.Refusal{Status: http.StatusTooManyRequests, Retry: wait})
	return false
}

// isFriend reports whether the client has logged in as the user lately: half of
// its bucket's recovery ago at most.
func (t *Throttle) isFriend(key uint64) bool {
	wait, _ := t.friends.take(key, 0.5)
	if wait == 0 {
		t.friends.spend(key, -0.5)
		return false
	}
	return true
}

func (t *Throttle) key(parts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	for _, p := range parts {
		_, _ = h.WriteString(p)
		_ = h.WriteByte(0)
	}
	return max(h.Sum64(), 1)
}

// guess is one attempt under way.
type guess struct {
	t                    *Throttle
	x                    *exchange.Exchange
	a                    attempt
	client, user, friend uint64 // 0 when unknown
	heldClient, heldUser float64

	status   int // -1 until the answer is known
	header   http.Header
	encoding string
	failed   int
	right    bool
}

// Head reads the answer's head.
func (g *guess) Head(status int, h http.Header) int {
	g.status = status
	if g.x.Event != nil && g.x.Event.Action == event.Blocked {
		return 0 // another room answered
	}
	g.failed = g.a.failures(status, h, nil)
	g.right = g.failed == 0 && g.a.success != nil && g.a.success(status, h)
	if g.a.look > 0 {
		g.header, g.encoding = h, h.Get("Content-Encoding")
	}
	return g.a.look
}

// Body reads the answer's first bytes.
func (g *guess) Body(raw []byte) {
	g.failed = g.a.failures(g.status, g.header, peek.Plain(g.encoding, raw, 4*lookAtFaults))
}

// giveBack returns what was held.
func (g *guess) giveBack() {
	if g.heldClient > 0 {
		g.t.clients.spend(g.client, -g.heldClient)
	}
	if g.heldUser > 0 {
		g.t.users.spend(g.user, -g.heldUser)
	}
	g.heldClient, g.heldUser = 0, 0
}

// settle counts what the answer showed.
func (g *guess) settle() {
	g.giveBack()
	if g.failed > 0 {
		cost := float64(g.failed)
		if g.a.blind {
			cost = g.a.cost
		}
		if g.client != 0 {
			g.t.clients.spend(g.client, cost)
		}
		if g.user != 0 && !g.t.isFriend(g.friend) {
			g.t.users.spend(g.user, cost)
		}
		return
	}
	if g.right && g.user != 0 && g.client != 0 && !g.t.isFriend(g.friend) {
		g.t.friends.spend(g.friend, 1)
	}
}
