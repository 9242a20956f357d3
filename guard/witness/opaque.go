package witness

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/guard/peek"
)

// opaque reads a CMS whose session cookie says nothing about its bearer. Its
// screens are the only proof: a session is known from the first one it was
// shown, and worth nothing again when the CMS asks for the password, when it
// logs out, and some hours after the last screen.
type opaque struct {
	profile string
	cookie  func(name string) bool // the names its session cookies have
	ends    []string               // what a request to log out has in its target

	// place returns the rank that a page at this path and query proves, before
	// the page has been seen; Visitor for pages that prove nothing.
	place func(path, query string) exchange.Rank
	// shown returns what the page's first bytes prove: at most rank.
	shown func(rank exchange.Rank, h http.Header, page []byte) exchange.Rank
	// asks are in every page that asks for a password instead.
	asks []string
}

// opaqueLife is how long a session is trusted after its last screen.
const opaqueLife = 4 * time.Hour

const lookAtScreen = 96 << 10

// bearer takes all session cookies of a request together as one credential: a
// browser sends them together, and which of them counts only the CMS knows.
func (c *opaque) bearer(q *reading, nth int) (b bearer, ok bool) {
	n := 0
	eachCookie(q.r.Header["Cookie"], func(name, value string) bool {
		if value == "" || len(value) > maxValue || !c.cookie(name) {
			return true
		}
		if n++; n == 1 {
			b.name, b.value = name, value
		} else {
			b.value += ";" + name + "=" + value
		}
		return n < 5
	})
	b.doubt = n >= 5
	return b, n > 0 && nth == 0
}

func (c *opaque) key(h *hasher, q *reading, b bearer) (Session, bool) {
	return Session{Key: h.key(c.profile, q.x.Site.Name, b.name, b.value)}, true
}

func (c *opaque) grants(_ *hasher, q *reading, b bearer, s Session) exchange.Rank {
	if b.doubt || q.forged() {
		return exchange.Visitor
	}
	return s.Rank
}

func (c *opaque) watches(q *reading, bears bool) bool {
	return bears && (c.endsHere(q) || q.r.Method == http.MethodGet && c.place(q.path, q.query) > exchange.Visitor)
}

func (c *opaque) endsHere(q *reading) bool {
	for _, end := range c.ends {
		if strings.Contains(q.query, end) || strings.HasPrefix(end, "/") && strings.HasSuffix(q.path, end) {
			return true
		}
	}
	return false
}

func (c *opaque) head(g *sighting, status int, h http.Header) int {
	switch {
	case c.endsHere(&g.q):
		if g.known && status < 400 {
			g.w.book.forget(g.session.Key)
			g.w.tell(g, "session ended", g.session.Rank)
		}
		return 0
	case !g.honest() || g.b.doubt || status != http.StatusOK || !isHTML(h) || !fresh(h):
		return 0
	}
	g.encoding, g.header = h.Get("Content-Encoding"), h
	return lookAtScreen
}

func (c *opaque) body(g *sighting, raw []byte) {
	page := peek.Plain(g.encoding, raw, lookAtScreen)
	if containsAny(page, c.asks) {
		if g.known {
			g.w.book.forget(g.session.Key)
			g.w.tell(g, "session no longer accepted", g.session.Rank)
		}
		return
	}
	if rank := c.shown(c.place(g.q.path, g.q.query), g.header, page); rank > exchange.Visitor {
		g.session.Path = "/"
		g.session.Expires = g.w.now().Add(opaqueLife).Unix()
		g.raise(rank)
	}
}

func containsAny(page []byte, texts []string) bool {
	for _, t := range texts {
		if bytes.Contains(page, []byte(t)) {
			return true
		}
	}
	return false
}

// isHex reports whether s is n lower-case hexadecimal digits.
func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// param returns the only value of a query parameter, raw; a second one, or a
// disguised name, makes it unknown.
func param(query, name string) string {
	value, n := "", 0
	for rest := query; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		k, v, _ := strings.Cut(pair, "=")
		if k == name || strings.Trim(unescape(k), " ") == name {
			value = v
			n++
		}
	}
	if n != 1 {
		return ""
	}
	return value
}
