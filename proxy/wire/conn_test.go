package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qorgan/qorgan/event"
)

const patience = 20 * time.Second

// client is a raw connection to an edge.
type client struct {
	net.Conn
	t  *testing.T
	br *bufio.Reader
}

func dial(t *testing.T, e *edge) *client {
	t.Helper()
	c, err := net.Dial("tcp", e.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &client{c, t, bufio.NewReader(c)}
}

func (c *client) send(raw string) {
	c.t.Helper()
	if _, err := io.WriteString(c, raw); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads one answer whole.
func (c *client) answer() (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("answer cut: %v", err)
	}
	return resp, string(body)
}

func (c *client) ended() {
	c.t.Helper()
	if b, err := c.br.ReadByte(); err == nil {
		c.t.Errorf("connection goes on with %q", b)
	} else if !errors.Is(err, io.EOF) {
		c.t.Errorf("connection ended with %v", err)
	}
}

const upgrade = "GET /up HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: foo\r\n\r\n"

func TestRow07RequestBehindUpgradeIsJudged(t *testing.T) {
	e := serve(t, Limits{}, nil)
	for _, tc := range []struct {
		raw  string
		want []string
	}{
		{upgrade + next, []string{`GET /up body=""`, sawN}},
		{upgrade + get + "X-A: \x00\r\n\r\n" + next, []string{`GET /up body=""`, refused(FieldControl)}},
		{upgrade + upgrade + chnk + "z\r\n", []string{`GET /up body=""`, `GET /up body=""`, `POST /p body="" refused 400 chunk-size`}},
		{strings.Replace(upgrade, "\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc", 1) + next, []string{`GET /up body="abc"`, sawN}},
		{upgrade + "\x81\x05hello", []string{`GET /up body=""`, `refused 400 request-line host=""`}},
	} {
		for _, step := range []int64{0, 1} {
			e.step.Store(step)
			e.exchange(t, tc.raw)
			if got := e.take(); !slices.Equal(got, tc.want) {
				t.Errorf("%q: handler saw %q, want %q", tc.raw, got, tc.want)
			}
		}
	}
}

// The second request arrives while the first, which asked for an upgrade, is
// still handled: it is kept back, and served after.
func TestRow07RequestDuringUpgradeIsKeptBack(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	e := serve(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/up" {
			begun <- struct{}{}
			<-goOn
			if r.Context().Err() != nil {
				t.Error("the request was cancelled by what came behind it")
			}
		}
		_, _ = io.WriteString(w, r.URL.Path)
	})
	c := dial(t, e)
	c.send(upgrade)
	<-begun
	c.send(next)
	goOn <- struct{}{}
	if _, body := c.answer(); body != "/up" {
		t.Errorf("first answer %q", body)
	}
	if _, body := c.answer(); body != "/next" {
		t.Errorf("second answer %q", body)
	}
}

func switching(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return
		}
		defer conn.Close()
		if err := FromContext(r.Context()).Tunnel(); err != nil {
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 500 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", err)
			return
		}
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n")
		_ = rw.Flush()
		_, _ = io.Copy(conn, rw)
	}
}

func TestRow07TunnelPassesBytesAsTheyCome(t *testing.T) {
	e := serve(t, Limits{}, switching(t))
	for _, step := range []int64{0, 1} {
		e.step.Store(step)
		c := dial(t, e)
		early := "\x00early\nGET /a b HTTP/9.9\r\n"
		c.send(upgrade + early)
		resp, err := http.ReadResponse(c.br, nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("answer %v, %v", resp, err)
		}
		late := strings.Repeat("\x00late\n", 5000)
		go func() {
			_, _ = io.WriteString(c, late)
			_ = c.Conn.(*net.TCPConn).CloseWrite()
		}()
		echo, err := io.ReadAll(c.br)
		if err != nil || string(echo) != early+late {
			t.Errorf("tunnel gave %d bytes %.40q, %v", len(echo), echo, err)
		}
	}
}

