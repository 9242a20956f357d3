package witness

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/qorgan/qorgan/exchange"
)

// wordpress reads WordPress 4.0 to 6.9 (wp-includes/pluggable.php,
// wp_generate_auth_cookie): every login sets a cookie for the whole site,
// wordpress_logged_in_<hash>, and one for the admin area, wordpress_<hash> or
// wordpress_sec_<hash>. Both read user|expiry|token|hmac with the first three
// parts in common.
type wordpress struct{}

const loggedIn = "wordpress_logged_in_"

// maxLife bounds how far ahead a cookie may expire; sites that ask for more
// have their sessions witnessed again.
const maxLife = 400 * 24 * time.Hour

func (wordpress) bearer(q *reading, n int) (b bearer, ok bool) {
	lines := q.r.Header["Cookie"]
	if len(lines) > 0 {
		b, ok = wordpressCookies(lines, n)
	}
	if !ok && n == 0 {
		return basicBearer(q)
	}
	return b, ok
}

// wordpressCookies returns the nth session among the cookies. Of cookies with
// the same name PHP takes the first. Several names mean several WordPresses on
// one host, or one whose address has changed.
func wordpressCookies(lines []string, n int) (b bearer, ok bool) {
	var seen [4]string
	names := 0
	eachCookie(lines, func(name, value string) bool {
		if !strings.HasPrefix(name, "wordpress") {
			return true
		}
		if !plainName(name) {
			b.doubt = true // PHP may read it as one of the names below
			return true
		}
		if !strings.HasPrefix(name, loggedIn) || names == len(seen) {
			return true
		}
		for _, s := range seen[:names] {
			if s == name {
				return true
			}
		}
		seen[names] = name
		if names++; names == n+1 {
			b.name, b.value, ok = name, value, true
		}
		return true
	})
	if ok {
		b.mixed = names > 1
		b.adminCookie(lines)
	}
	return b, ok
}

// adminCookie finds the cookie of the admin area that belongs to b's: its name
// ends alike, and its value begins alike.
func (b *bearer) adminCookie(lines []string) {
	suffix := b.name[len(loggedIn):]
	eachCookie(lines, func(name, value string) bool {
		if !isAdminCookie(name, suffix) {
			return true
		}
		if sameLogin(value, b.value) {
			b.admin = value
		} else {
			b.mixed = true
		}
		return true
	})
}

// isAdminCookie reports whether name is that of an admin area's cookie, over
// plain HTTP or TLS, for sites with that suffix.
func isAdminCookie(name, suffix string) bool {
	rest, ok := strings.CutPrefix(name, "wordpress_")
	return ok && (rest == suffix || strings.TrimPrefix(rest, "sec_") == suffix)
}

