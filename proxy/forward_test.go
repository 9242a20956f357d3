package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestForwardsMethodPathQueryAndBody(t *testing.T) {
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", r.Host)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.RequestURI, b)
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	r, _ := http.NewRequest(http.MethodPost, "http://"+e.addr+"/a?b=c", strings.NewReader("body"))
	resp, body := e.do(r, "Host", "Shop.Example.KZ:80")
	if resp.StatusCode != 200 || body != "POST /a?b=c body" || resp.Header.Get("X-Seen") != "shop.example.kz:80" {
		t.Errorf("got %d %q, host %q", resp.StatusCode, body, resp.Header.Get("X-Seen"))
	}
}

// The request line the upstream reads is the one the visitor sent.
func TestRequestTargetIsForwardedByteForByte(t *testing.T) {
	lines := make(chan string, 1)
	up := rawUpstream(t, func(c net.Conn, r *bufio.Reader) {
		for {
			head, err := readHead(r)
			if err != nil {
				return
			}
			line, _, _ := strings.Cut(head, "\r\n")
			lines <- line
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	for _, target := range []string{
		"/", "/?", "/??", "/a?b", "/?q=100%", "/?a=%zz;b=1&&c", "/a;b=c", "/%2e%2e/%2f", "/a/../b", "//admin", "///", "/.//./",
		"/%41%5a", "/a|b^c", "/{x}", "/\"<>`", "/?\"<>|^`{}", "/a+b?c+d", "/caf\xc3\xa9?\xff", "/*", "/?a=b?c=d", "/:80/x", "/a%20b", "/a!$&'()*+,;=:@-._~",
	} {
		answer := e.raw("GET " + target + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 200") {
			t.Errorf("%q: answered %.60q", target, answer)
			continue
		}
		if got, want := <-lines, "GET "+target+" HTTP/1.1"; got != want {
			t.Errorf("upstream read %q, want %q", got, want)
		}
	}
	for _, tc := range [][2]string{
		{"http://other.kz/a?b", "/a?b"}, {"http://other.kz", "/"}, {"http://other.kz?x", "/?x"}, {"http://other.kz/%2f//", "/%2f//"},
	} {
		e.raw("GET " + tc[0] + " HTTP/1.1\r\nHost: other.kz\r\nConnection: close\r\n\r\n")
		if got, want := <-lines, "GET "+tc[1]+" HTTP/1.1"; got != want {
			t.Errorf("%s: upstream read %q, want %q", tc[0], got, want)
		}
	}
}
