package witness

import (
	"io"
	"net/http"
	"strings"

	"github.com/qorgan/qorgan/exchange"
)

// reading is one request, as a CMS's reader looks at it.
type reading struct {
	x     *exchange.Exchange
	r     *http.Request
	path  string // raw, as it was sent
	query string // raw, without "?"
}

func read(x *exchange.Exchange, r *http.Request) reading {
	q := reading{x: x, r: r}
	if strings.HasPrefix(x.Target, "/") {
		q.path, q.query, _ = strings.Cut(x.Target, "?")
	} else {
		q.path, q.query = r.URL.EscapedPath(), r.URL.RawQuery
	}
	return q
}

// writes reports whether the request may change something.
func (q *reading) writes() bool {
	switch q.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return true
}

// forged reports whether a browser says that another site made it write.
// Fetch Metadata: Sec-Fetch-Site cannot be set by a page.
func (q *reading) forged() bool {
	return q.writes() && q.r.Header.Get("Sec-Fetch-Site") == "cross-site"
}

// bearer is the credential a request bears.
type bearer struct {
	name  string // the cookie's name, or "basic"
	value string // as sent, still escaped
	admin string // WordPress: the cookie of the admin area, as sent
	mixed bool   // other credentials came with it: nothing is learned
	doubt bool   // the CMS may read something else: nothing is granted either
}

// cms is how one content management system shows whom it trusts.
type cms interface {
	// bearer finds the session the request bears; ok is false for none. Where
	// there are several, the nth of them; past the last, ok is false.
	bearer(q *reading, n int) (b bearer, ok bool)
	// key makes the session out of what the request bears, with everything
	// that the credential itself says: user, login, expiry. It is not proof.
	key(h *hasher, q *reading, b bearer) (Session, bool)
	// grants returns the rank this very request may use of a known session.
	grants(h *hasher, q *reading, b bearer, s Session) exchange.Rank
	// watches reports whether the answer can teach anything.
	watches(q *reading, bears bool) bool
	// head is told the answer's head, and returns how many bytes of the body
	// it wants to see; body is told those.
	head(g *sighting, status int, h http.Header) int
	body(g *sighting, raw []byte)
}

// asker is a CMS that can be asked what its passing answers leave open.
type asker interface {
	// question returns the request that settles whether the session may write
	// as it is about to, and nil where there is nothing to ask.
	question(w *Witness, q *reading, b bearer, s Session, known bool) *question
}

// listener is a CMS to which the form of some requests matters.
type listener interface {
	listens(q *reading) bool
}

// overheard keeps the first bytes of a body as whoever reads it reads them.
type overheard struct {
	io.ReadCloser
	said []byte
}

const hearMost = 1 << 10

func (o *overheard) Read(p []byte) (int, error) {
	n, err := o.ReadCloser.Read(p)
	if room := hearMost - len(o.said); room > 0 {
		o.said = append(o.said, p[:min(n, room)]...)
	}
	return n, err
}

// voucher is a CMS some of whose requests carry a password in their body.
type voucher interface {
	vouches(q *reading) bool
	vouch(w *Witness, q *reading, user, password string) exchange.Rank
}

// sighting is one answer on its way, and whose it is.
type sighting struct {
	w        *Witness
	cms      cms
	q        reading
	b        bearer
	bears    bool
	session  Session // what the credential says, with what the book knew
	known    bool    // the book knew it
	form     *overheard
	encoding string
	header   http.Header
}

// Head and Body hand the answer to the reader of its CMS.
func (g *sighting) Head(status int, h http.Header) int { return g.cms.head(g, status, h) }

// Body: see Head.
func (g *sighting) Body(raw []byte) { g.cms.body(g, raw) }

// honest reports whether the request may teach anything: one that was found
// to carry an attack may not, whatever it was answered.
func (g *sighting) honest() bool {
	x := g.q.x
	return x.Event == nil && (x.Site.Threshold.Inbound <= 0 || x.Score < x.Site.Threshold.Inbound)
}

// fresh reports whether the answer was made for this request, as far as its
// head tells: an answer from a cache may have been another's.
func fresh(h http.Header) bool {
	if age := h.Get("Age"); age != "" && age != "0" {
		return false
	}
	for _, name := range [...]string{"X-Cache", "X-Cache-Status", "X-Proxy-Cache", "X-Litespeed-Cache", "Cf-Cache-Status", "X-Fastcgi-Cache"} {
		if v := h.Get(name); v != "" && strings.Contains(strings.ToLower(v), "hit") {
			return false
		}
	}
	cc := strings.ToLower(h.Get("Cache-Control"))
	return !strings.Contains(cc, "public") && !strings.Contains(cc, "s-maxage")
}

// isHTML reports whether the answer is a page.
func isHTML(h http.Header) bool {
	t := strings.ToLower(h.Get("Content-Type"))
	return strings.HasPrefix(t, "text/html") || strings.HasPrefix(t, "application/xhtml+xml")
}

// raise remembers that the CMS let the session do what only rank may.
func (g *sighting) raise(rank exchange.Rank) {
	now := g.w.now().Unix()
	if g.known {
		if g.w.book.update(g.session.Key, func(s *Session) {
			if s.Expires = max(s.Expires, g.session.Expires); rank >= s.Rank {
				s.Proved, s.Rank = now, rank
			}
		}) {
			if rank > g.session.Rank {
				g.w.tell(g, "session raised", rank)
			}
			g.session.Rank = max(g.session.Rank, rank)
			return
		}
	}
	s := g.session
	s.Rank, s.Proved = rank, now
	// One login has one session: a second value that claims to be the same
	// login takes the first one's place instead of joining it.
	g.w.book.forgetUser(s.User, func(o *Session) bool { return s.Login != 0 && o.Login == s.Login })
	g.w.book.put(s)
	g.session, g.known = s, true
	g.w.tell(g, "session witnessed by its answer", rank)
}
