package console

import (
	"strings"
	"testing"
	"time"
)

// TestCertificates: what is wrong with a certificate is said in words, on the
// page of sites and where people look first; what is well takes one line.
func TestCertificates(t *testing.T) {
	s := newSite(t).signedIn()
	if a := s.get("/sites"); strings.Contains(a.body, "certificates") {
		t.Error("a console without an edge speaks of certificates")
	}
	day := time.Date(2027, 3, 8, 12, 0, 0, 0, time.UTC)
	now := Certificates{Names: []Certificate{{Name: "good.example", State: "valid", NotAfter: day}}}
	s.options.Certificates = func() Certificates { return now }
	if a := s.get("/sites"); !strings.Contains(a.body, "1 name has a valid certificate.") || strings.Contains(a.body, `class="mistakes"`) {
		t.Errorf("all is well: %s", a.body)
	}
	if a := s.get("/"); strings.Contains(a.body, "/sites#certificates") {
		t.Error("all is well, and somebody is needed")
	}
	now.Names = append(now.Names,
		Certificate{Name: "old.example", State: "expired", NotAfter: day, Cause: "down"},
		Certificate{Name: "late.example", State: "late", NotAfter: day, Cause: "limit", Error: "429 <b>", Next: day},
		Certificate{Name: "wrong.example", State: "failed", Cause: "strange", Error: "in its words"},
		Certificate{Name: "no.example", State: "refused", Cause: "elsewhere"},
		Certificate{Name: "soon.example", State: "waiting"})
	now.Waiting, now.Last = 12, day
	a := s.get("/sites")
	for _, want := range []string{
		"old.example</b> has an expired certificate", "cannot be reached at the moment",
		"late.example</b> still has a good certificate", "Next attempt:", "429 &lt;b&gt;",
		"wrong.example</b> has no certificate: browsers do not open", "in the authority’s words", "in its words",
		"no.example</b> has no certificate, and none was asked for. The name leads to another server",
		"soon.example</b> is getting its certificate", "12 names wait for their first certificate",
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	a = s.get("/")
	for _, want := range []string{"2 names have no valid certificate, old.example among them", "The certificate of late.example could not be renewed"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the overview does not say %q", want)
		}
	}
	now.Names = append(now.Names,
		Certificate{Name: "https://10.0.0.5", State: "late", NotAfter: day, Cause: "upstream-ends", Error: "ends soon", Upstream: true},
		Certificate{Name: "https://10.0.0.6", State: "expired", NotAfter: day, Upstream: true},
		Certificate{Name: "https://10.0.0.7", State: "failed", NotAfter: day, Cause: "upstream-name", Error: "for others", Upstream: true},
		Certificate{Name: "https://10.0.0.8", State: "valid", NotAfter: day, Upstream: true},
		Certificate{Name: "own.example", State: "late", NotAfter: day, Cause: "ends", File: "own.pem", Error: "nobody"})
	a = s.get("/sites")
	for _, want := range []string{
		"1 name has a valid certificate.", "good.example</b> has a certificate until", "https://10.0.0.8</b> shows the edge a certificate until",
		"https://10.0.0.5</b> shows the edge a certificate that ends on", "ends soon", "https://10.0.0.6</b> shows the edge a certificate that expired on",
		"https://10.0.0.7</b> shows the edge a certificate that is not good", "It is for other names", "own.example</b> has a certificate that ends on", "Nobody has replaced its file yet",
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	a = s.get("/")
	for _, want := range []string{"2 names have no valid certificate, old.example", "2 servers behind the edge show certificates that are not good, https://10.0.0.6 among them", "The certificate of https://10.0.0.5, a server behind the edge, ends soon"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the overview does not say %q", want)
		}
	}
	for range 2 * certificatesLimit {
		now.Names = append(now.Names, Certificate{Name: "more.example", State: "failed"})
	}
	if a := s.get("/sites"); strings.Count(a.body, "more.example") > certificatesLimit || !strings.Contains(a.body, "And 59 more.") {
		t.Error("the page has no end")
	}
}