func TestRow07NoTunnelWithoutUpgrade(t *testing.T) {
	e := serve(t, Limits{}, switching(t))
	for _, raw := range []string{
		next,
		"GET /a HTTP/1.1\r\nHost: x\r\nUpgrade: foo\r\n\r\n",                          // not named by Connection
		"GET /a HTTP/1.0\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n",   // RFC 9110, section 7.8: ignored in 1.0
		strings.Replace(upgrade, "\r\n\r\n", "\r\nContent-Length: 3\r\n\r\n", 1),      // body not read yet
		"GET /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n\r\nGET / HTTP/1.1\r\n", // no Upgrade
	} {
		c := dial(t, e)
		c.send(raw)
		if resp, _ := c.answer(); resp.StatusCode != 500 {
			t.Errorf("%q: %s", raw, resp.Status)
		}
	}
}

func TestFloodBehindUpgradeEndsTheRequest(t *testing.T) {
	e := serve(t, Limits{}, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c := dial(t, e)
	c.send(upgrade)
	go func() { _, _ = io.WriteString(c, strings.Repeat("x", 1<<20)) }()
	for {
		if _, err := http.ReadResponse(c.br, nil); err != nil {
			return // no deadline of ours: the handler has ended
		}
	}
}

func TestRow35ContinueAfterTheHead(t *testing.T) {
	e := serve(t, Limits{}, nil)
	c := dial(t, e)
	c.send(post + "Expect: 100-Continue\r\nContent-Length: 3\r\n\r\n")
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil || resp.StatusCode != http.StatusContinue {
		t.Fatalf("before the body: %v, %v", resp, err)
	}
	c.send("abc" + next)
	if resp, body := c.answer(); resp.StatusCode != 200 || body != "abc" {
		t.Errorf("answer %s %q", resp.Status, body)
	}
	if resp, _ := c.answer(); resp.StatusCode != 200 {
		t.Errorf("next answer %s", resp.Status)
	}
}

func TestRow35NoContinueForARefusedHead(t *testing.T) {
	e := serve(t, Limits{}, nil)
	c := dial(t, e)
	c.send(post + "Expect: 100-continue\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n")
	if resp, _ := c.answer(); resp.StatusCode != 400 {
		t.Errorf("answer %s", resp.Status)
	}
	c.ended()
}

// A body that is on its way upstream breaks off there, it does not end.
func TestRow04UpstreamSeesNoEndOfABadBody(t *testing.T) {
	for _, rest := range []string{"zz\r\n", "3\nabc\r\n0\r\n\r\n", "0\r\nHost: evil\r\n\r\n", "0\r\n\n", "3\r\nabcd0\r\n\r\n"} {
		t.Run(fmt.Sprintf("%q", rest), func(t *testing.T) {
			first, ended := make(chan struct{}), make(chan error, 1)
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, err := io.ReadFull(r.Body, make([]byte, 3))
				close(first)
				if err == nil {
					_, err = io.Copy(io.Discard, r.Body)
				}
				ended <- err
			}))
			defer upstream.Close()
			to, _ := url.Parse(upstream.URL)
			proxy := &httputil.ReverseProxy{
				Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
				ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
					bad := FromContext(r.Context()).BodyErr()
					if bad == nil {
						t.Errorf("forwarding ended with %v and no refusal", err)
						bad = &Refusal{Status: 502}
					}
					if r.Context().Err() != nil {
						t.Error("the request's context is cancelled")
					}
					w.WriteHeader(bad.Status)
				},
			}
			e := serve(t, Limits{}, proxy.ServeHTTP)
			c := dial(t, e)
			c.send(chnk + "3\r\nabc\r\n")
			<-first
			c.send(rest + next)
			if resp, _ := c.answer(); resp.StatusCode != 400 {
				t.Errorf("answer %s", resp.Status)
			}
			c.ended()
			if err := <-ended; err == nil {
				t.Error("the upstream saw a whole body")
			}
		})
	}
}

