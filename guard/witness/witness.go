package witness

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/singleflight"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/guard/peek"
)

// lateGrace is how long after its expiry a session may still write: WordPress
// grants an hour to a form that was open when the session ran out.
const lateGrace = time.Hour

// DefaultSessions is how many sessions are kept when Options does not say.
const DefaultSessions = 200_000

// Options configure a Witness.
type Options struct {
	Path     string           // the file that survives a restart; empty keeps nothing
	Key      []byte           // at least 16 secret bytes; the same after a restart
	Sessions int              // how many to keep, about 256 bytes each; DefaultSessions when 0
	Logger   zerolog.Logger   // what was learned, at debug level
	Now      func() time.Time // the clock; time.Now when nil

	// Upstream returns the way to a site's CMS, for the rare question that its
	// passing answers leave open; URL hosts are those of the site's upstreams.
	// Nil asks over connections of the Witness's own.
	Upstream func(*config.Site) http.RoundTripper
}

// Witness knows the sessions a CMS has accepted. See the package's description.
type Witness struct {
	hash *hasher
	book *book
	cms  map[string]cms // by profile
	log  zerolog.Logger
	now  func() time.Time

	ask    func(*config.Site) http.RoundTripper
	answer singleflight.Group
	manner *manners

	path string
	stop context.CancelFunc
	done sync.WaitGroup
}

// New returns a Witness that remembers what the file at Options.Path holds. A
// file that cannot be read is set aside with a warning, never a reason not to
// start; a folder that cannot be written is an error.
func New(o Options) (*Witness, error) {
	if len(o.Key) < 16 {
		return nil, errors.New("witness: key is shorter than 16 bytes")
	}
	if o.Sessions <= 0 {
		o.Sessions = DefaultSessions
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Upstream == nil {
		own := &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, DisableCompression: true}
		o.Upstream = func(*config.Site) http.RoundTripper { return own }
	}
	w := &Witness{
		ask: o.Upstream, manner: newManners(o.Now),
		hash: newHasher(o.Key),
		book: newBook(o.Sessions),
		cms: map[string]cms{
			"wordpress": wordpress{},
			"joomla":    newJoomla(),
			"drupal":    newDrupal(),
			"bitrix":    newBitrix(),
			"opencart":  newOpenCart(),
		},
		log:  o.Logger,
		now:  o.Now,
		path: o.Path,
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	if w.path != "" {
		if err := w.load(); err != nil {
			stop()
			return nil, err
		}
		saved := w.book.changed()
		w.done.Go(func() { w.keep(ctx, saved) })
	}
	return w, nil
}

// Close writes down what is known and stops. The Witness must not be used
// after it.
func (w *Witness) Close() error {
	w.stop()
	w.done.Wait()
	if w.path == "" {
		return nil
	}
	return w.save()
}

// Len returns how many sessions are known.
func (w *Witness) Len() int { return w.book.len() }

// Handler sets the exchange's Rank and Session from what is known about the
// session a request bears, and learns from the answer.
func (w *Witness) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		x := exchange.From(r.Context())
		if x == nil {
			next.ServeHTTP(rw, r)
			return
		}
		c := w.cms[x.Profile]
		if c == nil || !mayMatter(r) {
			next.ServeHTTP(rw, r)
			return
		}
		q := read(x, r)
		b, s, known, bears := w.identify(c, &q)
		if v, ok := c.(voucher); ok && v.vouches(&q) {
			x.Vouch = func(user, password string) exchange.Rank { return v.vouch(w, &q, user, password) }
		}
		if !c.watches(&q, bears) {
			next.ServeHTTP(rw, r)
			return
		}
		g := &sighting{w: w, cms: c, q: q, b: b, bears: bears, session: s, known: known}
		if l, ok := c.(listener); ok && known && r.Body != nil && l.listens(&q) {
			g.form = &overheard{ReadCloser: r.Body}
			r.Body = g.form
		}
		peek.Serve(next, rw, r, g)
	})
}

// mayMatter is the cheap way out for the bulk of all traffic: a visitor without
// cookies reading a page.
func mayMatter(r *http.Request) bool {
	return r.Method != http.MethodGet || r.Header["Cookie"] != nil || r.Header["Authorization"] != nil
}

// identify finds the session the request bears and gives the exchange its rank.
// A browser may still send the cookie of a session long gone: of several, the
// first that is known counts.
func (w *Witness) identify(c cms, q *reading) (b bearer, s Session, known, bears bool) {
	var grace time.Duration
	if q.writes() {
		grace = lateGrace
	}
	b, bears = c.bearer(q, 0)
	for n := 1; bears; n++ {
		if s, bears = c.key(w.hash, q, b); !bears {
			return b, s, false, false
		}
		var found Session
		if found, known = w.book.find(s.Key, w.now(), grace); known {
			s = found
			break
		}
		next, more := c.bearer(q, n)
		if !more {
			break
		}
		b = next
	}
	if !bears {
		return b, s, false, false
	}
	if w.settle(c, q, b, &s, &known); known {
		if rank := c.grants(w.hash, q, b, s); rank > exchange.Visitor {
			q.x.Rank = rank
			q.x.Session = hex.EncodeToString(s.Key[:])
		}
	}
	return b, s, known, true
}

func (w *Witness) tell(g *sighting, what string, rank exchange.Rank) {
	w.log.Debug().Str("site", g.q.x.Site.Name).Str("session", hex.EncodeToString(g.session.Key[:4])).
		Stringer("rank", rank).Msg(what)
}