func plainName(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// login returns the part of a cookie's value, still escaped or not, that all
// cookies of one login share: everything before the last separator.
func login(value string) string {
	v := unescape(value)
	return v[:max(strings.LastIndexByte(v, '|'), 0)]
}

func sameLogin(a, b string) bool { l := login(a); return l != "" && l == login(b) }

// authCookie is what user|expiry|token|hmac says.
type authCookie struct {
	user    string
	expires int64
}

func readAuthCookie(value string, now time.Time) (c authCookie, ok bool) {
	user, rest, _ := strings.Cut(value, "|")
	expiry, rest, _ := strings.Cut(rest, "|")
	token, mac, ok := strings.Cut(rest, "|")
	if !ok || user == "" || len(token) < 16 || len(mac) < 32 || len(value) > maxValue || strings.Contains(mac, "|") {
		return c, false
	}
	n, err := strconv.ParseInt(expiry, 10, 64)
	if err != nil || n > now.Add(maxLife).Unix() {
		return c, false
	}
	return authCookie{user: user, expires: n}, true
}

// wordpressSession names the session of a site-wide cookie; value is unescaped.
func wordpressSession(h *hasher, site, name, value string, now time.Time) (Session, bool) {
	c, ok := readAuthCookie(value, now)
	if !ok {
		return Session{}, false
	}
	return Session{
		Key:     h.key("wordpress", site, name, value),
		User:    wordpressUser(h, site, c.user),
		Login:   h.short("wordpress login", site, name, login(value)),
		Expires: c.expires,
	}, true
}

func wordpressUser(h *hasher, site, user string) uint64 {
	return h.short("wordpress user", site, strings.ToLower(user))
}

func (wordpress) key(h *hasher, q *reading, b bearer) (Session, bool) {
	if b.name == basic {
		return basicSession(h, q, b)
	}
	if len(b.value) > 3*maxValue {
		return Session{}, false
	}
	// Only the key is needed to find a known session; the rest waits for an
	// answer that proves something.
	return Session{Key: h.key("wordpress", q.x.Site.Name, b.name, unescape(b.value))}, true
}

func (wordpress) grants(h *hasher, q *reading, b bearer, s Session) exchange.Rank {
	if b.name == basic {
		if isREST(q) || isXMLRPC(q) {
			return s.Rank
		}
		return exchange.Visitor
	}
	if b.doubt || q.forged() || !within(q.path, s.Path) {
		return exchange.Visitor
	}
	if isREST(q) {
		// Without its form token WordPress takes the request for a visitor's.
		n, ok := nonceOf(q)
		if !ok || !s.accepts(h.short("nonce", q.x.Site.Name, n)) {
			return exchange.Visitor
		}
		return s.Rank
	}
	if strings.Contains(q.path, "/wp-admin/") && b.admin == "" {
		return exchange.Visitor
	}
	return s.Rank
}

func (s *Session) accepts(nonce uint64) bool {
	return nonce != 0 && (s.Nonces[0] == nonce || s.Nonces[1] == nonce)
}

func (wordpress) watches(q *reading, bears bool) bool {
	return bears || q.writes()
}

func (c wordpress) head(g *sighting, status int, h http.Header) int {
	if !g.honest() {
		return 0
	}
	c.cookies(g, status, h)
	if !g.bears || g.b.doubt || g.b.mixed && !g.known {
		return 0
	}
	if g.b.name == basic {
		return c.basicAnswer(g, status, h)
	}
	if isREST(&g.q) {
		c.restAnswer(g, status, h)
		return 0
	}
	return c.adminAnswer(g, status, h)
}

// complete fills in what the bearer's cookie says about itself, which the hot
// path leaves out.
func (c wordpress) complete(g *sighting, path string) bool {
	if g.known {
		return true
	}
	s, ok := wordpressSession(g.w.hash, g.q.x.Site.Name, g.b.name, unescape(g.b.value), g.w.now())
	if !ok || s.Expires <= g.w.now().Unix() {
		return false
	}
	s.Path = path
	g.session = s
	return true
}

// cookies looks for a session that begins or ends with this answer. What
// counts is each cookie's last line: a plugin that asks for a second factor
// sets the cookie and takes it back in the same answer.
func (c wordpress) cookies(g *sighting, status int, h http.Header) {
	var begun *newCookie
	ended := false
	now := g.w.now()
	for _, line := range h["Set-Cookie"] {
		if !strings.HasPrefix(line, loggedIn) {
			continue
		}
		k, ok := readSetCookie(line, now)
		if !ok {
			continue
		}
		if k.gone {
			if begun != nil && begun.name == k.name {
				begun = nil
			}
			ended = ended || k.name == g.b.name
			continue
		}
		if begun != nil && begun.value == k.value && len(begun.path) <= len(k.path) {
			continue // the same cookie for a narrower path
		}
		begun = &k
	}
	if ended && g.known && (begun == nil || begun.name != g.b.name) {
		c.forget(g, "session ended")
	}
	if begun != nil && status < 400 {
		c.begin(g, begun, now)
	}
	// A wrong reset link deletes its cookie too, but sends the visitor elsewhere.
	if name, user := resetUser(&g.q); user != "" && status == http.StatusOK && deletes(h, name, now) {
		n := g.w.book.forgetUser(wordpressUser(g.w.hash, g.q.x.Site.Name, user), func(*Session) bool { return true })
		g.w.log.Debug().Str("site", g.q.x.Site.Name).Int("sessions", n).Msg("password reset: the user's sessions are forgotten")
	}
}

// begin remembers a session that WordPress has just set. Where it replaces one
// of the same user outside the login page, the password was changed: the new
// session keeps the rank, all others of that user have ended.
func (c wordpress) begin(g *sighting, k *newCookie, now time.Time) {
	s, ok := wordpressSession(g.w.hash, g.q.x.Site.Name, k.name, k.value, now)
	if !ok || s.Expires <= now.Unix() {
		return
	}
	s.Path, s.Rank, s.Proved = k.path, exchange.Member, now.Unix()
	if !strings.HasSuffix(g.q.path, "/wp-login.php") && g.bears && !g.b.doubt && !g.b.mixed && g.b.name != basic && c.complete(g, s.Path) && g.session.User == s.User {
		if g.q.x.Rank > exchange.Visitor {
			s.Rank = max(s.Rank, g.session.Rank)
		}
		g.w.book.forgetUser(s.User, func(*Session) bool { return true })
	}
	g.w.book.put(s)
	g.w.log.Debug().Str("site", g.q.x.Site.Name).Stringer("rank", s.Rank).Msg("login witnessed")
}

// forget drops the session and whatever else claims to be the same login.
func (wordpress) forget(g *sighting, why string) {
	login := g.session.Login
	g.w.book.forget(g.session.Key)
	g.w.book.forgetUser(g.session.User, func(o *Session) bool { return login != 0 && o.Login == login })
	g.w.tell(g, why, g.session.Rank)
	g.known = false
}

// resetUser returns the cookie by which WordPress carries a password reset from
// page to page, and the user name in it, if this request sets the new password.
func resetUser(q *reading) (name, user string) {
	if !q.writes() || !strings.HasSuffix(q.path, "/wp-login.php") {
		return "", ""
	}
	eachCookie(q.r.Header["Cookie"], func(n, v string) bool {
		if strings.HasPrefix(n, "wp-resetpass-") && len(v) <= 3*maxValue {
			u, _, _ := strings.Cut(unescape(v), ":")
			name, user = n, u
			return false
		}
		return true
	})
	return name, user
}

func deletes(h http.Header, name string, now time.Time) bool {
	for _, line := range h["Set-Cookie"] {
		if k, ok := readSetCookie(line, now); ok && k.gone && k.name == name {
			return true
		}
	}
	return false
}