func TestBodyRefusalCarriesTheHead(t *testing.T) {
	got := make(chan *Refusal, 1)
	e := serve(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got <- FromContext(r.Context()).BodyErr()
		w.WriteHeader(400)
	})
	c := dial(t, e)
	c.send(chnk + "x")
	c.send("\r\n")
	c.answer()
	bad := <-got
	if bad == nil || bad.Head.Target != "/p" || bad.Head.Host != "x" || len(bad.Head.Fields) != 2 {
		t.Fatalf("refusal %+v", bad)
	}
	var says interface {
		Protocol() (int, string, string)
	}
	if !errors.As(fmt.Errorf("read body: %w", bad), &says) {
		t.Fatal("not an error that says what it means")
	}
	if status, name, detail := says.Protocol(); status != 400 || name != ChunkSize || detail != `"x"` {
		t.Errorf("says %d %s %s", status, name, detail)
	}
}

func TestHeadIsKeptAsItCame(t *testing.T) {
	e := serve(t, Limits{}, nil)
	raw := "POST /A%2f?q HTTP/1.1\r\nhOST: X.kz:80\r\nb: 2\r\nA:1\r\nb:\t\r\nX_y: \xff \r\nContent-length: 0\r\n\r\n"
	e.exchange(t, raw)
	e.mu.Lock()
	defer e.mu.Unlock()
	h := e.seen[0].Head
	want := []event.Field{{Name: "hOST", Value: "X.kz:80"}, {Name: "b", Value: "2"}, {Name: "A", Value: "1"}, {Name: "b"},
		{Name: "X_y", Value: "\xff"}, {Name: "Content-length", Value: "0"}}
	if !slices.Equal(h.Fields, want) || h.Method != "POST" || h.Target != "/A%2f?q" || h.Proto != "HTTP/1.1" ||
		h.Host != "X.kz:80" || !h.Odd || h.Upgrade || h.Length != 0 || h.Bytes != len(raw) {
		t.Errorf("head %+v", h)
	}
}

// A head that its handler did not ask for is not given to the next one.
func TestHeadNotAskedFor(t *testing.T) {
	e := serve(t, Limits{}, nil)
	silent := head("GET " + unasked + " HTTP/1.1")
	e.exchange(t, silent+silent+next+silent+next)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.seen {
		if s.Head.Target != "/next" {
			t.Errorf("handler of /next was given the head of %q", s.Head.Target)
		}
	}
	if len(e.seen) != 2 {
		t.Errorf("%d requests", len(e.seen))
	}
}

func TestMoreHeadsThanRequests(t *testing.T) {
	c := NewConn(&memory{}, Limits{})
	if _, r := c.Next(); r == nil || r.Status != 500 {
		t.Errorf("a head out of nothing: %v", r)
	}
}

func TestVisitorLeavingIsNoticed(t *testing.T) {
	for name, tc := range map[string]struct{ request, more string }{
		"at once":         {get + "\r\n", ""},
		"half a request":  {get + "\r\n", "GET /half"},
		"another request": {get + "\r\n", next},
		"after a body":    {post + "Content-Length: 3\r\n\r\nabc", ""},
	} {
		t.Run(name, func(t *testing.T) {
			begun, left := make(chan struct{}), make(chan struct{})
			e := serve(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/next" {
					return
				}
				c := FromContext(r.Context())
				c.OnLeave(func() { close(left) })
				defer c.Answered()
				_, _ = io.Copy(io.Discard, r.Body)
				close(begun)
				<-left
			})
			c := dial(t, e)
			c.send(tc.request + tc.more)
			<-begun
			_ = c.Close()
			select {
			case <-left:
			case <-time.After(patience):
				t.Error("the request goes on")
			}
		})
	}
}

