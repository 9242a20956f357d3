package witness

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
)

func TestRankFollowsWhatTheScreensShow(t *testing.T) {
	for _, tc := range []struct {
		user  string
		visit []string
		want  exchange.Rank
	}{
		{"subscriber", nil, exchange.Member},
		{"subscriber", []string{"/wp-admin/", "/wp-admin/profile.php", "/wp-admin/edit.php", "/wp-admin/options-general.php", "/wp-admin/post-new.php"}, exchange.Member},
		{"subscriber", []string{"/wp-admin/edit.php?page=shop", "/wp-admin/edit.php?setup=1"}, exchange.Member},
		{"contributor", nil, exchange.Member},
		{"contributor", []string{"/wp-admin/"}, exchange.Author},
		{"author", []string{"/wp-admin/post-new.php"}, exchange.Author},
		{"editor", []string{"/wp-admin/edit.php", "/wp-admin/options-general.php"}, exchange.Author},
		{"editor", []string{"/wp-admin/edit.php?cached=1"}, exchange.Member},
		{"administrator", []string{"/wp-admin/"}, exchange.Admin},
		{"administrator", []string{"/wp-admin/post.php?post=1&action=edit", "/wp-admin/"}, exchange.Admin},
		{"administrator", []string{"/wp-admin/plugins.php"}, exchange.Admin},
	} {
		t.Run(tc.user+strings.Join(tc.visit, ","), func(t *testing.T) {
			w := newWitness(t, "", nil)
			defer w.Close()
			b := newEdge(t, w, "a", newBlog()).browser(t)
			b.login(tc.user, "")
			for _, v := range tc.visit {
				b.do("GET", v, "")
			}
			b.want(tc.want, "POST", "/wp-admin/post.php")
		})
	}
}

func TestCompressedScreenIsRead(t *testing.T) {
	w := newWitness(t, "", nil)
	defer w.Close()
	b := newEdge(t, w, "a", newBlog()).browser(t)
	b.login("editor", "")
	b.do("GET", "/wp-admin/edit.php", "", "Accept-Encoding", "gzip")
	b.want(exchange.Author, "POST", "/wp-admin/post.php")
}

func TestNoLatitudeWithoutWitness(t *testing.T) {
	w := newWitness(t, "", nil)
	defer w.Close()
	site := newBlog()
	e := newEdge(t, w, "a", site)
	other := newEdge(t, w, "b", newBlog())
	editor := e.browser(t)
	editor.login("editor", "")
	editor.do("GET", "/wp-admin/edit.php", "")
	editor.want(exchange.Author, "POST", "/wp-admin/post.php")
	own := editor.cookies()
	sub := e.browser(t)
	sub.login("subscriber", "")
	admin, loggedIn := "", ""
	for _, c := range strings.Split(own, "; ") {
		if strings.HasPrefix(c, "wordpress_logged_in_") {
			loggedIn = c
		} else if strings.HasPrefix(c, "wordpress_"+site.hash) {
			admin = c
		}
	}
	if admin == "" || loggedIn == "" {
		t.Fatal("no cookies", own)
	}
	flip := func(c string) string {
		end := "0"
		if strings.HasSuffix(c, "0") {
			end = "1"
		}
		return c[:len(c)-1] + end
	}
	for name, tc := range map[string]struct {
		on     *edge
		cookie string
		target string
		head   []string
	}{
		"stolen-looking":                  {e, "wordpress_logged_in_" + site.hash + "=admin%7C1996718943%7CjQJsARhL1s13HLzHr7e78ypv4Nnzlfmh7GCeXcXOWlE%7C" + strings.Repeat("ab", 32), "/wp-admin/post.php", nil},
		"last digit changed":              {e, admin + "; " + flip(loggedIn), "/wp-admin/post.php", nil},
		"name without value":              {e, "wordpress_logged_in_" + site.hash + "=", "/wp-admin/post.php", nil},
		"session of another site":         {other, own, "/wp-admin/post.php", nil},
		"site cookie only in admin":       {e, loggedIn, "/wp-admin/post.php", nil},
		"admin cookie of someone else":    {e, loggedIn + "; wordpress_" + site.hash + "=x%7C1%7Cy%7Cz", "/wp-admin/post.php", nil},
		"PHP takes the first of a name":   {e, "wordpress_logged_in_" + site.hash + "=x; " + own, "/wp-admin/post.php", nil},
		"name that PHP reads differently": {e, own + "; wordpress.logged_in_" + site.hash + "=x", "/wp-admin/post.php", nil},
		"another site's form":             {e, own, "/wp-admin/post.php", []string{"Sec-Fetch-Site", "cross-site"}},
		"REST without form token":         {e, own, "/wp-json/wp/v2/posts/1", nil},
		"REST with a forged form token":   {e, own, "/wp-json/wp/v2/posts/1", []string{"X-WP-Nonce", "0123456789"}},
		"REST in disguise":                {e, own, "/?rest%5froute=/wp/v2/posts/1", nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := tc.on.browser(t)
			b.want(exchange.Visitor, "POST", tc.target, append([]string{"Cookie", tc.cookie}, tc.head...)...)
			// Asking again after the CMS has answered changes nothing.
			b.want(exchange.Visitor, "POST", tc.target, append([]string{"Cookie", tc.cookie}, tc.head...)...)
		})
	}
	t.Run("subscriber", func(t *testing.T) {
		for _, target := range []string{"/wp-admin/edit.php", "/wp-admin/profile.php/wp-admin/edit.php", "/wp-json/wp/v2/posts?context=edit&_method=OPTIONS", "/wp-json/wp/v2/posts?context=edit&_envelope=1", "/wp-json/wp/v2/posts?context=edit&context=view", soft404 + "x.php/wp-admin/edit.php"} {
			sub.do("GET", target, "", "X-WP-Nonce", site.nonce(lastLogin(site, "subscriber")))
		}
		sub.want(exchange.Member, "POST", "/wp-admin/post.php")
	})
	editor.want(exchange.Author, "POST", "/wp-admin/post.php")
}

