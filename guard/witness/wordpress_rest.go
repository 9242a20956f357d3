package witness

import (
	"net/http"
	"strings"

	"github.com/qorgan/qorgan/exchange"
)

// isREST reports whether the request may reach the REST API, in whatever
// disguise: taking a request for REST only costs it rank.
func isREST(q *reading) bool {
	return strings.Contains(q.path, "wp-json") ||
		strings.Contains(q.query, "rest") && strings.Contains(restName.Replace(q.query), "rest_route") ||
		strings.Contains(q.path, "%") && strings.Contains(unescape(q.path), "wp-json") ||
		strings.Contains(q.query, "%") && strings.Contains(restName.Replace(unescape(q.query)), "rest_route")
}

// restName undoes what PHP does to the names of parameters.
var restName = strings.NewReplacer(".", "_", " ", "_", "+", "_", "[", "_")

func isXMLRPC(q *reading) bool { return strings.HasSuffix(q.path, "/xmlrpc.php") }

// nonceOf returns the request's REST form token. Two that differ are none.
func nonceOf(q *reading) (string, bool) {
	n := q.r.Header["X-Wp-Nonce"]
	if len(n) > 1 {
		return "", false
	}
	var nonce string
	if len(n) == 1 {
		nonce = n[0]
	}
	for rest := q.query; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		name, value, _ := strings.Cut(pair, "=")
		if strings.Trim(unescape(name), " ") == "_wpnonce" {
			if nonce != "" && nonce != value {
				return "", false
			}
			nonce = value
		}
	}
	return nonce, nonce != "" && len(nonce) <= 64
}

// restRead lists the parameters of a REST read that change neither the method
// nor the shape of the answer's status: _method, _envelope and rest_route do.
var restRead = map[string]bool{
	"context": true, "_locale": true, "_fields": true, "per_page": true, "page": true, "offset": true,
	"search": true, "order": true, "orderby": true, "status": true, "include": true, "exclude": true,
	"author": true, "categories": true, "tags": true, "parent": true, "slug": true, "_embed": true,
	"_wpnonce": true, "after": true, "before": true,
}

// restRank says what WordPress's own answer 200 to a read of a core route
// proves; routes are those of namespace wp/v2. All but the admin's want
// context=edit (wp-includes/rest-api/endpoints, *_permissions_check).
var restRank = map[string]exchange.Rank{
	"posts":    exchange.Author,
	"pages":    exchange.Author,
	"blocks":   exchange.Author,
	"media":    exchange.Author,
	"settings": exchange.Admin,
	"plugins":  exchange.Admin,
}

// restProof returns the rank that a 200 to this request would prove.
func restProof(q *reading) exchange.Rank {
	if q.r.Method != http.MethodGet || q.r.Header["X-Http-Method-Override"] != nil || q.r.ContentLength > 0 {
		return exchange.Visitor
	}
	before, route, ok := strings.Cut(q.path, "/wp-json/wp/v2/")
	if !ok || strings.Contains(before, ".php") || strings.Contains(q.path, "%") {
		return exchange.Visitor
	}
	edit := 0
	for rest := q.query; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		name, value, _ := strings.Cut(pair, "=")
		if !restRead[strings.TrimSuffix(name, "[]")] {
			return exchange.Visitor
		}
		if name == "context" && value == "edit" {
			edit++
		} else if name == "context" || name == "context[]" {
			edit = -99
		}
	}
	name, id, nested := strings.Cut(strings.TrimSuffix(route, "/"), "/")
	if nested && (strings.Trim(id, "0123456789") != "" || id == "") {
		return exchange.Visitor
	}
	rank := restRank[name]
	switch {
	case rank == exchange.Author && edit == 1:
		return rank
	case rank == exchange.Admin && edit >= 0 && !nested:
		return rank
	}
	return exchange.Visitor
}

// restAnswer reads the head of an answer to a session with a form token.
// WordPress sends X-WP-Nonce back only when both session and token were good
// (rest_cookie_check_errors).
func (c wordpress) restAnswer(g *sighting, status int, h http.Header) {
	sent, ok := nonceOf(&g.q)
	given := h.Get("X-WP-Nonce")
	if !ok || given == "" || !fresh(h) || g.b.mixed && !g.known {
		return
	}
	i := strings.Index(g.q.path, "/wp-json")
	if i < 0 || !c.complete(g, g.q.path[:i+1]) {
		return
	}
	rank := exchange.Member
	if status == http.StatusOK && strings.HasPrefix(h.Get("Content-Type"), "application/json") {
		rank = max(rank, restProof(&g.q))
	}
	g.raise(rank)
	c.accept(g, sent)
	if given != sent {
		c.accept(g, given)
	}
}

// accept remembers a form token the session was accepted with.
func (wordpress) accept(g *sighting, nonce string) {
	n := g.w.hash.short("nonce", g.q.x.Site.Name, nonce)
	if g.session.accepts(n) {
		return
	}
	g.w.book.update(g.session.Key, func(s *Session) {
		if !s.accepts(n) {
			s.Nonces = [2]uint64{n, s.Nonces[0]}
		}
		g.session.Nonces = s.Nonces
	})
}

// ajaxAnswer waits for a fresh form token: the editor fetches one when the old
// is about to run out, and the heartbeat brings one.
func (c wordpress) ajaxAnswer(g *sighting, h http.Header) int {
	if !g.known || !fresh(h) {
		return 0
	}
	if g.q.r.Method == http.MethodGet && g.q.query == "action=rest-nonce" || g.q.r.Method == http.MethodPost && strings.HasPrefix(h.Get("Content-Type"), "application/json") {
		g.encoding = h.Get("Content-Encoding")
		return 4 << 10
	}
	return 0
}

// listens: which call of admin-ajax.php it is stands in the form.
func (wordpress) listens(q *reading) bool {
	return q.r.Method == http.MethodPost && strings.HasSuffix(q.path, "/wp-admin/admin-ajax.php")
}

func (c wordpress) ajaxBody(g *sighting, page []byte) {
	text := string(page)
	if g.form != nil && strings.HasPrefix(text, `{"success":true`) && strings.Contains("&"+string(g.form.said)+"&", "&action=destroy-sessions&") {
		// "Log out everywhere else".
		g.w.book.forgetUser(g.session.User, func(s *Session) bool { return s.Key != g.session.Key })
	}
	if g.q.r.Method == http.MethodPost {
		_, after, ok := strings.Cut(text, `"rest_nonce":"`)
		if !ok {
			return
		}
		text, _, _ = strings.Cut(after, `"`)
	}
	if len(text) == 10 && strings.Trim(text, "0123456789abcdef") == "" {
		c.accept(g, text)
	}
}
