package witness

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
)

// blog answers as WordPress does, as far as sessions go: the heads and the
// first lines of the pages are shaped after recorded answers of 6.1.
type blog struct {
	hash    string
	n       int
	token   map[string]string // user|expiry|token -> role
	changed map[string]int    // password generation of a user
	calls   int               // of XML-RPC
}

const soft404 = "/soft/"

func newBlog() *blog {
	return &blog{hash: "a144a5e685b1d36adb947c93fb4fa826", token: map[string]string{}, changed: map[string]int{}}
}

var roleRank = map[string]int{"subscriber": 1, "contributor": 2, "author": 2, "editor": 2, "administrator": 3}

func (b *blog) mac(scheme, l string) string {
	user, _, _ := strings.Cut(l, "|")
	k := newHasher([]byte("the blog's own secret salt"))
	x, y := k.key(scheme, l, fmt.Sprint(b.changed[user])), k.key(l, scheme)
	return fmt.Sprintf("%x%x", x, y)
}

func (b *blog) set(w http.ResponseWriter, user, role string) {
	b.n++
	l := fmt.Sprintf("%s|%d|jQJsARhL1s13HLzHr7e78ypv4Nnzlfmh7GCeXc%05d", user, time.Now().Add(48*time.Hour).Unix(), b.n)
	b.token[l] = role
	h := w.Header()
	for _, path := range []string{"/wp-content/plugins", "/wp-admin"} {
		h.Add("Set-Cookie", "wordpress_"+b.hash+"="+url.QueryEscape(l+"|"+b.mac("auth", l))+"; path="+path+"; HttpOnly")
	}
	h.Add("Set-Cookie", "wordpress_logged_in_"+b.hash+"="+url.QueryEscape(l+"|"+b.mac("logged_in", l))+"; path=/; HttpOnly")
}

func (b *blog) clear(w http.ResponseWriter) {
	for _, name := range []string{"wordpress_" + b.hash, "wordpress_logged_in_" + b.hash} {
		w.Header().Add("Set-Cookie", name+"=+; expires=Mon, 24 Nov 2025 08:38:35 GMT; Max-Age=0; path=/")
	}
}

func (b *blog) user(r *http.Request, scheme, name string) (login, role string) {
	c, err := r.Cookie(name)
	if err != nil {
		return "", ""
	}
	v, _ := url.QueryUnescape(c.Value)
	i := strings.LastIndexByte(v, '|')
	if i < 0 || v[i+1:] != b.mac(scheme, v[:i]) {
		return "", ""
	}
	return v[:i], b.token[v[:i]]
}

func (b *blog) nonce(login string) string { return fmt.Sprintf("%.10x", b.mac("nonce", login)[:5]) }

const page = "\n<!DOCTYPE html>\n<html class=\"wp-toolbar\"\n\tlang=\"en-US\">\n<head>\n<title>%s</title>\n<script>var ajaxurl = '/wp-admin/admin-ajax.php',\n\tadminpage = '%s-php';</script></head><body class=\"wp-admin\">%s"

func (b *blog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.Header().Set("Cache-Control", "no-cache, must-revalidate, max-age=0")
	switch {
	case strings.HasPrefix(r.URL.Path, soft404):
		fmt.Fprintf(w, page, "x", strings.TrimSuffix(r.URL.Path[len(soft404)+len("x/wp-admin/"):], ".php"), "")
	case r.URL.Path == "/wp-login.php":
		b.loginPage(w, r)
	case strings.HasPrefix(r.URL.Path, "/wp-admin/"):
		b.admin(w, r)
	case strings.HasPrefix(r.URL.Path, "/wp-json/"):
		b.rest(w, r)
	case r.URL.Path == "/xmlrpc.php":
		b.xmlrpc(w, r)
	default:
		_, _ = io.WriteString(w, "<!DOCTYPE html><title>Steppe Notes</title>")
	}
}