func lastLogin(b *blog, user string) string {
	last := ""
	for l := range b.token {
		if strings.HasPrefix(l, user+"|") && l > last {
			last = l
		}
	}
	return last
}

func TestRestTokenMustBeProved(t *testing.T) {
	w := newWitness(t, "", nil)
	defer w.Close()
	site := newBlog()
	b := newEdge(t, w, "a", site).browser(t)
	b.login("editor", "")
	n := site.nonce(lastLogin(site, "editor"))
	b.want(exchange.Visitor, "GET", "/wp-json/wp/v2/posts?context=edit", "X-WP-Nonce", n)
	b.want(exchange.Author, "POST", "/wp-json/wp/v2/posts/1", "X-WP-Nonce", n)
	b.want(exchange.Visitor, "POST", "/wp-json/wp/v2/posts/1", "X-WP-Nonce", "ffffffffff")
	b.want(exchange.Author, "POST", "/wp-json/wp/v2/posts/1?_locale=user", "X-WP-Nonce", n)
	b.want(exchange.Visitor, "POST", "/wp-json/wp/v2/posts/1?_wpnonce=ffffffffff", "X-WP-Nonce", n)
}

func TestTokenFetchedByTheEditorIsKnown(t *testing.T) {
	w := newWitness(t, "", nil)
	defer w.Close()
	site := newBlog()
	b := newEdge(t, w, "a", site).browser(t)
	b.login("editor", "")
	b.do("GET", "/wp-admin/post-new.php", "")
	b.do("GET", "/wp-admin/admin-ajax.php?action=rest-nonce", "")
	b.want(exchange.Author, "POST", "/wp-json/wp/v2/posts/1", "X-WP-Nonce", site.nonce(lastLogin(site, "editor")))
}

func TestSessionBegunElsewhereIsWitnessedByItsScreen(t *testing.T) {
	site := newBlog()
	one, two := newWitness(t, "", nil), newWitness(t, "", nil)
	defer one.Close()
	defer two.Close()
	a := newEdge(t, one, "a", site).browser(t)
	a.login("administrator", "")
	b := newEdge(t, two, "a", site).browser(t)
	b.want(exchange.Visitor, "GET", "/wp-admin/edit.php", "Cookie", a.cookies())
	b.want(exchange.Author, "POST", "/wp-admin/post.php", "Cookie", a.cookies())
}

