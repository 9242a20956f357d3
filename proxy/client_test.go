package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/qorgan/qorgan/config"
)

func prefixes(texts ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, t := range texts {
		ps = append(ps, netip.MustParsePrefix(t))
	}
	return ps
}

func TestClientIsWalkedFromTheRight(t *testing.T) {
	trusted := prefixes("10.0.0.0/8", "2001:db8::/32")
	for _, tc := range []struct {
		name, peer string
		lines      []string
		want       string // empty is unknown
	}{
		{"no header", "10.0.0.1", nil, "10.0.0.1"},
		{"untrusted peer is the client", "192.0.2.1", []string{"203.0.113.9"}, "192.0.2.1"},
		{"one hop", "10.0.0.1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"what the client put in front is not believed", "10.0.0.1", []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		{"past trusted proxies", "10.0.0.1", []string{"203.0.113.9, 10.1.1.1,10.2.2.2"}, "203.0.113.9"},
		{"several lines are one list", "10.0.0.1", []string{"198.51.100.1", "203.0.113.9, 10.1.1.1", "10.2.2.2"}, "203.0.113.9"},
		{"all trusted: the leftmost", "10.0.0.1", []string{"10.3.3.3, 10.2.2.2"}, "10.3.3.3"},
		{"rightmost is garbage", "10.0.0.1", []string{"203.0.113.9, evil"}, ""},
		{"garbage behind a trusted hop", "10.0.0.1", []string{"203.0.113.9, unknown, 10.2.2.2"}, ""},
		{"garbage left of the client does not matter", "10.0.0.1", []string{"evil, 203.0.113.9"}, "203.0.113.9"},
		{"empty element", "10.0.0.1", []string{"203.0.113.9, "}, ""},
		{"empty line", "10.0.0.1", []string{""}, ""},
		{"mapped peer", "::ffff:10.0.0.1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"mapped element", "10.0.0.1", []string{"203.0.113.9, ::ffff:10.2.2.2"}, "203.0.113.9"},
		{"mapped client", "10.0.0.1", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"IPv6", "10.0.0.1", []string{"2a00::9, 2001:db8::5"}, "2a00::9"},
		{"IPv6 in brackets", "10.0.0.1", []string{"[2a00::9]"}, "2a00::9"},
		{"ports", "10.0.0.1", []string{"[2a00::9]:443, 10.0.0.7:8080"}, "2a00::9"},
		{"port of IPv4", "10.0.0.1", []string{"203.0.113.9:1234"}, "203.0.113.9"},
		{"zone", "10.0.0.1", []string{"fe80::1%eth0"}, "fe80::1"},
		{"number out of range", "10.0.0.1", []string{"203.0.113.256"}, ""},
		{"octal look", "10.0.0.1", []string{"010.0.0.1"}, ""},
		{"IPv4 in brackets", "10.0.0.1", []string{"[203.0.113.9]"}, ""},
	} {
		got := clientAddr(netip.MustParseAddr(tc.peer), http.Header{"X-Forwarded-For": tc.lines}, trusted)
		want := netip.Addr{}
		if tc.want != "" {
			want = netip.MustParseAddr(tc.want)
		}
		if got != want {
			t.Errorf("%s: %v, want %v", tc.name, got, want)
		}
	}
}

// headUpstream answers every request with the head it read, as text.
func headUpstream(t *testing.T) string {
	return rawUpstream(t, func(c net.Conn, r *bufio.Reader) {
		head, err := readHead(r)
		if err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+head)
	})
}

// line returns the values of the header lines of one name, exactly as spelled.
func line(head, name string) []string {
	var values []string
	for _, l := range strings.Split(head, "\r\n") {
		if n, v, ok := strings.Cut(l, ": "); ok && n == name {
			values = append(values, v)
		}
	}
	return values
}

func one(head, name string) string {
	v := line(head, name)
	if len(v) != 1 {
		return "<" + strings.Join(v, "|") + ">"
	}
	return v[0]
}

func TestUpstreamIsToldTheClient(t *testing.T) {
	up := headUpstream(t)
	for _, tc := range []struct {
		name         string
		trusted      []netip.Prefix
		header       []string
		client, real string
		proto, port  string // empty is not looked at
	}{
		{"untrusted peer", nil, []string{"X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https"}, "127.0.0.1", "127.0.0.1", "http", ""},
		{"trusted peer", prefixes("127.0.0.0/8"), []string{"X-Forwarded-For", "198.51.100.1", "X-Forwarded-For", "203.0.113.9, 127.0.0.5"}, "203.0.113.9", "203.0.113.9", "http", ""},
		{"trusted peer, unreadable", prefixes("127.0.0.0/8"), []string{"X-Forwarded-For", "203.0.113.9, evil"}, "unknown", "<>", "", ""},
		{"trusted peer tells the scheme", prefixes("127.0.0.0/8"), []string{"X-Forwarded-Proto", "http, HTTPS"}, "127.0.0.1", "127.0.0.1", "https", "443"},
	} {
		c := oneSite(up)
		c.Trusted.Proxies = tc.trusted
		e := newEdge(t, Options{Config: c})
		_, head := e.get("/", tc.header...)
		if got := one(head, "X-Forwarded-For"); got != tc.client {
			t.Errorf("%s: X-Forwarded-For %s, want %s", tc.name, got, tc.client)
		}
		if got := one(head, "X-Real-Ip"); got != tc.real {
			t.Errorf("%s: X-Real-Ip %s, want %s", tc.name, got, tc.real)
		}
		if got := one(head, "X-Forwarded-Proto"); tc.proto != "" && got != tc.proto {
			t.Errorf("%s: X-Forwarded-Proto %s, want %s", tc.name, got, tc.proto)
		}
		if got := one(head, "X-Forwarded-Port"); tc.port != "" && got != tc.port {
			t.Errorf("%s: X-Forwarded-Port %s, want %s", tc.name, got, tc.port)
		}
	}
}

func TestSiteMayTrustOtherProxies(t *testing.T) {
	c := oneSite(headUpstream(t))
	c.Sites[0].Trusted = &config.Trusted{Proxies: prefixes("127.0.0.0/8")}
	e := newEdge(t, Options{Config: c})
	if _, head := e.get("/", "X-Forwarded-For", "203.0.113.9"); one(head, "X-Forwarded-For") != "203.0.113.9" {
		t.Errorf("the site's own trusted range was not used:\n%s", head)
	}
}

func TestProxyProtocol(t *testing.T) {
	up := headUpstream(t)
	c := oneSite(up)
	c.Trusted.ProxyProtocol = prefixes("127.0.0.0/8")
	required := newEdge(t, Options{Config: c})
	const request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

	answer := required.raw("PROXY TCP4 203.0.113.9 127.0.0.1 5000 80\r\n" + request)
	if got := one(answer, "X-Forwarded-For"); got != "203.0.113.9" {
		t.Errorf("version 1: client %s", got)
	}
	v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x0a\x7f\x00\x00\x01\x13\x88\x00\x50"
	if got := one(required.raw(v2+request), "X-Forwarded-For"); got != "203.0.113.10" {
		t.Errorf("version 2: client %s", got)
	}
	for name, text := range map[string]string{
		"no header":                           request,
		"broken header":                       "PROXY TCP4 evil 127.0.0.1 5000 80\r\n" + request,
		"nothing is sent":                     "",
		"header never ends":                   "PROXY TCP4 203.0.113.9 ",
		"version 2, more announced than sent": "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff\xcb\x00\x71\x0a\x7f\x00\x00\x01\x13\x88\x00\x50",
		"version 2, less than an address":     "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x04\xcb\x00\x71\x0a" + request,
		"version 2, a family that is none":    "\r\n\r\n\x00\r\nQUIT\n\x21\xf1\x00\x0c\xcb\x00\x71\x0a\x7f\x00\x00\x01\x13\x88\x00\x50" + request,
	} {
		if got := required.raw(text); got != "" {
			t.Errorf("%s: answered %.80q, want the connection closed", name, got)
		}
	}

	// An extension that says it is longer than the header: the address before it
	// stands, and nothing is read beyond the header.
	overrun := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0f\xcb\x00\x71\x0b\x7f\x00\x00\x01\x13\x88\x00\x50\x04\xff\xff"
	if got := required.raw(overrun + request); got != "" && one(got, "X-Forwarded-For") != "203.0.113.11" {
		t.Errorf("an extension beyond the header: %.300q", got)
	}

	unasked := newEdge(t, Options{Config: oneSite(up)})
	if got := unasked.raw("PROXY TCP4 203.0.113.9 127.0.0.1 5000 80\r\n" + request); !strings.HasPrefix(got, "HTTP/1.1 400") {
		t.Errorf("header from a peer that is not to send one: %.80q, want 400", got)
	}
}