func (b *blog) loginPage(w http.ResponseWriter, r *http.Request) {
	switch r.FormValue("action") {
	case "logout":
		l, _ := b.user(r, "logged_in", "wordpress_logged_in_"+b.hash)
		delete(b.token, l)
		b.clear(w)
		w.Header().Set("Location", "/wp-login.php?loggedout=true")
		w.WriteHeader(302)
		return
	case "resetpass":
		w.Header().Add("Set-Cookie", "wp-resetpass-"+b.hash+"=+; expires=Mon, 24 Nov 2025 08:38:35 GMT; Max-Age=0; path=/wp-login.php")
		if r.FormValue("key") != "good" {
			w.Header().Set("Location", "/wp-login.php?action=lostpassword&error=invalidkey")
			w.WriteHeader(302)
			return
		}
		b.changed[r.FormValue("user")]++
		_, _ = io.WriteString(w, "Your password has been reset.")
		return
	}
	role := r.FormValue("log")
	if roleRank[role] == 0 || r.FormValue("pwd") != "right" {
		_, _ = io.WriteString(w, "<form id=\"loginform\">")
		return
	}
	b.set(w, role, role)
	if r.FormValue("second") != "" {
		b.clear(w) // a second factor is asked for
		_, _ = io.WriteString(w, "<form id=\"loginform\">code")
		return
	}
	if r.FormValue("interim-login") != "" {
		_, _ = io.WriteString(w, "<body class=\"login interim-login interim-login-success\">")
		return
	}
	w.Header().Set("Location", "/wp-admin/")
	w.WriteHeader(302)
}

func (b *blog) admin(w http.ResponseWriter, r *http.Request) {
	l, role := b.user(r, "auth", "wordpress_"+b.hash)
	if role == "" {
		w.Header().Set("Location", "http://"+r.Host+"/wp-login.php?redirect_to=x&reauth=1")
		w.WriteHeader(302)
		return
	}
	name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/wp-admin/"), ".php")
	if name == "" {
		name = "index"
	}
	switch {
	case r.FormValue("action") == "destroy-sessions":
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		user, _, _ := strings.Cut(l, "|")
		for other := range b.token {
			if other != l && strings.HasPrefix(other, user+"|") {
				delete(b.token, other)
			}
		}
		_, _ = io.WriteString(w, `{"success":true,"data":{"message":"x"}}`)
		return
	case name == "admin-ajax":
		_, _ = io.WriteString(w, b.nonce(l))
		return
	case name == "profile" && r.Method == http.MethodPost:
		user, _, _ := strings.Cut(l, "|")
		b.changed[user]++
		b.clear(w)
		b.set(w, user, role)
		w.Header().Set("Location", "/wp-admin/profile.php?updated=1")
		w.WriteHeader(302)
		return
	case r.FormValue("page") != "": // a plugin's page is open to whom the plugin likes
		fmt.Fprintf(w, page, "Plugin", "posts_page_"+r.FormValue("page"), "")
		return
	case r.FormValue("setup") != "": // a plugin answers instead of the screen
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><title>Set up your second factor</title>")
		return
	}
	if need := map[exchange.Rank]int{exchange.Author: 2, exchange.Admin: 3}[adminRank[name]]; roleRank[role] < need {
		w.WriteHeader(403)
		_, _ = io.WriteString(w, "Sorry, you are not allowed to access this page.")
		return
	}
	if r.FormValue("cached") != "" {
		w.Header().Set("Age", "12")
	}
	menu := ""
	if roleRank[role] >= 2 {
		menu += "<a href='edit.php' class=\"wp-first-item\">Posts</a>"
	}
	if roleRank[role] >= 3 {
		menu += "<a href='options-general.php' class=\"x\">Settings</a>"
	}
	if r.Header.Get("Accept-Encoding") == "gzip" {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprintf(z, page, name, name, menu)
		_ = z.Close()
		return
	}
	fmt.Fprintf(w, page, name, name, menu)
}

