package proxy

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
)

// edge is a running Server in front of one upstream.
type edge struct {
	*Server
	t      *testing.T
	addr   string // plain HTTP
	secure string // HTTPS, when configured
	log    *lockedBuffer
	events chan event.Event
	ended  chan error
	stop   context.CancelFunc
}

// newEdge starts a Server on free ports and stops it with the test.
func newEdge(t *testing.T, o Options) *edge {
	t.Helper()
	e := &edge{t: t, log: &lockedBuffer{}, events: make(chan event.Event, 1000), ended: make(chan error, 1)}
	o.Logger = zerolog.New(e.log)
	o.Record = func(ev event.Event) { e.events <- ev }
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	e.Server = s
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	plain, secure := s.Addrs()
	if len(plain) > 0 {
		e.addr = plain[0].String()
	}
	if len(secure) > 0 {
		e.secure = secure[0].String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.stop = cancel
	go func() { e.ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		s.Close()
		select {
		case <-e.ended:
		case <-time.After(20 * time.Second):
			t.Error("the server did not end")
		}
	})
	return e
}

// oneSite is a configuration of one site for any host.
func oneSite(upstreams ...string) *config.Config {
	return &config.Config{
		HTTP:  []string{"127.0.0.1:0"},
		Log:   config.Log{Access: true},
		Drain: 5 * time.Second,
		Sites: []*config.Site{newSite("shop", []string{"*"}, upstreams...)},
	}
}

func newSite(name string, hosts []string, upstreams ...string) *config.Site {
	s := &config.Site{Name: name, Hosts: hosts, Mode: config.Block, Level: 1, Profile: "generic"}
	for _, u := range upstreams {
		parsed, err := url.Parse(u)
		if err != nil {
			panic(err)
		}
		s.Upstreams = append(s.Upstreams, config.Upstream{URL: parsed})
	}
	return s
}

// upstreamServer is an HTTP server that ends with the test.
func upstreamServer(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// rawUpstream answers every connection with a function of the test.
func rawUpstream(t *testing.T, answer func(net.Conn, *bufio.Reader)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				answer(c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return "http://" + ln.Addr().String()
}

// readHead reads a request's or response's head as text, without its body.
func readHead(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" || line == "\n" {
			return b.String(), err
		}
	}
}

// dial opens a socket to the edge, with a deadline that ends a stuck test.
func (e *edge) dial() (net.Conn, *bufio.Reader) {
	e.t.Helper()
	c, err := net.Dial("tcp", e.addr)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		e.t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// raw sends text over a socket of its own and returns all that comes back
// until the edge closes.
func (e *edge) raw(text string) string {
	e.t.Helper()
	c, r := e.dial()
	go io.WriteString(c, text) // the edge may answer and close before it has read all
	answer, _ := io.ReadAll(r)
	return string(answer)
}

// get asks for a path and returns the response with its body read.
func (e *edge) get(path string, header ...string) (*http.Response, string) {
	e.t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+e.addr+path, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	return e.do(r, header...)
}

func (e *edge) do(r *http.Request, header ...string) (*http.Response, string) {
	e.t.Helper()
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := testClient.Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return resp, string(body)
}

// testClient uses a connection a request, so that no test sees another's.
var testClient = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       20 * time.Second,
}

// lockedBuffer takes log lines from several goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
