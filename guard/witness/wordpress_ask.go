package witness

import (
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
	"time"

	"github.com/qorgan/qorgan/exchange"
)

// question asks WordPress who a session is, in the way that the write about to
// happen would be authorised: over REST for a REST call, with a page of the
// admin area for that.
func (c wordpress) question(w *Witness, q *reading, b bearer, s Session, known bool) *question {
	now := w.now().Unix()
	fresh := known && s.Rank >= exchange.Author && now-s.Proved < int64(proofLasts/time.Second)
	if known && s.Rank < exchange.Author && now-s.Asked < int64(askAgain/time.Second) {
		fresh = true
	}
	switch {
	case b.name == basic:
		if fresh || !isREST(q) {
			return nil
		}
		return c.askMe(w, q, http.Header{"Authorization": {"Basic " + b.value}}, nil, b)
	case isREST(q):
		n, ok := nonceOf(q)
		if !ok || len(n) != 10 || strings.Trim(n, "0123456789abcdef") != "" {
			return nil
		}
		if fresh && s.accepts(w.hash.short("nonce", q.x.Site.Name, n)) || !plausible(w, b.value) {
			return nil
		}
		return c.askMe(w, q, http.Header{"Cookie": {b.name + "=" + b.value}, "X-Wp-Nonce": {n}}, &n, b)
	case !fresh && b.admin != "" && strings.Contains(q.path, "/wp-admin/") && plausible(w, b.value) && plausible(w, b.admin):
		return c.askAdmin(w, q, b)
	}
	return nil
}

// plausible reports whether a cookie's value has the form WordPress gives it;
// nothing else is worth a question.
func plausible(w *Witness, value string) bool {
	v := unescape(value)
	c, ok := readAuthCookie(v, w.now())
	if !ok || c.expires+int64(lateGrace/time.Second) <= w.now().Unix() {
		return false
	}
	_, rest, _ := strings.Cut(v, "|")
	for i := 0; i < len(rest); i++ {
		if rest[i] != '|' && !plainName(rest[i:i+1]) {
			return false
		}
	}
	return !strings.ContainsAny(value, "\r\n\x00\"<>;, ")
}

// askMe asks for the user's own capabilities (GET wp/v2/users/me).
func (c wordpress) askMe(w *Witness, q *reading, head http.Header, nonce *string, b bearer) *question {
	const fields = "context=edit&_fields=capabilities"
	target, path := "/?rest_route=/wp/v2/users/me&"+fields, "/"
	if before, _, ok := strings.Cut(q.path, "/wp-json/"); ok {
		if strings.ContainsAny(before, "%") || strings.Contains(before, ".php") && before != "/index.php" {
			return nil
		}
		target, path = before+"/wp-json/wp/v2/users/me?"+fields, before+"/"
	}
	if path == "/index.php/" {
		path = "/"
	}
	asked := ""
	if nonce != nil {
		asked = *nonce
	}
	return &question{method: http.MethodGet, target: target, header: head, nonce: asked, read: func(status int, h http.Header, page []byte) (Session, bool) {
		given := h.Get("X-WP-Nonce")
		if status != http.StatusOK || (nonce != nil) != (given != "") {
			return Session{}, false
		}
		var me struct {
			Capabilities map[string]any `json:"capabilities"`
		}
		if json.Unmarshal(page, &me) != nil || len(me.Capabilities) == 0 {
			return Session{}, false
		}
		var s Session
		if nonce == nil {
			s, _ = basicSession(w.hash, q, b)
			s.Expires = w.now().Add(basicLife).Unix()
		} else {
			s, _ = wordpressSession(w.hash, q.x.Site.Name, b.name, unescape(b.value), w.now())
			s.Nonces[0] = w.hash.short("nonce", q.x.Site.Name, *nonce)
			if given != *nonce {
				s.Nonces[1] = w.hash.short("nonce", q.x.Site.Name, given)
			}
		}
		s.Path, s.Rank = path, capable(me.Capabilities)
		return s, true
	}}
}

// capable returns the rank of a set of WordPress capabilities.
func capable(can map[string]any) exchange.Rank {
	has := func(names ...string) bool {
		for _, n := range names {
			if v, ok := can[n].(bool); ok && v {
				return true
			}
		}
		return false
	}
	switch {
	case has("manage_options", "edit_theme_options", "activate_plugins"):
		return exchange.Admin
	case has("edit_posts", "edit_pages", "edit_products", "upload_files"):
		return exchange.Author
	}
	return exchange.Member
}