func TestSessionEnds(t *testing.T) {
	for name, end := range map[string]func(b *browser, site *blog){
		"logout": func(b *browser, _ *blog) { b.do("GET", "/wp-login.php?action=logout&_wpnonce=1", "") },
		"password reset": func(b *browser, site *blog) {
			b.do("POST", "/wp-login.php?action=resetpass", "key=good&user=editor", "Cookie", "wp-resetpass-"+site.hash+"=editor%3Akey")
		},
		"another session changes the password": func(b *browser, _ *blog) {
			other := b.e.browser(b.t)
			other.login("editor", "")
			other.do("GET", "/wp-admin/", "")
			other.do("POST", "/wp-admin/profile.php", "pass1=new")
			other.want(exchange.Author, "POST", "/wp-admin/post.php")
		},
		"another session logs out everywhere else": func(b *browser, _ *blog) {
			other := b.e.browser(b.t)
			other.login("editor", "")
			other.do("GET", "/wp-admin/", "")
			other.do("POST", "/wp-admin/admin-ajax.php", "action=destroy-sessions&user_id=2&nonce=1")
			other.want(exchange.Author, "POST", "/wp-admin/post.php")
		},
		"the CMS no longer accepts it": func(b *browser, site *blog) {
			clear(site.token)
			b.do("GET", "/wp-admin/", "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWitness(t, "", nil)
			defer w.Close()
			site := newBlog()
			b := newEdge(t, w, "a", site).browser(t)
			b.login("editor", "")
			b.do("GET", "/wp-admin/", "")
			b.want(exchange.Author, "POST", "/wp-admin/post.php")
			old := b.cookies()
			end(b, site)
			b.want(exchange.Visitor, "POST", "/wp-admin/post.php", "Cookie", old)
		})
	}
}

func TestSessionDoesNotEnd(t *testing.T) {
	w := newWitness(t, "", nil)
	defer w.Close()
	site := newBlog()
	e := newEdge(t, w, "a", site)
	b := e.browser(t)
	b.login("editor", "")
	b.do("GET", "/wp-admin/", "")
	stranger := e.browser(t)
	stranger.do("POST", "/wp-login.php?action=resetpass", "key=bad&user=editor", "Cookie", "wp-resetpass-"+site.hash+"=editor%3Akey")
	stranger.login("editor", "&second=1")
	if n := w.Len(); n != 1 {
		t.Errorf("%d sessions after a login that stopped at the second factor, want 1", n)
	}
	stranger.login("editor", "&interim-login=1")
	stranger.want(exchange.Member, "GET", "/")
	b.want(exchange.Author, "POST", "/wp-admin/post.php")
	stranger.do("GET", "/wp-login.php?action=logout&_wpnonce=1", "")
	b.want(exchange.Author, "POST", "/wp-admin/post.php")
}

func TestAttackTeachesNothing(t *testing.T) {
	for name, spoil := range map[string]func(*exchange.Exchange){
		"event": func(x *exchange.Exchange) { x.Event = &event.Event{} },
		"score": func(x *exchange.Exchange) { x.Score = 5 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWitness(t, "", nil)
			defer w.Close()
			e := newEdge(t, w, "a", newBlog())
			e.spoil = spoil
			b := e.browser(t)
			b.login("administrator", "")
			b.do("GET", "/wp-admin/", "")
			if w.Len() != 0 {
				t.Error("a request with an attack witnessed a session")
			}
		})
	}
}

func TestApplicationPassword(t *testing.T) {
	w := newWitness(t, "", nil)
	defer w.Close()
	site := newBlog()
	b := newEdge(t, w, "a", site).browser(t)
	auth := func(user, pass string) string {
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth(user, pass)
		return r.Header.Get("Authorization")
	}
	good := auth("editor", "app edit or")
	b.want(exchange.Visitor, "GET", "/wp-json/wp/v2/posts?context=edit", "Authorization", good)
	b.want(exchange.Author, "POST", "/wp-json/wp/v2/posts/1", "Authorization", good)
	b.want(exchange.Author, "PUT", "/wp-json/wp/v2/posts/1", "Authorization", auth("editor", "appeditor"))
	b.want(exchange.Visitor, "POST", "/wp-admin/post.php", "Authorization", good)
	b.want(exchange.Visitor, "POST", "/wp-json/wp/v2/posts/1", "Authorization", auth("editor", "guess"))
	for range 2 {
		b.want(exchange.Visitor, "GET", "/wp-json/wp/v2/posts?context=edit", "Authorization", auth("subscriber", "appsubscriber"))
	}
	b.do("GET", "/wp-json/wp/v2/settings", "", "Authorization", auth("administrator", "appadministrator"))
	b.want(exchange.Admin, "POST", "/wp-json/wp/v2/settings", "Authorization", auth("administrator", "appadministrator"))
}

