package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/exchange"
)

func withHTTP3(c *config.Config) { c.HTTP3 = true }

// visitor3 speaks HTTP/3 to e.
func visitor3(t *testing.T, trust *tls.Config) *http3.Transport {
	t.Helper()
	tr := &http3.Transport{TLSClientConfig: trust.Clone()}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

func (e *edge) ask3(tr *http3.Transport, r *http.Request) (*http.Response, string, error) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), 15*time.Second)
	defer cancel()
	resp, err := tr.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

func (e *edge) request3(method, path string, body io.Reader, header ...string) *http.Request {
	e.t.Helper()
	r, err := http.NewRequest(method, "https://"+e.secure+path, body)
	if err != nil {
		e.t.Fatal(err)
	}
	r.Host = "example.com"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func TestHTTP3IsForwardedLikeAnyOther(t *testing.T) {
	e, trust := secureEdgeOf(t, withHTTP3, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s %d %v %s %s", r.Proto, r.Method, r.RequestURI, r.Host, len(b), err, r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-For"))
	})
	tr := visitor3(t, trust)
	resp, body, err := e.ask3(tr, e.request3("POST", "//a/%2e?b=c%2F", bytes.NewReader(make([]byte, 3<<20)), "X-Forwarded-For", "6.6.6.6", "X_Real_IP", "6.6.6.6"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "HTTP/1.1 POST //a/%2e?b=c%2F example.com 3145728 <nil> https 127.0.0.1"; body != want || resp.Proto != "HTTP/3.0" {
		t.Errorf("%s: got %q, want %q", resp.Proto, body, want)
	}
	if resp.Header.Get("Alt-Svc") != "" {
		t.Error("a visitor of HTTP/3 is told of it")
	}
}

// Who came over TLS is told of HTTP/3 where it is on, and nobody elsewhere.
func TestHTTP3IsAnnouncedWhereItIs(t *testing.T) {
	for _, on := range []bool{false, true} {
		e, trust := secureEdgeOf(t, func(c *config.Config) { c.HTTP3 = on }, func(http.ResponseWriter, *http.Request) {})
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true, DisableKeepAlives: true}}
		for _, tc := range []struct{ url, host, want string }{
			{"https://" + e.secure, "example.com", `h3=":443"; ma=86400`},
			{"https://" + e.secure, "example.com:8443", `h3=":8443"; ma=86400`},
			{"http://" + e.addr, "example.com", ""},
		} {
			r, _ := http.NewRequest("GET", tc.url, nil)
			r.Host = tc.host
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			want := tc.want
			if !on {
				want = ""
			}
			if got := resp.Header.Get("Alt-Svc"); got != want {
				t.Errorf("on %t, %s: %q, want %q", on, tc.host, got, want)
			}
		}
		if !on {
			if _, _, err := e.ask3(visitor3(t, trust), e.request3("GET", "/", nil)); err == nil {
				t.Error("HTTP/3 is answered though it is off")
			}
		}
	}
}

// What is refused over HTTP/1 and 2 is refused over HTTP/3.
func TestHTTP3IsHeldToTheSameLimits(t *testing.T) {
	var asked atomic.Int64
	e, trust := secureEdgeOf(t, func(c *config.Config) {
		c.HTTP3 = true
		c.Sites[0].Hosts = []string{"example.com"}
		c.Sites[0].Limits = config.Limits{Headers: 20, Body: 1 << 20}
		c.Sites = append(c.Sites, newSite("other", []string{"other.example"}, c.Sites[0].Upstreams[0].URL.String()))
	}, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	tr := visitor3(t, trust)
	many := make([]string, 0, 60)
	for i := range 30 {
		many = append(many, fmt.Sprint("X-", i), "1")
	}
	for _, tc := range []struct {
		name string
		r    *http.Request
		host string
		want int // 0 for an error on the stream
	}{
		{"as it should be", e.request3("GET", "/", nil), "", 200},
		{"another site than the handshake's", e.request3("GET", "/", nil), "other.example", 421},
		{"a site that is none", e.request3("GET", "/", nil), "evil.example", 421},
		{"a host with a byte that none has", e.request3("GET", "/", nil), "exa(mple.com", 421},
		{"too many headers", e.request3("GET", "/", nil, many...), "", 431},
		{"too much of a header", e.request3("GET", "/", nil, "X-A", strings.Repeat("a", 70<<10)), "", 0},
		{"a body too large", e.request3("POST", "/", bytes.NewReader(make([]byte, 2<<20))), "", 413},
		{"too many ranges", e.request3("GET", "/", nil, "Range", "bytes=0-1,2-3,4-5,6-7,8-9,10-11"), "", 416},
	} {
		if tc.host != "" {
			tc.r.Host = tc.host
		}
		before := asked.Load()
		resp, _, err := e.ask3(tr, tc.r)
		switch {
		case tc.want == 0 && err == nil && resp.StatusCode < 400, tc.want != 0 && resp == nil:
			t.Errorf("%s: %v, %v", tc.name, resp, err)
		case tc.want != 0 && resp.StatusCode != tc.want:
			t.Errorf("%s: answered %d, want %d", tc.name, resp.StatusCode, tc.want)
		}
		if tc.want != 200 && asked.Load() > before {
			t.Errorf("%s: the upstream was asked", tc.name)
		}
	}
}

// The rooms see a request of HTTP/3 as they see every other.
func TestHTTP3IsJudged(t *testing.T) {
	room := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x := exchange.From(r.Context())
			if x.Proto != "HTTP/3.0" || x.Target != "/?q=1" || !x.TLS || x.Client.String() != "127.0.0.1" || len(x.Fields) == 0 {
				t.Errorf("the rooms see %+v", x)
			}
			x.Refuse(w, r, exchange.Refusal{Status: 403, Code: "QG-1"})
		})
	}
	e, trust := secureEdgeOf(t, withHTTP3, func(http.ResponseWriter, *http.Request) {}, room)
	resp, body, err := e.ask3(visitor3(t, trust), e.request3("GET", "/?q=1", nil))
	if err != nil || resp.StatusCode != 403 || !strings.Contains(body, "QG-1") {
		t.Errorf("%v, %v: %.60q", resp, err, body)
	}
}

