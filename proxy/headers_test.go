package proxy

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
)

// Whatever PHP would fold onto a header the proxy sets or a plugin believes is
// gone before the upstream; what the proxy says stands there once.
func TestForgedHeadersDoNotPass(t *testing.T) {
	e := newEdge(t, Options{Config: oneSite(headUpstream(t))})
	names := []string{
		"X-Forwarded-For", "x-forwarded-for", "X_Forwarded_For", "X-Forwarded_For", "X_Forwarded-For", "X.Forwarded.For",
		"X-Forwarded.For", "x_real_ip", "X-Real-IP", "X.Real-IP", "CF-Connecting-IP", "CF_Connecting_IP", "True-Client-IP", "Forwarded",
		"X-Client-IP", "Client-IP", "Client_IP", "X-Cluster-Client-IP", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Host",
		"X_Forwarded_Host", "X-Forwarded-Proto", "X_Forwarded_Proto", "X-Forwarded-Port", "Proxy", "X-Sucuri-ClientIP", "Front-End-Https",
		"Incap-Client-IP", "Fastly-Client-IP", "X~Real~IP", "X!Real!IP", "X-Forwarded-Prefix",
	}
	for _, name := range names {
		answer := e.raw("GET / HTTP/1.1\r\nHost: a\r\nX-Kept: yes\r\n" + name + ": 6.6.6.6\r\nConnection: close\r\n\r\n")
		if strings.HasPrefix(answer, "HTTP/1.1 400") {
			continue
		}
		if strings.Contains(answer, "6.6.6.6") {
			t.Errorf("%s reached the upstream:\n%s", name, answer)
		}
		if got := one(answer, "X-Kept"); got != "yes" {
			t.Errorf("%s: the request's own header is %s", name, got)
		}
		if got := one(answer, "X-Forwarded-For"); got != "127.0.0.1" {
			t.Errorf("%s: X-Forwarded-For is %s", name, got)
		}
	}
}

func TestStrictHeadersRefuseOddNames(t *testing.T) {
	e := newEdge(t, Options{Config: oneSite(headUpstream(t)), StrictHeaders: true})
	if got := e.raw("GET / HTTP/1.1\r\nHost: a\r\nX_Real_IP: 6.6.6.6\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 400") {
		t.Errorf("answered %.60q, want 400", got)
	}
}

func TestHopByHopHeadersEndHere(t *testing.T) {
	e := newEdge(t, Options{Config: oneSite(headUpstream(t))})
	answer := e.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Keep-Alive\r\nKeep-Alive: 5\r\n" +
		"Proxy-Connection: x\r\nProxy-Authorization: secret\r\nTE: trailers, gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n")
	_, head, _ := strings.Cut(answer, "\r\n\r\n")
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Upgrade", "Http2-Settings", "HTTP2-Settings"} {
		if got := line(head, name); len(got) > 0 {
			t.Errorf("%s reached the upstream: %q", name, got)
		}
	}
	for name, want := range map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "Te": "trailers"} {
		if got := one(head, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestHopByHopHeadersOfResponseEndHere(t *testing.T) {
	up := rawUpstream(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := readHead(r); err == nil {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Authenticate: x\r\n"+
				"X-Kept: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	resp, body := e.get("/")
	for _, name := range []string{"X-Hop", "Keep-Alive", "Proxy-Authenticate"} {
		if got := resp.Header.Values(name); len(got) > 0 {
			t.Errorf("%s reached the visitor: %q", name, got)
		}
	}
	if resp.Header.Get("X-Kept") != "1" || strings.Join(resp.Header["Set-Cookie"], " ") != "a=1 b=2" || body != "ok" {
		t.Errorf("got %v %q", resp.Header, body)
	}
}

func TestRepeatedLinesKeepTheirOrder(t *testing.T) {
	e := newEdge(t, Options{Config: oneSite(headUpstream(t))})
	answer := e.raw("GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nCookie: a=1\r\nx-a: 2\r\nCookie: b=2\r\nX-A: 3\r\nConnection: close\r\n\r\n")
	if got := strings.Join(line(answer, "X-A"), " "); got != "1 2 3" {
		t.Errorf("X-A: %s", got)
	}
	if got := strings.Join(line(answer, "Cookie"), " "); got != "a=1 b=2" {
		t.Errorf("Cookie: %s", got)
	}
}
