package rulesets

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
)

// recorder keeps events.
type recorder struct {
	mu     sync.Mutex
	events []*event.Event
}

func (r *recorder) record(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, &e)
}

func (r *recorder) take() []*event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.events
	r.events = nil
	return out
}

// edge is a server with the judge between client and upstream.
type edge struct {
	*httptest.Server
	j    *Judge
	rec  *recorder
	site *config.Site
	seen chan *http.Request // requests that reached the upstream
	body chan string
}

func testSite() *config.Site {
	return &config.Site{Name: "shop", Mode: config.Block, Level: 1, Threshold: config.Threshold{Inbound: 5, Outbound: 4}}
}

func newJudge(t testing.TB, o Options) *Judge {
	t.Helper()
	o.Log = zerolog.Nop()
	j, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// sharedJudge compiles the rule set once for the package's tests.
var sharedJudge = sync.OnceValue(func() *Judge {
	j, err := New(Options{Log: zerolog.Nop()})
	if err != nil {
		panic(err)
	}
	return j
})

// withRecorder returns a judge with the same engines that records elsewhere.
func withRecorder(j *Judge, rec *recorder) *Judge {
	k, _ := New(j.opts)
	k.opts.Record = rec.record
	j.engines.Range(func(key, e any) bool { k.engines.Store(key, e); return true })
	return k
}

// exchanging plays the proxy: it puts an exchange into each request.
func exchanging(site *config.Site, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, _ := netip.ParseAddrPort(r.RemoteAddr)
		x := &exchange.Exchange{Site: site, Start: time.Now(), Client: peer.Addr(), Peer: peer, Target: r.RequestURI, Proto: r.Proto}
		next.ServeHTTP(w, r.WithContext(exchange.With(r.Context(), x)))
	})
}

func newEdge(t *testing.T, j *Judge, site *config.Site, upstream http.HandlerFunc) *edge {
	t.Helper()
	if _, err := j.current.Load().engine(inbound, site.Profile); err != nil {
		t.Fatal(err)
	}
	rec := &recorder{}
	j = withRecorder(j, rec)
	b, err := j.Prepare(context.Background(), []*config.Site{site})
	if err != nil {
		t.Fatal(err)
	}
	j.Use(b)
	e := &edge{j: j, rec: rec, site: site, seen: make(chan *http.Request, 64), body: make(chan string, 64)}
	if upstream == nil {
		upstream = func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			e.seen <- r
			e.body <- string(b)
		}
	}
	e.Server = httptest.NewServer(exchanging(site, j.Handler(upstream)))
	t.Cleanup(e.Close)
	return e
}

func (e *edge) do(t *testing.T, method, target, contentType, body string) int {
	t.Helper()
	req, err := http.NewRequest(method, e.URL+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.example.kz"
	req.Header.Set("User-Agent", "Mozilla/5.0")
	req.Header.Set("Accept", "*/*")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := e.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func TestAttackIsRefusedAndNamed(t *testing.T) {
	e := newEdge(t, sharedJudge(), testSite(), nil)
	if got := e.do(t, "GET", "/?q=%3Cscript%3Ealert(1)%3C/script%3E", "", ""); got != 403 {
		t.Fatalf("status %d, want 403", got)
	}
	events := e.rec.take()
	if len(events) != 1 {
		t.Fatalf("%d events, want 1", len(events))
	}
	ev := events[0]
	if ev.Action != event.Blocked || ev.Status != 403 || ev.Kind != event.KindRule || ev.Score < 5 {
		t.Errorf("event %+v", ev)
	}
	if !contains(ev.Rules, 941100) || !contains(ev.Rules, 949110) {
		t.Errorf("rules %v miss 941100 or 949110", ev.Rules)
	}
	if len(e.seen) != 0 {
		t.Error("the upstream saw a refused request")
	}
}

func TestHarmlessRequestReachesTheUpstreamUnchanged(t *testing.T) {
	e := newEdge(t, sharedJudge(), testSite(), nil)
	body := "name=%D0%90%D0%BB%D0%BC%D0%B0%D1%82%D1%8B&note=hello+world"
	if got := e.do(t, "POST", "/contact", "application/x-www-form-urlencoded", body); got != 200 {
		t.Fatalf("status %d, want 200: %v", got, e.rec.take())
	}
	if got := <-e.body; got != body {
		t.Errorf("upstream read %q, want %q", got, body)
	}
	if ev := e.rec.take(); len(ev) != 0 {
		t.Errorf("events %v", ev)
	}
}

func TestDetectModeForwardsAndRecords(t *testing.T) {
	site := testSite()
	site.Mode = config.Detect
	e := newEdge(t, sharedJudge(), site, nil)
	body := "id=1' UNION SELECT password FROM users--"
	if got := e.do(t, "POST", "/", "application/x-www-form-urlencoded", body); got != 200 {
		t.Fatalf("status %d, want 200", got)
	}
	if got := <-e.body; got != body {
		t.Errorf("upstream read %q", got)
	}
	ev := e.rec.take()
	if len(ev) != 1 || ev[0].Action != event.Detected || ev[0].Status != 0 || !contains(ev[0].Rules, 942100) {
		t.Fatalf("events %+v", ev)
	}
}

func contains(ids []int, id int) bool {
	for _, i := range ids {
		if i == id {
			return true
		}
	}
	return false
}
