package upstream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
)

// scripted answers the requests of each connection with raw text, one after the
// other, and closes it after the last.
type scripted struct {
	t        *testing.T
	url      *url.URL
	accepted atomic.Int64
	requests chan string // as they came
}

func newScripted(t *testing.T, connections ...[]string) *scripted {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{t: t, url: &url.URL{Scheme: "http", Host: ln.Addr().String()}, requests: make(chan string, 64)}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	go func() {
		defer close(done)
		for _, answers := range connections {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.accepted.Add(1)
			go s.serve(c, answers)
		}
	}()
	return s
}

func (s *scripted) serve(c net.Conn, answers []string) {
	defer c.Close()
	r := bufio.NewReader(c)
	for _, answer := range answers {
		var raw strings.Builder
		req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(oneRequest{r}, &raw)))
		if err != nil {
			return
		}
		if req.ContentLength > 0 {
			_, _ = io.CopyN(&raw, r, req.ContentLength)
		}
		s.requests <- raw.String()
		_, _ = io.WriteString(c, answer)
	}
}

// oneRequest reads up to the end of a head, byte by byte.
type oneRequest struct{ r *bufio.Reader }

func (o oneRequest) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }

func (s *scripted) pool(timeouts config.Timeouts) (*Set, *Pool) {
	s.t.Helper()
	set := NewSet(nil, zerolog.Nop())
	p, err := set.Pool([]config.Upstream{{URL: s.url}}, timeouts)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { set.Retire(nil) })
	return set, p
}