// askAdmin looks at the user's profile page, whose menu tells what he may do.
func (wordpress) askAdmin(w *Witness, q *reading, b bearer) *question {
	before, _, ok := strings.Cut(q.path, "/wp-admin/")
	if !ok || strings.ContainsAny(before, "%") || strings.Contains(before, ".php") {
		return nil
	}
	var cookies strings.Builder
	cookies.WriteString(b.name + "=" + b.value)
	eachCookie(q.r.Header["Cookie"], func(name, value string) bool {
		if isAdminCookie(name, b.name[len(loggedIn):]) && value == b.admin {
			cookies.WriteString("; " + name + "=" + value)
		}
		return true
	})
	return &question{method: http.MethodGet, target: before + "/wp-admin/profile.php", header: http.Header{"Cookie": {cookies.String()}}, read: func(status int, h http.Header, page []byte) (Session, bool) {
		rank := screenRank("profile", page)
		if status != http.StatusOK || !isHTML(h) || rank == exchange.Visitor {
			return Session{}, false
		}
		s, _ := wordpressSession(w.hash, q.x.Site.Name, b.name, unescape(b.value), w.now())
		s.Path, s.Rank = before+"/", rank
		return s, true
	}}
}

func (wordpress) vouches(q *reading) bool {
	return q.r.Method == http.MethodPost && isXMLRPC(q)
}

// vouch tells the rank of a user name and password in an XML-RPC call, as the
// WordPress apps, Jetpack and desktop editors send them.
func (c wordpress) vouch(w *Witness, q *reading, user, password string) exchange.Rank {
	if user == "" || password == "" || len(user)+len(password) > maxValue {
		return exchange.Visitor
	}
	s := passwordSession(w.hash, q.x.Site.Name, user, password)
	found, known := w.book.find(s.Key, w.now(), 0)
	if !known || w.now().Unix()-found.Proved >= int64(proofLasts/time.Second) {
		if now, err := c.askPassword(w, q, s, user, password); err == nil {
			found = now
		}
	}
	if found.Rank > q.x.Rank {
		q.x.Rank, q.x.Session = found.Rank, hex.EncodeToString(found.Key[:])
	}
	return found.Rank
}

// askPassword makes two calls that read: the first succeeds for anyone and tells
// an administrator, the second only for who may edit.
func (wordpress) askPassword(w *Witness, q *reading, s Session, user, password string) (Session, error) {
	call := func(method, more string) *question {
		return &question{
			method: http.MethodPost, target: q.path, header: http.Header{"Content-Type": {"text/xml"}},
			body: rpcCall(method, user, password, more),
			read: func(status int, h http.Header, page []byte) (Session, bool) {
				text := string(page)
				if status != http.StatusOK || !strings.Contains(text, "<methodResponse>") || strings.Contains(text, "<fault>") {
					return Session{}, false
				}
				s := s
				s.Path, s.Expires, s.Rank = "/", w.now().Add(basicLife).Unix(), exchange.Member
				switch {
				case more != "":
					s.Rank = exchange.Author
				case strings.Contains(text, "<name>isAdmin</name><value><boolean>1</boolean>"):
					s.Rank = exchange.Admin
				}
				return s, true
			},
		}
	}
	found, err := w.put(q, s.Key, call("wp.getUsersBlogs", ""))
	if err == nil && found.Rank == exchange.Member {
		const one = `<param><value><struct><member><name>number</name><value><int>1</int></value></member></struct></value></param>`
		if more, err := w.put(q, s.Key, call("wp.getPosts", one)); err == nil && more.Rank > found.Rank {
			return more, nil
		}
		found.Asked = w.now().Unix()
		w.book.put(found)
	}
	return found, err
}

func rpcCall(method, user, password, more string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><methodCall><methodName>` + method + `</methodName><params>`)
	values := []string{user, password}
	if more != "" {
		values = []string{"1", user, password}
	}
	for _, v := range values {
		b.WriteString("<param><value><string>")
		_ = xml.EscapeText(&b, []byte(v)) // a Builder takes everything
		b.WriteString("</string></value></param>")
	}
	b.WriteString(more + "</params></methodCall>")
	return b.String()
}