func TestExpiredSession(t *testing.T) {
	now := time.Now()
	w := newWitness(t, "", func() time.Time { return now })
	defer w.Close()
	b := newEdge(t, w, "a", newBlog()).browser(t)
	b.login("editor", "")
	b.do("GET", "/wp-admin/", "")
	own := b.cookies()
	now = now.Add(48*time.Hour + time.Minute)
	b.want(exchange.Visitor, "GET", "/wp-admin/about.php", "Cookie", own)
	b.want(exchange.Author, "POST", "/wp-admin/post.php", "Cookie", own) // a form that was open
	now = now.Add(time.Hour)
	b.want(exchange.Visitor, "POST", "/wp-admin/post.php", "Cookie", own)
}

func TestRestartKeepsHashesOnly(t *testing.T) {
	path := t.TempDir() + "/sessions"
	site := newBlog()
	w := newWitness(t, path, nil)
	b := newEdge(t, w, "a", site).browser(t)
	b.login("editor", "")
	b.do("GET", "/wp-admin/", "")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	raw := readFile(t, path)
	for _, secret := range []string{"editor", "jQJsARhL1s13", site.hash} {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("the file holds %q", secret)
		}
	}
	w2 := newWitness(t, path, nil)
	defer w2.Close()
	again := newEdge(t, w2, "a", site).browser(t)
	again.want(exchange.Author, "POST", "/wp-admin/post.php", "Cookie", b.cookies())
}

// asking lets the edge's questions reach the origin.
func (e *edge) asking(t *testing.T, origin http.Handler) *edge {
	o := httptest.NewServer(origin)
	t.Cleanup(o.Close)
	u, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	e.site.Upstreams = []config.Upstream{{URL: u}}
	return e
}

func TestFirstWriteAsksTheCMS(t *testing.T) {
	site := newBlog()
	elsewhere := newWitness(t, "", nil)
	defer elsewhere.Close()
	w := newWitness(t, "", nil)
	defer w.Close()
	first := newEdge(t, elsewhere, "a", site)
	e := newEdge(t, w, "a", site).asking(t, site)
	for _, tc := range []struct {
		user   string
		target string
		want   exchange.Rank
	}{
		{"editor", "/wp-json/wp/v2/posts/1", exchange.Author},
		{"administrator", "/wp-json/wp/v2/posts/1", exchange.Admin},
		{"subscriber", "/wp-json/wp/v2/posts/1", exchange.Member},
		{"contributor", "/wp-admin/admin-ajax.php", exchange.Author},
		{"administrator", "/wp-admin/post.php", exchange.Admin},
		{"subscriber", "/wp-admin/admin-ajax.php", exchange.Member},
	} {
		b := first.browser(t)
		b.login(tc.user, "")
		nonce := site.nonce(lastLogin(site, tc.user))
		b2 := e.browser(t)
		// A forged token does not cost the session its trust, nor gain any.
		b2.want(exchange.Visitor, "POST", "/wp-json/wp/v2/posts/1", "Cookie", b.cookies(), "X-WP-Nonce", "0123456789")
		b2.want(tc.want, "POST", tc.target, "Cookie", b.cookies(), "X-WP-Nonce", nonce)
		b2.want(exchange.Visitor, "POST", "/wp-json/wp/v2/posts/1", "Cookie", b.cookies(), "X-WP-Nonce", "0123456789")
		b2.want(tc.want, "POST", tc.target, "Cookie", b.cookies(), "X-WP-Nonce", nonce)
		clear(site.token) // logged out over another edge
		if tc.want >= exchange.Author {
			w.book.update(sessionOf(w, b.cookies()), func(s *Session) { s.Proved -= 2 * 3600 })
			b2.want(exchange.Visitor, "POST", tc.target, "Cookie", b.cookies(), "X-WP-Nonce", nonce)
		}
	}
	auth := http.Request{Header: http.Header{}}
	auth.SetBasicAuth("editor", "app editor")
	e.browser(t).want(exchange.Author, "POST", "/wp-json/wp/v2/posts", "Authorization", auth.Header.Get("Authorization"))
	auth.SetBasicAuth("subscriber", "appsubscriber")
	e.browser(t).want(exchange.Member, "POST", "/wp-json/wp/v2/posts", "Authorization", auth.Header.Get("Authorization"))
	auth.SetBasicAuth("editor", "a guess")
	e.browser(t).want(exchange.Visitor, "POST", "/wp-json/wp/v2/posts", "Authorization", auth.Header.Get("Authorization"))
}