// What a client sends while it is watched is its next request.
func TestWatchedConnectionGoesOn(t *testing.T) {
	watched, sent := make(chan struct{}), make(chan struct{})
	var served []string
	e := serve(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		served = append(served, r.URL.Path+" "+string(body))
		c := FromContext(r.Context())
		c.OnLeave(func() { t.Error("nobody left") })
		defer c.Answered()
		if strings.HasPrefix(r.URL.Path, "/slow") {
			for begun := false; !begun; {
				c.watch.mu.Lock()
				begun = c.watch.reading != nil
				c.watch.mu.Unlock()
			}
			watched <- struct{}{}
			<-sent
		}
	})
	c := dial(t, e)
	c.send(head("GET /slow1 HTTP/1.1"))
	<-watched
	sent <- struct{}{}
	c.answer()
	c.send(head("GET /slow2 HTTP/1.1"))
	<-watched
	c.send("POST /slow3 HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
	sent <- struct{}{}
	c.answer()
	c.send("def")
	<-watched
	c.send(next + "GET /last HTTP/1.1\r\nHo")
	sent <- struct{}{}
	c.answer()
	c.answer()
	c.send("st: x\r\nConnection: close\r\n\r\n")
	c.answer()
	c.ended()
	if want := []string{"/slow1 ", "/slow2 ", "/slow3 abcdef", "/next ", "/last "}; !slices.Equal(served, want) {
		t.Errorf("served %q", served)
	}
}

// The time for a head counts from its first byte, also when the connection was
// idle before and the server waits longer for idle connections.
func TestRow46SlowHeadEndsTheConnection(t *testing.T) {
	e := serve(t, Limits{Time: 50 * time.Millisecond}, nil)
	c := dial(t, e)
	c.send(next)
	c.answer()
	c.send("GET /slow HTTP/1.1\r\nX-A")
	c.ended()
}

// Half of the next request does not disturb the one that is handled.
func TestRow46SlowHeadBehindARequestUnderWay(t *testing.T) {
	limit := 20 * time.Millisecond
	begun := make(chan struct{}, 1)
	e := serve(t, Limits{Time: limit}, func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		select {
		case <-r.Context().Done():
			t.Error("cancelled")
		case <-time.After(10 * limit):
		}
	})
	c := dial(t, e)
	c.send(get + "\r\n")
	<-begun
	c.send("GET /slow HT")
	if resp, _ := c.answer(); resp.StatusCode != 200 {
		t.Errorf("answer %s", resp.Status)
	}
	c.ended()
}

// The answer to a refused request reaches a client that is still sending.
func TestRefusalReachesABusySender(t *testing.T) {
	e := serve(t, Limits{}, nil)
	for _, raw := range []string{
		post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
		chnk + "zz\r\n",
		get + "Cookie: ",
	} {
		c := dial(t, e)
		c.send(raw + strings.Repeat("x", 200<<10))
		if resp, _ := c.answer(); resp.StatusCode != 400 && resp.StatusCode != 431 || !resp.Close {
			t.Errorf("%q: %s, close %v", raw, resp.Status, resp.Close)
		}
		c.ended()
	}
}

func TestRefusalSpeaksTheVisitorsVersion(t *testing.T) {
	e := serve(t, Limits{}, nil)
	c := dial(t, e)
	c.send("HEAD /a#b HTTP/1.0\r\nHost: x\r\n\r\n")
	all, err := io.ReadAll(c.br)
	if err != nil || !strings.HasPrefix(string(all), "HTTP/1.0 400 ") || !strings.HasSuffix(string(all), "\r\n\r\n") {
		t.Errorf("answer %q, %v", all, err)
	}
}

func TestCloseWriteWithoutHalfClose(t *testing.T) {
	if err := NewConn(&memory{}, Limits{}).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("CloseWrite: %v", err)
	}
}

func TestContextWithoutConn(t *testing.T) {
	ctx := ConnContext(context.Background(), &memory{})
	if c := FromContext(ctx); c != nil {
		t.Errorf("a connection out of nothing: %v", c)
	}
}
