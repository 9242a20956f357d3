package rulesets

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/exclude"
)

// panics is an operator that fails on values that say so.
type panics struct{}

func (panics) Evaluate(_ plugintypes.TransactionState, value string) bool {
	if value == "boom" {
		panic("operator failed")
	}
	return false
}

var registerPanics = sync.OnceFunc(func() {
	plugins.RegisterOperator("testPanics", func(plugintypes.OperatorOptions) (plugintypes.Operator, error) { return panics{}, nil })
})

// failingEdge is an edge one of whose rules panics on ?x=boom.
func failingEdge(t *testing.T, site *config.Site) *edge {
	t.Helper()
	registerPanics()
	j := newJudge(t, Options{Extra: []Source{{Name: "own.conf", Text: `SecRule ARGS:x|REQUEST_HEADERS:X-Fail "@testPanics" "id:3000,phase:1,deny,msg:'never'"`}}})
	return newEdge(t, j, site, nil)
}

func TestPanicCostsOneRequestOnly(t *testing.T) {
	e := failingEdge(t, testSite())
	if got := e.do(t, "GET", "/?x=boom", "", ""); got != http.StatusServiceUnavailable {
		t.Fatalf("status %d, want 503", got)
	}
	events := e.rec.take()
	if len(events) != 1 || events[0].Kind != event.KindEngine || events[0].Reason != "engine-panic" || !contains(events[0].Rules, 3000) {
		t.Fatalf("events %+v", events)
	}
	if len(e.seen) != 0 {
		t.Fatal("the request was forwarded uninspected")
	}
	if got := e.do(t, "GET", "/?x=fine", "", ""); got != 200 {
		t.Errorf("the next request: status %d, want 200", got)
	}
	if got := e.do(t, "GET", "/?q=%3Cscript%3Ealert(1)%3C/script%3E", "", ""); got != 403 {
		t.Errorf("an attack after the failure: status %d, want 403", got)
	}
}

func TestRuleThatKeepsPanickingIsQuarantined(t *testing.T) {
	e := failingEdge(t, testSite())
	for i := range quarantineAfter {
		if got := e.do(t, "GET", "/?x=boom", "", ""); got != http.StatusServiceUnavailable {
			t.Fatalf("failure %d: status %d, want 503", i+1, got)
		}
	}
	if got := e.do(t, "GET", "/?x=boom", "", ""); got != 200 {
		t.Errorf("after quarantine: status %d, want 200", got)
	}
	if got := e.do(t, "GET", "/?x=boom&q=%3Cscript%3Ealert(1)%3C/script%3E", "", ""); got != 403 {
		t.Errorf("an attack after quarantine: status %d, want 403: only that rule is set aside", got)
	}
}

func TestFailuresFarApartDoNotQuarantine(t *testing.T) {
	var f failures
	now := time.Now()
	for i := range 20 {
		if f.count(7, now.Add(time.Duration(i)*quarantineWithin/3)) {
			t.Fatalf("quarantined at failure %d", i+1)
		}
	}
	for i := range quarantineAfter {
		if got, want := f.count(8, now), i == quarantineAfter-1; got != want {
			t.Fatalf("failure %d: quarantined %t", i+1, got)
		}
	}
}

func TestStaticFilesPassAFailingEngineWhereTheSiteSaysSo(t *testing.T) {
	site := testSite()
	site.FailMode = config.FailStatic
	e := failingEdge(t, site)
	for _, c := range []struct {
		method, target string
		want           int
	}{
		{"GET", "/theme/logo.png", 200},
		{"HEAD", "/theme/style.css", 200},
		{"GET", "/theme/logo.png?v=2", 503},
		{"POST", "/theme/logo.png", 503},
		{"GET", "/index.php/logo.png", 503},
		{"GET", "/page", 503},
		{"GET", "/theme/%6cogo.png", 503},
	} {
		req, err := http.NewRequest(c.method, e.URL+c.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "shop.example.kz"
		req.Header.Set("User-Agent", "Mozilla/5.0")
		req.Header.Set("Accept", "*/*")
		req.Header.Set("X-Fail", "boom")
		resp, err := e.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s %s: status %d, want %d", c.method, c.target, resp.StatusCode, c.want)
		}
		if ev := e.rec.take(); len(ev) != 1 || ev[0].Kind != event.KindEngine {
			t.Errorf("%s %s: events %v", c.method, c.target, ev)
		}
		// Each of these is a failure of the rule; start counting anew.
		e.forget()
	}
}

// forget lets the engine's failures be forgotten.
func (e *edge) forget() {
	e.j.engines.Range(func(_, v any) bool {
		eng := v.(*engine)
		eng.failures.mu.Lock()
		eng.failures.times = nil
		eng.failures.mu.Unlock()
		return true
	})
}

func TestBudgetEndsARequest(t *testing.T) {
	e, err := newEngine(inbound, coreruleset.FS, nil, &watch{budget: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.judge(context.Background(), "", testRequest(t, "GET", "/", ""), testFacts(1, exclude.Mask{}), false)
	if !errors.Is(err, ErrBudget) {
		t.Fatalf("error %v, want ErrBudget", err)
	}
	ee := asEngineError(err)
	if ee.reason() != "engine-budget" {
		t.Errorf("reason %q", ee.reason())
	}
	for range 2 * quarantineAfter {
		if e.failed(ee, time.Now()) {
			t.Fatal("slow requests quarantined a rule")
		}
	}
}