func sessionOf(w *Witness, cookies string) Key {
	b, _ := wordpressCookies([]string{cookies}, 0)
	return w.hash.key("wordpress", "a", b.name, unescape(b.value))
}

func TestVouchForAPasswordInTheBody(t *testing.T) {
	site := newBlog()
	w := newWitness(t, "", nil)
	defer w.Close()
	e := newEdge(t, w, "a", site).asking(t, site)
	var user, pass string
	var got exchange.Rank
	e.spoil = func(x *exchange.Exchange) {
		if x.Vouch == nil {
			t.Fatal("nobody to vouch")
		}
		if got = x.Vouch(user, pass); got != x.Rank {
			t.Errorf("vouched %v, rank %v", got, x.Rank)
		}
	}
	for _, tc := range []struct {
		user, pass string
		want       exchange.Rank
		calls      int // that the CMS saw besides the request itself, twice in a row
	}{
		{"administrator", "passadministrator", exchange.Admin, 1},
		{"editor", "passeditor", exchange.Author, 2},
		{"subscriber", "passsubscriber", exchange.Member, 2},
		{"editor", "guess", exchange.Visitor, 1},
		{"<x>", "</string>", exchange.Visitor, 1},
	} {
		user, pass, site.calls = tc.user, tc.pass, 0
		for range 2 {
			if e.browser(t).do("POST", "/xmlrpc.php", "x"); got != tc.want {
				t.Errorf("%s: %q, want %q", tc.user, got, tc.want)
			}
		}
		if site.calls-2 != tc.calls {
			t.Errorf("%s: asked %d times, want %d", tc.user, site.calls-2, tc.calls)
		}
	}
}

func TestAskingIsBounded(t *testing.T) {
	site := newBlog()
	w := newWitness(t, "", nil)
	defer w.Close()
	e := newEdge(t, w, "a", site).asking(t, site)
	asked := 0
	e.spoil = func(x *exchange.Exchange) {
		for n := range 100 {
			x.Vouch(fmt.Sprint(n), "guess")
		}
	}
	e.browser(t).do("POST", "/xmlrpc.php", "x")
	if asked = site.calls - 1; asked > askClient {
		t.Errorf("100 guesses made %d questions", asked)
	}
}

func TestStaleCookieOfAnOlderAddressIsNoHindrance(t *testing.T) {
	w := newWitness(t, "", nil)
	defer w.Close()
	site := newBlog()
	b := newEdge(t, w, "a", site).browser(t)
	b.login("editor", "")
	b.do("GET", "/wp-admin/", "")
	old := strings.Repeat("b", 32)
	stale := "wordpress_" + old + "=editor%7C1%7Cx%7Cy; wordpress_logged_in_" + old + "=editor%7C1%7Cx%7Cz; "
	b.want(exchange.Author, "POST", "/wp-admin/post.php", "Cookie", stale+b.cookies())
	b.want(exchange.Author, "POST", "/wp-admin/post.php", "Cookie", b.cookies()+"; "+stale)
	// Beside a session at work a second one that is not known stays unknown.
	b.want(exchange.Author, "GET", "/wp-admin/", "Cookie", b.cookies()+"; "+stale)
	b.e.browser(t).want(exchange.Visitor, "POST", "/wp-admin/post.php", "Cookie", stale)
}

func TestDemotedEditor(t *testing.T) {
	w := newWitness(t, "", nil)
	defer w.Close()
	site := newBlog()
	b := newEdge(t, w, "a", site).browser(t)
	b.login("editor", "")
	b.do("GET", "/wp-admin/", "")
	b.want(exchange.Author, "POST", "/wp-admin/post.php")
	site.token[lastLogin(site, "editor")] = "subscriber"
	b.do("GET", "/wp-admin/edit.php", "")
	b.want(exchange.Member, "POST", "/wp-admin/post.php")
}
