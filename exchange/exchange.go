package exchange

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
)

// Rank is what the edge itself has witnessed about a session. A cookie's name
// or value proves nothing.
type Rank int

// Ranks, in order.
const (
	Visitor Rank = iota // nothing was witnessed
	Member              // a login succeeded through this edge
	Author              // and the CMS let that session edit content
	Admin               // and the CMS let that session change the site
)

// Covers reports whether a requester of rank r satisfies who.
func (r Rank) Covers(who config.Who) bool {
	switch who {
	case config.Anyone, "":
		return true
	case config.Member:
		return r >= Member
	case config.Author:
		return r >= Author
	case config.Admin:
		return r >= Admin
	}
	return false
}

// String returns the rank's name as events carry it; empty for a visitor.
func (r Rank) String() string {
	switch r {
	case Member:
		return "member"
	case Author:
		return "author"
	case Admin:
		return "admin"
	}
	return ""
}

// Exchange is one request under way.
type Exchange struct {
	Site    *config.Site
	Profile string // the profile in force: Site.Profile, or what was recognised
	Start   time.Time

	Client netip.Addr // invalid when unknown
	Peer   netip.AddrPort
	Local  netip.AddrPort

	Target string        // raw request target, byte for byte
	Proto  string        // as the request line spelt it
	Fields []event.Field // header lines in order and spelling; HTTP/2: as decoded
	TLS    bool
	HTTPS  bool // the visitor came over TLS, to here or to a trusted proxy in front

	Strict  bool   // set by guard: to be judged with a lower threshold
	Rank    Rank   // set by guard
	Session string // keyed hash of the witnessed session, empty without one

	// Vouch returns the rank witnessed for a user name and password that a
	// room found in the request's body, as XML-RPC carries them, and raises
	// Rank and Session to it. Set by guard; nil where bodies carry none. It may
	// ask the CMS, and so take as long as an answer of the CMS.
	Vouch func(user, password string) Rank

	// Runs is what the site was seen to run; nil before anything was seen. Set
	// by guard, never changed once set.
	Runs *Runs

	Judge    time.Duration // spent judging, summed over rooms
	Upstream time.Duration // until the upstream's head
	Score    int           // inbound anomaly score
	Bytes    int64         // body bytes read by the edge
	Event    *event.Event  // the refusal or detection, once there is one

	// Refuse answers the visitor. The proxy sets it; a room calls it at most
	// once, before anything was written, and returns.
	Refuse func(http.ResponseWriter, *http.Request, Refusal)
}

// Refusal is an answer given instead of the upstream's.
type Refusal struct {
	Status int    // 400, 403, 413, 415, 421, 429, 431, 503
	Code   string // incident code; empty when no event was made
	Close  bool   // close the connection after the answer
	Retry  time.Duration

	// Certificate says that the visitor showed no good certificate where one is
	// asked for.
	Certificate bool

	// Network says that it was not the request: nothing is taken from the network
	// that it came from.
	Network bool
}

// Network is what counts as one client: his address, or the /64 around an IPv6
// address, of which he has as many as he likes (RFC 6177).
func Network(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

type key struct{}

// With returns a context that carries x.
func With(ctx context.Context, x *Exchange) context.Context {
	return context.WithValue(ctx, key{}, x)
}

// From returns the exchange of a request that came through the proxy, and nil
// for any other.
func From(ctx context.Context) *Exchange {
	x, _ := ctx.Value(key{}).(*Exchange)
	return x
}
