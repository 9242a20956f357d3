package rulesets

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets/exclude"
	"github.com/qorgan/qorgan/rulesets/fastpath"
)

func TestDisagreementSwitchesTheFastPathOff(t *testing.T) {
	heard := make(chan Disagreement, 1)
	j := newJudge(t, Options{FastPath: true, AuditEvery: 1, Disagree: func(d Disagreement) { heard <- d }})
	e, err := j.current.Load().engine(inbound, "generic")
	if err != nil {
		t.Fatal(err)
	}
	harmless := testRequest(t, "GET", "/?s=boots", "")
	attack := testRequest(t, "GET", "/?q=%3Cscript%3Ealert(1)%3C/script%3E&token=secret", "")
	f := testFacts(1, exclude.Mask{})
	if res, ok := e.ask(harmless, f); !ok || !res.Clean {
		t.Fatalf("a harmless request: %+v", res)
	}
	j.offer(e, harmless, f, &Verdict{}, "shop", "generic")
	// An attack that is said to have matched nothing, and something else.
	j.offer(e, attack, f, &Verdict{Matches: []event.Match{{Rule: 77}}}, "shop", "generic")
	select {
	case d := <-heard:
		if d.Site != "shop" || d.Level != 1 || !contains(d.Missed, 941100) || len(d.Extra) != 1 || d.Extra[0] != 77 {
			t.Errorf("%+v", d)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the disagreement was not heard of")
	}
	if _, ok := e.ask(harmless, f); ok {
		t.Error("the fast path still answers")
	}
	if off := j.FastPathOff(); len(off) != 1 || off[0] != "generic" {
		t.Errorf("off for %v", off)
	}
	if s := j.Stats(); s.Audited != 2 || s.Disagreed != 1 {
		t.Errorf("%+v", s)
	}
	j.ResetFastPath()
	if _, ok := e.ask(harmless, f); !ok {
		t.Error("the fast path stays off")
	}
}

// TestResponsesAreAudited lets pages through, and then has one said to be
// innocent that is not.
func TestResponsesAreAudited(t *testing.T) {
	heard := make(chan Disagreement, 1)
	site := testSite()
	site.Responses = true
	j := newJudge(t, Options{FastPath: true, AuditEvery: 1, Disagree: func(d Disagreement) { heard <- d }})
	h := exchanging(site, j.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path == "/picture" {
			w.Header().Set("Content-Type", "image/png")
		}
		_, _ = io.WriteString(w, "<p>Fresh bread every morning.</p>")
	})))
	for _, target := range []string{"/page", "/picture"} {
		r := httptest.NewRequest("GET", target, nil)
		r.Header.Set("User-Agent", "Mozilla/5.0")
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			t.Fatalf("%s: status %d", target, w.Code)
		}
	}
	e, err := j.current.Load().engine(outbound, profileOf(&exchange.Exchange{Site: site}))
	if err != nil {
		t.Fatal(err)
	}
	r := testRequest(t, "GET", "/page?token=secret", "")
	f := testFacts(1, exclude.Mask{})
	leak := &fastpath.Response{
		Input: fastpath.Input{Request: r}, Status: 200, Proto: "HTTP/1.1",
		Fields: []event.Field{{Name: "Content-Type", Value: "text/html"}},
		Body:   []byte("You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version"),
	}
	j.offerResponse(e, leak, f, true, site.Name, site.Profile)
	select {
	case d := <-heard:
		if !d.Response || d.Site != site.Name || len(d.Missed) == 0 || len(d.Extra) != 0 || strings.Contains(d.Target, "secret") {
			t.Errorf("%+v", d)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the disagreement was not heard of")
	}
	s := j.Stats()
	if c := s.Responses; c.Fast != 2 || c.Audited != 3 || c.Disagreed != 1 || s.Disagreed != 0 {
		t.Errorf("%+v", s)
	}
	if d := j.Disputed(); len(d) == 0 || !d[0].Response || d[0].Profile != site.Profile || d[0].Times != 1 || !d[0].Missed || d[0].Rule == 0 {
		t.Errorf("%+v", d)
	}

	// Other rules for the same profile do not switch it on again.
	j.SetExtra([]Source{{Name: "own.conf", Text: `SecRule ARGS:x "@streq y" "id:10,phase:2,deny"`}})
	b, err := j.Prepare(t.Context(), []*config.Site{site})
	if err != nil {
		t.Fatal(err)
	}
	j.Use(b)
	if off := j.FastPathOff(); len(off) != 1 || off[0] != site.Profile {
		t.Errorf("off for %q", off)
	}
	j.ResetFastPath()
	if off := j.FastPathOff(); len(off) != 0 {
		t.Errorf("off for %q after it was switched on", off)
	}
}

// TestAuditHoldsNoMoreThanItsShare offers more than may wait.
func TestAuditHoldsNoMoreThanItsShare(t *testing.T) {
	a := &auditor{every: 1, queue: make(chan sample, auditBacklog)}
	var c counters
	for range 10 {
		a.put(sample{size: auditBytes / 4}, &c)
	}
	if n := len(a.queue); n != 4 || c.unaudited.Load() != 6 || a.waiting.Load() != auditBytes {
		t.Errorf("%d wait with %d bytes, %d were dropped", n, a.waiting.Load(), c.unaudited.Load())
	}
}