func ask(p *Pool, method string, ctx context.Context, early func(int, textproto.MIMEHeader) error) (status int, body string, err error) {
	r := (&http.Request{Method: method, URL: &url.URL{Opaque: "/a", RawQuery: "b=c"}, Host: "shop.example.kz",
		Header: http.Header{"X-One": {"1", "2"}, "Content-Length": {"7"}}}).WithContext(ctx)
	resp, peer, err := p.RoundTrip(&Call{Request: r, Early: early, Blame: func(error) bool { return true }})
	if err != nil {
		return 0, "", err
	}
	defer peer.Done()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

const ok2 = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// What a connection said decides whether the next request may use it.
func TestConnectionIsKept(t *testing.T) {
	for name, tc := range map[string]struct {
		method, first, body string
		status              int
		kept                bool
	}{
		"length":             {"GET", ok2, "ok", 200, true},
		"chunked":            {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nT: 1\r\n\r\n", "ok", 200, true},
		"no body":            {"GET", "HTTP/1.1 204 No Content\r\n\r\n", "", 204, true},
		"not modified":       {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "", 304, true},
		"HEAD":               {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "", 200, true},
		"hints before":       {"GET", "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + ok2, "ok", 200, true},
		"says close":         {"GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", 200, false},
		"HTTP/1.0":           {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", 200, false},
		"more than a body":   {"GET", ok2 + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "ok", 200, false},
		"a body after HEAD":  {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "", 200, false},
		"a body after a 304": {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil", "", 304, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScripted(t, []string{tc.first, ok2}, []string{ok2})
			_, p := s.pool(config.Timeouts{})
			status, body, err := ask(p, tc.method, t.Context(), nil)
			if err != nil || status != tc.status || body != tc.body {
				t.Fatalf("got %d %q, %v", status, body, err)
			}
			if status, body, err := ask(p, "GET", t.Context(), nil); err != nil || status != 200 || body != "ok" {
				t.Fatalf("second: got %d %q, %v", status, body, err)
			}
			if kept := s.accepted.Load() == 1; kept != tc.kept {
				t.Errorf("kept: %v", kept)
			}
		})
	}
}

// Bytes that come while nobody asks are not the next visitor's answer.
func TestUnaskedResponseIsNotUsed(t *testing.T) {
	s := newScripted(t, []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"}, []string{ok2})
	_, p := s.pool(config.Timeouts{})
	peer := p.peers[0]
	here, there := net.Pipe()
	defer there.Close()
	peer.direct.keep(newLink(here, peer.direct)) // cannot be looked at
	if l := peer.direct.take(); l != nil {
		t.Error("a connection that cannot be looked at was used again")
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	mine, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	l := newLink(mine, peer.direct)
	peer.direct.keep(l)
	if peer.direct.take() != l {
		t.Fatal("a quiet connection was not used again")
	}
	peer.direct.keep(l)
	_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\n\r\n")
	for quiet(l.raw) { // until the kernel has moved the bytes
	}
	if peer.direct.take() != nil {
		t.Error("a connection that speaks unasked was used again")
	}
}

func TestDeadConnectionIsReplaced(t *testing.T) {
	for _, tc := range []struct {
		method string
		works  bool
	}{{"GET", true}, {"POST", false}} {
		// The first connection reads the second request and hangs up.
		s := newScripted(t, []string{ok2, ""}, []string{ok2})
		_, p := s.pool(config.Timeouts{})
		if _, _, err := ask(p, "GET", t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ask(p, tc.method, t.Context(), nil); (err == nil) != tc.works {
			t.Errorf("%s: %v", tc.method, err)
		}
	}
}

func TestRequestOnTheWire(t *testing.T) {
	s := newScripted(t, []string{ok2, ok2, ok2})
	_, p := s.pool(config.Timeouts{})
	for _, tc := range []struct{ method, body, want string }{
		{"GET", "", "GET /a?b=c HTTP/1.1\r\nHost: shop.example.kz\r\nX-One: 1\r\nX-One: 2\r\n\r\n"},
		{"POST", "", "POST /a?b=c HTTP/1.1\r\nHost: shop.example.kz\r\nX-One: 1\r\nX-One: 2\r\nContent-Length: 0\r\n\r\n"},
		{"POST", "a=1", "POST /a?b=c HTTP/1.1\r\nHost: shop.example.kz\r\nX-One: 1\r\nX-One: 2\r\nContent-Length: 3\r\n\r\na=1"},
	} {
		r := (&http.Request{Method: tc.method, URL: &url.URL{Opaque: "/a", RawQuery: "b=c"}, Host: "shop.example.kz",
			Header: http.Header{"X-One": {"1", "2"}, "Content-Length": {"7"}, "User-Agent": nil, "Trailer": {"T"}}}).WithContext(t.Context())
		if tc.body != "" {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(tc.body)), int64(len(tc.body))
		}
		resp, peer, err := p.RoundTrip(&Call{Request: r, Held: true, Blame: func(error) bool { return true }})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		peer.Done()
		if got := <-s.requests; got != tc.want {
			t.Errorf("sent %q, want %q", got, tc.want)
		}
	}
}

func TestNoLineIsBroken(t *testing.T) {
	for name, r := range map[string]*http.Request{
		"target": {Method: "GET", URL: &url.URL{Opaque: "/\r\nX: y"}, Host: "a"},
		"query":  {Method: "GET", URL: &url.URL{Opaque: "/", RawQuery: "a\nb"}, Host: "a"},
		"host":   {Method: "GET", URL: &url.URL{Opaque: "/"}, Host: "a\r\nX: y"},
		"name":   {Method: "GET", URL: &url.URL{Opaque: "/"}, Host: "a", Header: http.Header{"A\nB": {"c"}}},
		"value":  {Method: "GET", URL: &url.URL{Opaque: "/"}, Host: "a", Header: http.Header{"A": {"b\rc"}}},
		"nul":    {Method: "GET", URL: &url.URL{Opaque: "/"}, Host: "a", Header: http.Header{"A": {"b\x00"}}},
	} {
		if b, err := appendRequest(nil, r); err == nil {
			t.Errorf("%s: wrote %q", name, b)
		}
	}
}

func TestBadResponses(t *testing.T) {
	hint := "HTTP/1.1 103 Early Hints\r\n\r\n"
	for name, answer := range map[string]string{
		"no HTTP":        "hello\r\n\r\n",
		"nothing":        "",
		"cut head":       "HTTP/1.1 200 OK\r\nContent-",
		"large head":     "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", maxResponseHeader) + "\r\n\r\n",
		"unasked switch": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
		"hints for ever": strings.Repeat(hint, 10) + ok2,
		"two lengths":    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
	} {
		t.Run(name, func(t *testing.T) {
			s := newScripted(t, []string{answer}, []string{answer})
			_, p := s.pool(config.Timeouts{})
			status, body, err := ask(p, "GET", t.Context(), nil)
			var failure *Error
			if !errors.As(err, &failure) || failure.Kind != "response" {
				t.Errorf("got %d %q, %v", status, body, err)
			}
		})
	}
	s := newScripted(t, []string{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut"})
	_, p := s.pool(config.Timeouts{})
	if _, body, err := ask(p, "GET", t.Context(), nil); !errors.Is(err, io.ErrUnexpectedEOF) || body != "cut" {
		t.Errorf("cut body: %q, %v", body, err)
	}
}

func TestEarlyResponsesAreTold(t *testing.T) {
	s := newScripted(t, []string{"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + ok2})
	_, p := s.pool(config.Timeouts{})
	var told []string
	_, _, err := ask(p, "GET", t.Context(), func(status int, h textproto.MIMEHeader) error {
		told = append(told, http.StatusText(status)+h.Get("Link"))
		return nil
	})
	if err != nil || len(told) != 1 || told[0] != "Early Hints<x>" {
		t.Errorf("told %q, %v", told, err)
	}
}

// silent accepts connections and says nothing.
func silent(t *testing.T) (*scripted, chan net.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 4)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	return &scripted{t: t, url: &url.URL{Scheme: "http", Host: ln.Addr().String()}}, accepted
}

func TestSilentServerTimesOut(t *testing.T) {
	s, accepted := silent(t)
	_, p := s.pool(config.Timeouts{Header: 30 * time.Millisecond})
	_, _, err := ask(p, "GET", t.Context(), nil)
	var failure *Error
	if !errors.As(err, &failure) || failure.Status != http.StatusGatewayTimeout {
		t.Errorf("got %v", err)
	}
	_ = (<-accepted).Close()
}

func TestCancelledRequestLetsGo(t *testing.T) {
	s, accepted := silent(t)
	_, p := s.pool(config.Timeouts{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c := <-accepted
		b := make([]byte, 1<<10)
		_, _ = c.Read(b)
		cancel()
		if _, err := c.Read(b); err == nil {
			t.Error("the connection stayed open")
		}
		accepted <- c
	}()
	if _, _, err := ask(p, "GET", ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	_ = (<-accepted).Close()
}

func TestUnusedConnectionsAreClosed(t *testing.T) {
	s := newScripted(t, []string{ok2, ok2}, []string{ok2, ok2})
	set, p := s.pool(config.Timeouts{})
	d := p.peers[0].direct
	if _, _, err := ask(p, "GET", t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	set.Sweep()
	if len(d.idle) != 1 {
		t.Fatalf("%d connections kept", len(d.idle))
	}
	d.sweep(time.Now().Add(idleConn))
	if len(d.idle) != 0 {
		t.Error("an old connection was kept")
	}
	set.Retire(nil)
	if _, _, err := ask(p, "GET", t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if len(d.idle) != 0 {
		t.Error("a connection was kept for a table that is gone")
	}
}

// A body of announced length is handed out whole, however it is read, and its
// connection is used again only then.
func TestSizedBody(t *testing.T) {
	page := strings.Repeat("0123456789abcdef", 20<<10)
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 327680\r\n\r\n" + page
	s := newScripted(t, []string{answer, answer, answer}, []string{ok2})
	_, p := s.pool(config.Timeouts{})
	get := func() (io.ReadCloser, func()) {
		r := (&http.Request{Method: "GET", URL: &url.URL{Opaque: "/"}, Host: "a"}).WithContext(t.Context())
		resp, peer, err := p.RoundTrip(&Call{Request: r, Blame: func(error) bool { return true }})
		if err != nil {
			t.Fatal(err)
		}
		return resp.Body, peer.Done
	}
	body, done := get()
	var all strings.Builder
	if n, err := io.CopyBuffer(&all, struct{ io.Reader }{body}, make([]byte, 777)); err != nil || all.String() != page {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if n, err := body.Read(make([]byte, 9)); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
	_ = body.Close()
	done()

	body, done = get()
	all.Reset()
	for first := true; ; first = false {
		if first { // both ways of reading go together
			b := make([]byte, 100)
			n, _ := body.Read(b)
			all.Write(b[:n])
		}
		piece, err := body.(*sizedBody).Next()
		all.Write(piece)
		if err != nil {
			if err != io.EOF {
				t.Error(err)
			}
			break
		}
	}
	if all.String() != page {
		t.Errorf("handed out %d bytes", all.Len())
	}
	_ = body.Close()
	done()

	body, done = get()
	_, _ = body.Read(make([]byte, 10))
	_ = body.Close()
	done()
	if _, err := body.Read(make([]byte, 10)); err != http.ErrBodyReadAfterClose {
		t.Errorf("after closing: %v", err)
	}
	if s.accepted.Load() != 1 {
		t.Errorf("%d connections for whole bodies", s.accepted.Load())
	}
	body, done = get()
	_ = body.Close()
	done()
	if s.accepted.Load() != 2 {
		t.Error("a connection with half a body was used again")
	}
}
