package guard

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/exchange"
)

// realEdge is a Guard in front of the WordPress at QORGAN_WORDPRESS, which must
// have the users admin, editor and reader (a subscriber).
type realEdge struct {
	*httptest.Server
	g *Guard
	x *exchange.Exchange // of the last request
}

func newRealEdge(t *testing.T) *realEdge {
	at := os.Getenv("QORGAN_WORDPRESS")
	if at == "" {
		t.Skip("QORGAN_WORDPRESS is not set: no real WordPress to stand before")
	}
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(Options{Data: t.TempDir(), Logger: zerolog.New(zerolog.NewTestWriter(t))})
	if err != nil {
		t.Fatal(err)
	}
	e := &realEdge{g: g}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(u)
		p.Out.Host = p.In.Host
	}}
	site := &config.Site{Name: "real", Profile: "auto", Mode: config.Block, Upstreams: []config.Upstream{{URL: u}}, Threshold: config.Threshold{Inbound: 5}}
	h := g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.x = exchange.From(r.Context())
		proxy.ServeHTTP(w, r)
	}))
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange.Exchange{Site: site, Profile: "auto", Target: r.RequestURI, Client: loopback}
		x.Refuse = func(w http.ResponseWriter, _ *http.Request, f exchange.Refusal) { w.WriteHeader(f.Status) }
		h.ServeHTTP(w, r.WithContext(exchange.With(r.Context(), x)))
	}))
	t.Cleanup(func() {
		e.Close()
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

type person struct {
	t *testing.T
	e *realEdge
	c *http.Client
}

func (e *realEdge) person(t *testing.T) *person {
	jar, _ := cookiejar.New(nil)
	return &person{t, e, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (p *person) do(method, target, form string, head ...string) (rank exchange.Rank, status int, body string) {
	p.t.Helper()
	r, err := http.NewRequest(method, p.e.URL+target, strings.NewReader(form))
	if err != nil {
		p.t.Fatal(err)
	}
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	res, err := p.c.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	raw, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	return p.e.x.Rank, res.StatusCode, string(raw)
}

func (p *person) login(user, password string) {
	p.t.Helper()
	p.do("GET", "/wp-login.php", "")
	form := url.Values{"log": {user}, "pwd": {password}, "testcookie": {"1"}}
	if _, status, _ := p.do("POST", "/wp-login.php", form.Encode()); status != 302 {
		p.t.Fatalf("login of %s: %d", user, status)
	}
}

func password(name, otherwise string) string {
	if p := os.Getenv(name); p != "" {
		return p
	}
	return otherwise
}

// nonceBehindTheEdge fetches a form token without the edge seeing it.
func (p *person) nonceBehindTheEdge() string {
	own, _ := url.Parse(p.e.URL + "/wp-admin/")
	r, err := http.NewRequest("GET", os.Getenv("QORGAN_WORDPRESS")+"/wp-admin/admin-ajax.php?action=rest-nonce", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Host = own.Host
	for _, c := range p.c.Jar.Cookies(own) {
		r.AddCookie(c)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	raw, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	return string(raw)
}

// vouch asks as the rule set does when it finds a password in an XML-RPC call.
func vouch(e *realEdge, user, password string) (rank exchange.Rank) {
	x := &exchange.Exchange{Site: e.x.Site, Profile: "wordpress", Target: "/xmlrpc.php", Client: loopback}
	r := httptest.NewRequest("POST", e.URL+"/xmlrpc.php", nil)
	e.g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		rank = exchange.From(r.Context()).Vouch(user, password)
	})).ServeHTTP(httptest.NewRecorder(), r.WithContext(exchange.With(r.Context(), x)))
	return rank
}

func TestRealWordPress(t *testing.T) {
	e := newRealEdge(t)
	admin, editor, reader := e.person(t), e.person(t), e.person(t)
	admin.login("admin", password("WP_ADMIN_PASSWORD", "Adm1n-Passw0rd-X9"))
	editor.login("editor", password("WP_EDITOR_PASSWORD", "Ed1tor-Passw0rd-X9"))
	reader.login("reader", password("WP_SUBSCRIBER_PASSWORD", "Subscr1ber-Passw0rd-X9"))
	for _, tc := range []struct {
		who    *person
		target string
		before exchange.Rank
	}{
		{admin, "/wp-admin/", exchange.Member},
		{admin, "/wp-admin/about.php", exchange.Admin},
		{editor, "/wp-admin/post-new.php", exchange.Member},
		{editor, "/wp-admin/options-general.php", exchange.Author},
		{editor, "/wp-admin/", exchange.Author},
		{reader, "/wp-admin/", exchange.Member},
		{reader, "/wp-admin/profile.php", exchange.Member},
		{reader, "/wp-admin/edit.php", exchange.Member},
		{reader, "/wp-admin/options-general.php", exchange.Member},
		{reader, "/wp-json/wp/v2/posts?context=edit&_method=OPTIONS", exchange.Visitor},
		{reader, "/wp-admin/profile.php", exchange.Member},
	} {
		if got, status, _ := tc.who.do("GET", tc.target, ""); got != tc.before {
			t.Errorf("%s (%d): rank %q, want %q", tc.target, status, got, tc.before)
		}
	}
	if got, why := e.g.Recognised("real"); got != "wordpress" {
		t.Errorf("recognised as %q by %q", got, why)
	}
	_, _, nonce := editor.do("GET", "/wp-admin/admin-ajax.php?action=rest-nonce", "")
	for i, tc := range []struct {
		nonce string
		want  exchange.Rank
	}{{nonce, exchange.Author}, {"0123456789", exchange.Visitor}, {nonce, exchange.Author}} {
		if got, _, _ := editor.do("POST", "/wp-json/wp/v2/posts", "title=t&status=draft", "X-WP-Nonce", tc.nonce); got != tc.want {
			t.Errorf("REST write %d: rank %q, want %q", i, got, tc.want)
		}
	}
	plain := e.person(t)
	plain.login("editor", password("WP_EDITOR_PASSWORD", "Ed1tor-Passw0rd-X9"))
	if got, _, _ := plain.do("POST", "/wp-admin/admin-ajax.php", "action=heartbeat"); got != exchange.Author {
		t.Errorf("first write of a session: rank %q", got)
	}
	nonce = plain.nonceBehindTheEdge()
	if got, _, _ := plain.do("POST", "/wp-json/wp/v2/posts", "title=t&status=draft", "X-WP-Nonce", nonce); got != exchange.Author {
		t.Errorf("first use of a form token: rank %q", got)
	}
	if got := vouch(e, "admin", password("WP_ADMIN_PASSWORD", "Adm1n-Passw0rd-X9")); got != exchange.Admin {
		t.Errorf("XML-RPC: an administrator's password gives %q", got)
	}
	if got := vouch(e, "editor", password("WP_EDITOR_PASSWORD", "Ed1tor-Passw0rd-X9")); got != exchange.Author {
		t.Errorf("XML-RPC: an editor's password gives %q", got)
	}
	if got := vouch(e, "reader", password("WP_SUBSCRIBER_PASSWORD", "Subscr1ber-Passw0rd-X9")); got != exchange.Member {
		t.Errorf("XML-RPC: a subscriber's password gives %q", got)
	}
	if got := vouch(e, "admin", "a guess"); got != exchange.Visitor {
		t.Errorf("XML-RPC: a guess gives %q", got)
	}
	_, _, page := editor.do("GET", "/wp-admin/", "")
	_, after, _ := strings.Cut(page, "wp-login.php?action=logout&#038;_wpnonce=")
	if len(after) < 10 {
		_, after, _ = strings.Cut(page, "wp-login.php?action=logout&amp;_wpnonce=")
	}
	u, _ := url.Parse(e.URL + "/wp-admin/")
	var old []string
	for _, c := range editor.c.Jar.Cookies(u) {
		old = append(old, c.Name+"="+c.Value)
	}
	if _, status, _ := editor.do("GET", "/wp-login.php?action=logout&_wpnonce="+after[:10], ""); status != 302 {
		t.Fatalf("logout: %d", status)
	}
	if got, _, _ := e.person(t).do("POST", "/wp-admin/post.php", "a=b", "Cookie", strings.Join(old, "; ")); got != exchange.Visitor {
		t.Errorf("after logout: rank %q", got)
	}
}