// A request in the first flight may be a repetition; none is taken there.
func TestHTTP3TakesNothingEarly(t *testing.T) {
	e, trust := secureEdgeOf(t, withHTTP3, func(http.ResponseWriter, *http.Request) {})
	conf := trust.Clone()
	conf.ClientSessionCache = tls.NewLRUClientSessionCache(10)
	conf.NextProtos = []string{"h3"}
	for i := range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		c, err := quic.DialAddrEarly(ctx, e.secure, conf, nil)
		if err != nil {
			cancel()
			t.Fatal(err)
		}
		select {
		case <-c.HandshakeComplete():
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
		if c.ConnectionState().Used0RTT {
			t.Errorf("connection %d sent its request early", i+1)
		}
		_ = c.CloseWithError(0, "")
		cancel()
	}
}

// One client has so many connections, also of this kind.
func TestHTTP3ConnectionsAreCounted(t *testing.T) {
	e, trust := secureEdgeOf(t, func(c *config.Config) {
		c.HTTP3 = true
		c.Capacity.ClientConnections = 16 // two of these
	}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-r.Context().Done()
		}
	})
	refused := 0
	for range 4 {
		tr := visitor3(t, trust)
		_, _, err := e.ask3(tr, e.request3("GET", "/", nil))
		var closed *quic.ApplicationError
		if errors.As(err, &closed) && closed.ErrorCode == errExcessiveLoad {
			refused++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		go func() { // keeps it busy
			r := e.request3("GET", "/wait", nil)
			if resp, err := tr.RoundTrip(r); err == nil {
				resp.Body.Close()
			}
		}()
		until(t, "the request is under way", func() bool { return e.load.Requests() >= 1 })
	}
	if refused == 0 {
		t.Error("four connections of two")
	}
}

func TestHTTP3ComesAndGoesWithAReload(t *testing.T) {
	e, trust := secureEdgeOf(t, withHTTP3, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	ask := func() error {
		tr := &http3.Transport{TLSClientConfig: trust.Clone(), QUICConfig: &quic.Config{HandshakeIdleTimeout: time.Second}}
		defer tr.Close()
		_, _, err := e.ask3(tr, e.request3("GET", "/", nil))
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	c := *e.opts.Config
	c.HTTP3 = false
	if err := e.Reload(&c); err != nil {
		t.Fatal(err)
	}
	e.leaving.Wait()
	if ask() == nil {
		t.Error("answered though it is off")
	}
	c.HTTP3 = true
	if err := e.Reload(&c); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Errorf("on again: %v", err)
	}
}

// A stop lets a request of HTTP/3 end.
func TestHTTP3StopWaits(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	e, trust := secureEdgeOf(t, withHTTP3, func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-release
		_, _ = io.WriteString(w, "at last")
	})
	answered := make(chan string, 1)
	tr := visitor3(t, trust)
	go func() {
		_, body, err := e.ask3(tr, e.request3("GET", "/", nil))
		answered <- fmt.Sprint(body, err)
	}()
	<-begun
	e.stop()
	until(t, "it drains", e.stopping.Load)
	close(release)
	if got := <-answered; got != "at last<nil>" {
		t.Errorf("answered %q", got)
	}
}
