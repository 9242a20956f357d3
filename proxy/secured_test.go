package proxy

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// visit opens a connection with a client's settings, asks for a path and reports
// whether the session was resumed, and the status.
func visit(t *testing.T, e *edge, c *tls.Config, site, path string) (resumed bool, status int) {
	t.Helper()
	raw, err := net.Dial("tcp", e.secure)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
	c = c.Clone()
	c.ServerName, c.InsecureSkipVerify = site+".example.com", true
	tc := tls.Client(raw, c)
	fmt.Fprintf(tc, "GET %s HTTP/1.1\r\nHost: %s.example.com\r\nConnection: close\r\n\r\n", path, site)
	resp, err := http.ReadResponse(bufio.NewReader(tc), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return tc.ConnectionState().DidResume, resp.StatusCode
}

// oneSession gives every site the same session, as somebody would who means to
// carry it from one to another.
type oneSession struct{ tls.ClientSessionCache }

func (s oneSession) Get(string) (*tls.ClientSessionState, bool) {
	return s.ClientSessionCache.Get("any")
}
func (s oneSession) Put(_ string, c *tls.ClientSessionState) {
	if c != nil {
		s.ClientSessionCache.Put("any", c)
	}
}

func sessions() *tls.Config {
	return &tls.Config{ClientSessionCache: oneSession{tls.NewLRUClientSessionCache(1)}, NextProtos: []string{"http/1.1"}}
}

// TestSessionsAreResumed: at the same edge, after a reload, and at another edge
// with the same keys; not where the keys are others.
func TestSessionsAreResumed(t *testing.T) {
	shared := ownTicketKeys()
	here, _, _, _ := clientEdge(t, shared)
	there, _, _, _ := clientEdge(t, shared)
	strange, _, _, _ := clientEdge(t, nil)
	for _, site := range []string{"open", "shop"} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			c := sessions()
			c.MinVersion, c.MaxVersion = version, version
			name := site + " " + tls.VersionName(version)
			if resumed, _ := visit(t, here, c, site, "/"); resumed {
				t.Fatalf("%s: the first visit resumed something", name)
			}
			if resumed, status := visit(t, here, c, site, "/"); !resumed || status != 200 {
				t.Errorf("%s: not resumed at the same edge, %d", name, status)
			}
			if err := here.Reload(here.table.Load().conf); err != nil {
				t.Fatal(err)
			}
			if resumed, _ := visit(t, here, c, site, "/"); !resumed {
				t.Errorf("%s: not resumed after a reload", name)
			}
			if resumed, _ := visit(t, there, c, site, "/"); !resumed {
				t.Errorf("%s: not resumed at the other edge", name)
			}
			if resumed, _ := visit(t, strange, c, site, "/"); resumed {
				t.Errorf("%s: resumed at an edge with other keys", name)
			}
		}
	}
}

// TestSessionsStayWithTheirSite: no session of one site opens the admin area of
// another, whichever of the two wants certificates.
func TestSessionsStayWithTheirSite(t *testing.T) {
	e, _, known, ours := clientEdge(t, nil)
	good := ours.give("Aigul", time.Now().Add(time.Hour), x509.ExtKeyUsageClientAuth)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, tc := range []struct {
			from, to string
		}{{"open", "shop"}, {"shop", "open"}, {"shop", "other"}, {"other", "shop"}} {
			c := with(sessions(), good)
			c.MinVersion, c.MaxVersion = version, version
			visit(t, e, c, tc.from, "/")
			c.GetClientCertificate = nil
			resumed, status := visit(t, e, c, tc.to, "/wp-admin/")
			if resumed {
				t.Errorf("%s: a session of %s was resumed for %s", tls.VersionName(version), tc.from, tc.to)
			}
			if want := map[string]int{"open": 200, "shop": 403, "other": 403}[tc.to]; status != want {
				t.Errorf("%s: %s to %s answers %d", tls.VersionName(version), tc.from, tc.to, status)
			}
		}
		// Its own session carries the certificate, as long as that is good.
		c := with(sessions(), good)
		c.MinVersion, c.MaxVersion = version, version
		visit(t, e, c, "shop", "/")
		c.GetClientCertificate = nil
		if resumed, status := visit(t, e, c, "shop", "/wp-admin/"); !resumed || status != 200 {
			t.Errorf("%s: its own session: %t %d", tls.VersionName(version), resumed, status)
		}
		known.set("shop.pem", newPeople(t, "next").pool)
		if _, status := visit(t, e, c, "shop", "/wp-admin/"); status != 403 {
			t.Errorf("%s: its own session, and another authority: %d", tls.VersionName(version), status)
		}
		known.set("shop.pem", ours.pool)
	}
}