func (b *blog) rest(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	rank := 0
	if l, role := b.user(r, "logged_in", "wordpress_logged_in_"+b.hash); role != "" && r.Header.Get("X-WP-Nonce") != "" {
		if r.Header.Get("X-WP-Nonce") != b.nonce(l) {
			w.WriteHeader(403)
			_, _ = io.WriteString(w, `{"code":"rest_cookie_invalid_nonce"}`)
			return
		}
		w.Header().Set("X-WP-Nonce", b.nonce(l))
		rank = roleRank[role]
	} else if user, pass, ok := r.BasicAuth(); ok && role == "" {
		if strings.ReplaceAll(pass, " ", "") != "app"+user {
			w.WriteHeader(401)
			return
		}
		rank = roleRank[user]
	}
	if r.URL.Path == "/wp-json/wp/v2/users/me" {
		if rank == 0 {
			w.WriteHeader(401)
			return
		}
		fmt.Fprintf(w, `{"capabilities":{"read":true,"edit_posts":%t,"manage_options":%t}}`, rank >= 2, rank >= 3)
		return
	}
	need := 0
	switch {
	case r.FormValue("_method") == "OPTIONS":
	case strings.HasPrefix(r.URL.Path, "/wp-json/wp/v2/settings"):
		need = 3
	case r.FormValue("context") == "edit" || r.Method != http.MethodGet:
		need = 2
	}
	if rank < need && r.FormValue("_envelope") == "" {
		w.WriteHeader(403)
	} else if r.Method == http.MethodPost {
		w.WriteHeader(201)
	}
	_, _ = io.WriteString(w, "[]")
}

func (b *blog) xmlrpc(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/xml; charset=UTF-8")
	raw, _ := io.ReadAll(r.Body)
	call := string(raw)
	b.calls++
	for role, rank := range roleRank {
		if !strings.Contains(call, "<string>"+role+"</string></value></param><param><value><string>pass"+role+"</string>") {
			continue
		}
		if strings.Contains(call, "wp.getUsersBlogs") {
			fmt.Fprintf(w, "<methodResponse><params><member><name>isAdmin</name><value><boolean>%d</boolean></value></member></params></methodResponse>", rank/3)
			return
		}
		if rank >= 2 {
			_, _ = io.WriteString(w, "<methodResponse><params></params></methodResponse>")
			return
		}
	}
	_, _ = io.WriteString(w, "<methodResponse><fault></fault></methodResponse>")
}

// edge is a witness in front of a blog, and what it granted last.
type edge struct {
	*httptest.Server
	w     *Witness
	site  *config.Site
	rank  exchange.Rank
	spoil func(*exchange.Exchange)
}

func newWitness(t testing.TB, path string, now func() time.Time) *Witness {
	t.Helper()
	w, err := New(Options{Path: path, Key: []byte("0123456789abcdef"), Logger: zerolog.Nop(), Now: now, Sessions: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newEdge(t testing.TB, w *Witness, site string, origin http.Handler) *edge {
	e := &edge{w: w, site: &config.Site{Name: site, Threshold: config.Threshold{Inbound: 5}}}
	inner := w.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		x := exchange.From(r.Context())
		e.rank = x.Rank
		if (x.Rank > 0) != (x.Session != "") {
			t.Errorf("rank %v with session %q", x.Rank, x.Session)
		}
		if e.spoil != nil {
			e.spoil(x)
		}
		origin.ServeHTTP(rw, r)
	}))
	e.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		x := &exchange.Exchange{Site: e.site, Profile: "wordpress", Target: r.RequestURI}
		inner.ServeHTTP(rw, r.WithContext(exchange.With(r.Context(), x)))
	}))
	t.Cleanup(e.Close)
	return e
}

// browser keeps cookies as a browser does, and follows no redirect.
type browser struct {
	t *testing.T
	c *http.Client
	e *edge
}

func (e *edge) browser(t *testing.T) *browser {
	jar, _ := cookiejar.New(nil)
	return &browser{t: t, e: e, c: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// do sends a request and returns the rank the rooms behind the guard saw.
func (b *browser) do(method, target string, form string, head ...string) exchange.Rank {
	b.t.Helper()
	r, err := http.NewRequest(method, b.e.URL+target, strings.NewReader(form))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	res, err := b.c.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return b.e.rank
}

func (b *browser) login(user string, more string) {
	b.t.Helper()
	b.do("POST", "/wp-login.php", "log="+user+"&pwd=right"+more)
}

func (b *browser) want(rank exchange.Rank, method, target string, head ...string) {
	b.t.Helper()
	if got := b.do(method, target, "", head...); got != rank {
		b.t.Errorf("%s %s %v: rank %q, want %q", method, target, head, got, rank)
	}
}

func (b *browser) cookies() string {
	u, _ := url.Parse(b.e.URL + "/wp-admin/")
	var s []string
	for _, c := range b.c.Jar.Cookies(u) {
		s = append(s, c.Name+"="+c.Value)
	}
	return strings.Join(s, "; ")
}

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
