package witness

import (
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
	"github.com/qorgan/qorgan/exchange"
)

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
