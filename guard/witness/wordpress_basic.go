package witness

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/qorgan/qorgan/exchange"
)

// basic stands for a name and password in the Authorization header: an
// application password of WordPress 5.6 and later, good for REST and XML-RPC.
const basic = "basic"

// basicLife is how long such a credential is remembered after it was last
// accepted.
const basicLife = 14 * 24 * time.Hour

func basicBearer(q *reading) (bearer, bool) {
	a := q.r.Header["Authorization"]
	if len(a) != 1 || len(a[0]) < 6 || len(a[0]) > maxValue || !strings.EqualFold(a[0][:6], "basic ") {
		return bearer{}, false
	}
	return bearer{name: basic, value: strings.TrimSpace(a[0][6:])}, true
}

func basicSession(h *hasher, q *reading, b bearer) (Session, bool) {
	raw, err := base64.StdEncoding.DecodeString(b.value)
	if err != nil {
		return Session{}, false
	}
	user, password, ok := strings.Cut(string(raw), ":")
	if !ok || user == "" {
		return Session{}, false
	}
	return passwordSession(h, q.x.Site.Name, user, password), true
}

// passwordSession names a credential of user name and password. WordPress
// ignores the spaces in which it shows an application password.
func passwordSession(h *hasher, site, user, password string) Session {
	return Session{
		Key:  h.key("wordpress password", site, user, strings.ReplaceAll(password, " ", "")),
		User: wordpressUser(h, site, user),
	}
}

func (c wordpress) basicAnswer(g *sighting, status int, h http.Header) int {
	if !isREST(&g.q) {
		return 0
	}
	if status == http.StatusUnauthorized && g.known {
		c.forget(g, "application password no longer accepted")
		return 0
	}
	if !fresh(h) || !strings.HasPrefix(h.Get("Content-Type"), "application/json") {
		return 0
	}
	rank := exchange.Visitor
	switch status {
	case http.StatusOK:
		rank = restProof(&g.q)
	case http.StatusCreated:
		if g.q.r.Method == http.MethodPost && restCreates(g.q.path) {
			rank = exchange.Author
		}
	}
	if rank == exchange.Visitor {
		return 0
	}
	g.session.Expires = g.w.now().Add(basicLife).Unix()
	g.session.Path = "/"
	g.raise(rank)
	return 0
}

// restCreates reports whether 201 from this route means that an author was at
// work: nothing else creates posts, pages or media.
func restCreates(path string) bool {
	before, route, ok := strings.Cut(path, "/wp-json/wp/v2/")
	if !ok || strings.Contains(before, ".php") {
		return false
	}
	switch strings.TrimSuffix(route, "/") {
	case "posts", "pages", "media":
		return true
	}
	return false
}
