package proxy

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/qorgan/qorgan/config"
)

func named(t *testing.T, name string) string {
	return upstreamServer(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, name) })
}

func TestSiteIsFoundByHost(t *testing.T) {
	exact, wild, deep := named(t, "exact"), named(t, "wild"), named(t, "deep")
	c := oneSite(exact)
	c.Sites = []*config.Site{
		newSite("exact", []string{"shop.kz", "[2001:db8::1]"}, exact),
		newSite("wild", []string{"*.shop.kz"}, wild),
		newSite("deep", []string{"*.b.shop.kz"}, deep),
	}
	ask := func(e *edge, host string) string {
		answer := e.raw("GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
		if err != nil {
			return err.Error()
		}
		if resp.StatusCode != 200 {
			return resp.Status[:3]
		}
		b, _ := io.ReadAll(resp.Body)
		return string(b)
	}
	e := newEdge(t, Options{Config: c})
	for host, want := range map[string]string{
		"shop.kz": "exact", "SHOP.kz": "exact", "shop.kz.": "exact", "shop.kz:8080": "exact", "Shop.KZ.:80": "exact", "[2001:db8::1]:80": "exact",
		"www.shop.kz": "wild", "a.c.shop.kz": "wild", "WWW.Shop.kz.:1": "wild", "b.shop.kz": "wild",
		"a.b.shop.kz": "deep", "x.a.b.shop.kz": "deep",
		"kz": "421", "other.kz": "421", "xshop.kz": "421", "shop.kz.evil.com": "421", "127.0.0.1": "421",
	} {
		if got := ask(e, host); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
	c.Sites = append(c.Sites, newSite("any", []string{"*"}, named(t, "any")))
	e = newEdge(t, Options{Config: c})
	for host, want := range map[string]string{"shop.kz": "exact", "www.shop.kz": "wild", "other.kz": "any", "127.0.0.1:80": "any"} {
		if got := ask(e, host); got != want {
			t.Errorf("with a site for any host, %s: %s, want %s", host, got, want)
		}
	}
}

func TestAbsoluteTargetNamesTheSite(t *testing.T) {
	c := oneSite(named(t, "shop"))
	c.Sites[0].Hosts = []string{"shop.kz"}
	e := newEdge(t, Options{Config: c})
	for target, want := range map[string]string{"http://shop.kz/": "200", "http://evil.kz/": "400"} {
		answer := e.raw("GET " + target + " HTTP/1.1\r\nHost: shop.kz\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 "+want) {
			t.Errorf("%s answered %.40q, want %s", target, answer, want)
		}
	}
	for request, want := range map[string]string{"CONNECT shop.kz:80": "405", "OPTIONS *": "200"} {
		answer := e.raw(request + " HTTP/1.1\r\nHost: shop.kz\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 "+want) {
			t.Errorf("%s answered %.40q, want %s", request, answer, want)
		}
	}
}

func TestTwoSitesMayNotClaimOneHost(t *testing.T) {
	c := oneSite("http://127.0.0.1:1")
	c.Sites = []*config.Site{newSite("a", []string{"Shop.kz"}, "http://127.0.0.1:1"), newSite("b", []string{"shop.kz."}, "http://127.0.0.1:1")}
	if _, err := New(Options{Config: c}); err == nil || !strings.Contains(err.Error(), "already belongs to site a") {
		t.Errorf("error %v", err)
	}
}

// serverCert borrows the certificate that comes with net/http/httptest.
func serverCert(t *testing.T) *tls.Config {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	t.Cleanup(s.Close)
	return &tls.Config{Certificates: s.TLS.Certificates}
}

// A connection opened for one site may not be used for another.
func TestHostOfAnotherSiteThanTheHandshake(t *testing.T) {
	c := oneSite(named(t, "a"))
	c.HTTPS = []string{"127.0.0.1:0"}
	c.Sites = []*config.Site{newSite("a", []string{"a.kz", "www.a.kz"}, named(t, "a")), newSite("b", []string{"b.kz"}, named(t, "b"))}
	e := newEdge(t, Options{Config: c, TLS: serverCert(t)})
	for _, tc := range []struct{ sni, host, want string }{
		{"a.kz", "a.kz", "200"}, {"a.kz", "www.a.kz", "200"}, {"A.kz", "a.kz:443", "200"}, {"", "b.kz", "200"},
		{"a.kz", "b.kz", "421"}, {"b.kz", "a.kz", "421"}, {"c.kz", "a.kz", "421"}, {"a.kz", "c.kz", "421"},
	} {
		raw, err := net.Dial("tcp", e.secure)
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
		conn := tls.Client(raw, &tls.Config{ServerName: tc.sni, InsecureSkipVerify: true})
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+tc.host+"\r\nConnection: close\r\n\r\n")
		answer, _ := io.ReadAll(conn)
		conn.Close()
		if !strings.HasPrefix(string(answer), "HTTP/1.1 "+tc.want) {
			t.Errorf("SNI %q, Host %q answered %.40q, want %s", tc.sni, tc.host, answer, tc.want)
		}
	}
}
