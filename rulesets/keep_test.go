package rulesets

import (
	"strings"
	"sync"
	"testing"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
)

// What was refused is kept as it came, under the event's code, and judged again
// it is refused again.
func TestKeep(t *testing.T) {
	var mu sync.Mutex
	kept := map[string]Probe{}
	e := newEdge(t, sharedJudge(), testSite(), nil)
	e.j.opts.Keep = func(code string, p Probe) {
		mu.Lock()
		defer mu.Unlock()
		kept[code] = p
	}
	small := "--b\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\n<script>alert(1)</script>\r\n--b--\r\n"
	large := "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.bin\"\r\n\r\n" + strings.Repeat("x", MaxKept) + "\r\n" + small
	for _, c := range []struct {
		mode              config.Mode
		method, typ, body string
		kept              bool
	}{
		{config.Block, "GET", "", "", true},
		{config.Block, "POST", form, "q=%3Cscript%3Ealert(1)%3C/script%3E&pwd=secret", true},
		{config.Detect, "POST", form, "q=%3Cscript%3Ealert(1)%3C/script%3E", true},
		{config.Block, "POST", "multipart/form-data; boundary=b", small, true},
		{config.Block, "POST", "multipart/form-data; boundary=b", large, false},
	} {
		e.site.Mode = c.mode
		e.do(t, c.method, "/a/b?x=1'+UNION+SELECT+1,2--", c.typ, c.body)
		events := e.rec.take()
		if len(events) != 1 {
			t.Fatalf("%s %s: %d events", c.method, c.typ, len(events))
		}
		mu.Lock()
		p, ok := kept[events[0].Code]
		mu.Unlock()
		if ok != c.kept {
			t.Errorf("%s %s of %d bytes: kept %t", c.method, c.typ, len(c.body), ok)
		}
		if !ok {
			continue
		}
		if string(p.Body) != c.body || p.Target != "/a/b?x=1'+UNION+SELECT+1,2--" || p.Rank != exchange.Visitor {
			t.Errorf("kept %+v", p)
		}
		if f, err := e.j.Probe(t.Context(), e.site, p, false); err != nil || !f.Refused {
			t.Errorf("%s %s: not refused again: %v", c.method, c.typ, err)
		}
	}
}

// Exclusions that stand beside the configuration hold by the site's name, and
// those of a probe in place of all.
func TestStandingExclusions(t *testing.T) {
	j := withRecorder(sharedJudge(), &recorder{})
	list := []config.Exclusion{{Rules: []config.RuleRange{{First: 941000, Last: 941999}}, Path: "/a", Targets: []string{"ARGS:q"}}}
	site, other := testSite(), testSite()
	other.Name = "other"
	p := Probe{Method: "GET", Target: "/a?q=%3Cscript%3Ealert(1)%3C/script%3E",
		Fields: []event.Field{{Name: "Host", Value: "shop.example.kz"}, {Name: "User-Agent", Value: "Mozilla/5.0"}, {Name: "Accept", Value: "*/*"}}}
	refused := func(s *config.Site, p Probe) bool {
		f, err := j.Probe(t.Context(), s, p, false)
		if err != nil {
			t.Fatal(err)
		}
		return f.Refused
	}
	b, err := j.Prepare(t.Context(), []*config.Site{site, other})
	if err != nil {
		t.Fatal(err)
	}
	for _, standing := range []map[string][]config.Exclusion{nil, {"shop": list}} {
		if err := j.Stand(standing); err != nil {
			t.Fatal(err)
		}
		j.Use(b)         // prepared before they stood
		unknown := *site // as after a reload
		if got := refused(site, p); got == (standing != nil) || refused(&unknown, p) != got {
			t.Errorf("with %d standing: refused %t", len(standing), got)
		}
		if !refused(other, p) {
			t.Error("an exclusion of one site holds for another")
		}
		with := p
		with.Exclusions = []config.Exclusion{}
		if !refused(site, with) {
			t.Error("a probe without exclusions passes")
		}
		with.Exclusions = list
		if refused(other, with) {
			t.Error("a probe's own exclusions do not hold")
		}
	}
	if err := j.Stand(map[string][]config.Exclusion{"shop": {{Rules: []config.RuleRange{{First: 949110, Last: 949110}}}}}); err == nil {
		t.Error("one that disarms the verdict stands")
	}
	if refused(site, p) {
		t.Error("an error took away what stood")
	}
}
