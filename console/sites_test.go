package console

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestReread(t *testing.T) {
	s := newSite(t).signedIn()
	if a := s.get("/sites"); strings.Contains(a.body, "/sites/reload") {
		t.Error("a console without an edge offers to reread its configuration")
	}
	if a := s.post("/sites/reload", nil); a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("without an edge: %s", a.Status)
	}
	var mistake error
	asked := 0
	s.options.Reload = func(context.Context) error { asked++; return mistake }
	if a := s.get("/sites"); !strings.Contains(a.body, `action="/sites/reload"`) {
		t.Error("no button")
	}
	a := s.post("/sites/reload", nil)
	if a.StatusCode != http.StatusSeeOther || asked != 1 {
		t.Fatalf("reread: %s, asked %d times", a.Status, asked)
	}
	if a := s.get(a.Header.Get("Location")); !strings.Contains(a.body, "is in force") {
		t.Errorf("nothing says that it was reread: %s", a.body)
	}
	if a := s.get("/trail"); !strings.Contains(a.body, "reread the configuration") {
		t.Error("the trail does not know of it")
	}
	mistake = errors.New("qorgan.yaml:3:1: sites[0].<b>mode</b>: wrong\nqorgan.yaml:9:1: second")
	a = s.post("/sites/reload", nil)
	if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, "&lt;b&gt;mode") || !strings.Contains(a.body, "second") {
		t.Errorf("a bad configuration: %s\n%s", a.Status, a.body)
	}
	if a := s.post("/sites/reload", nil, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); a.StatusCode != http.StatusForbidden || asked != 2 {
		t.Errorf("another site had it reread: %s, asked %d times", a.Status, asked)
	}
}

// TestDisputes: a fast path that is off is shown where people look first, and
// whoever has looked can switch it on again.
func TestDisputes(t *testing.T) {
	s := newSite(t).signedIn()
	if a := s.get("/sites"); strings.Contains(a.body, "/sites/fast-path") {
		t.Error("a console without an edge offers to switch its fast path on")
	}
	if a := s.post("/sites/fast-path", nil); a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("without an edge: %s", a.Status)
	}
	off := []Dispute{{Profile: "wordpress", Rules: []int{942100, 0}, Times: 3}}
	s.options.Disputes = func() []Dispute { return off }
	s.options.Settle = func() { off = nil }
	if a := s.get("/"); !strings.Contains(a.body, "off for profile wordpress: the rules contradicted it 3 times") {
		t.Errorf("the overview does not say it: %s", a.body)
	}
	a := s.get("/sites")
	for _, text := range []string{"off for profile wordpress", "It was about rules 942100.", `action="/sites/fast-path"`} {
		if !strings.Contains(a.body, text) {
			t.Errorf("the sites page does not say %q", text)
		}
	}
	a = s.post("/sites/fast-path", nil)
	if a.StatusCode != http.StatusSeeOther || off != nil {
		t.Fatalf("switch on: %s, %v", a.Status, off)
	}
	a = s.get(a.Header.Get("Location"))
	if !strings.Contains(a.body, "is on again") || strings.Contains(a.body, "off for profile") {
		t.Errorf("afterwards: %s", a.body)
	}
	if a := s.get("/trail"); !strings.Contains(a.body, "switched the shortcut for clean requests on again") {
		t.Error("the trail does not know of it")
	}
}
