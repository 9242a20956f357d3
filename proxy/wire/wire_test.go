package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// seen is what a handler was told of one request.
type seen struct {
	Head    Head
	Refusal *Refusal
	Body    string
	BodyErr *Refusal
	ReadErr bool
	Request string // method and target as net/http has them
}

// String leaves out what depends on nothing but wording.
func (s seen) String() string {
	switch {
	case s.Refusal != nil:
		return fmt.Sprintf("refused %d %s host=%q", s.Refusal.Status, s.Refusal.Name, s.Refusal.Head.Host)
	case s.BodyErr != nil:
		return fmt.Sprintf("%s body=%q refused %d %s", s.Request, s.Body, s.BodyErr.Status, s.BodyErr.Name)
	case s.ReadErr:
		return fmt.Sprintf("%s body=%q cut", s.Request, s.Body)
	}
	text := fmt.Sprintf("%s body=%q", s.Request, s.Body)
	if s.Head.Odd {
		text += " odd"
	}
	if s.Head.Authority != "" {
		text += " authority=" + s.Head.Authority
	}
	return text
}

// edge is an http.Server on a real socket whose connections are Conns.
type edge struct {
	*http.Server
	addr   string
	step   atomic.Int64
	mu     sync.Mutex
	seen   []seen
	closed chan struct{}
}

type wrapping struct {
	net.Listener
	limits Limits
	step   *atomic.Int64 // bytes a Read of the socket gives at most; 0 is as many as there are
}

// trickle gives a few bytes at a time, however they came over the network.
type trickle struct {
	net.Conn
	step int
}

func (c trickle) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(len(p), c.step)]) }

func (c trickle) CloseWrite() error { return closeWrite(c.Conn) }

func (l wrapping) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if n := int(l.step.Load()); n > 0 {
		c = trickle{c, n}
	}
	return NewConn(c, l.limits), nil
}

// serve starts an edge. Its handler answers refusals with their status and
// name, and hands everything else to next (nil answers 200 with the body).
func serve(t testing.TB, limits Limits, next http.HandlerFunc) *edge {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{addr: ln.Addr().String(), closed: make(chan struct{})}
	e.Server = &http.Server{
		Handler:                      e.handler(next),
		ConnContext:                  ConnContext,
		DisableGeneralOptionsHandler: true,
		MaxHeaderBytes:               64 << 10,
		ReadHeaderTimeout:            10 * time.Second,
		IdleTimeout:                  time.Hour,
		ErrorLog:                     log.New(testWriter{t}, "", 0),
	}
	go func() {
		defer close(e.closed)
		_ = e.Serve(wrapping{ln, limits, &e.step})
	}()
	t.Cleanup(func() {
		_ = e.Close()
		<-e.closed
	})
	return e
}

// testWriter fails a test on whatever net/http complains of.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Errorf("server: %s", p)
	return len(p), nil
}

// unasked is a path whose handler does not ask for its head.
const unasked = "/unasked"

func (e *edge) handler(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == unasked {
			return
		}
		head, refused := FromContext(r.Context()).Next()
		s := seen{Head: head, Refusal: refused, Request: r.Method + " " + r.RequestURI}
		defer func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.seen = append(e.seen, s)
		}()
		if refused != nil {
			w.Header().Set("X-Refused", refused.Name)
			http.Error(w, refused.Name, refused.Status)
			return
		}
		if next != nil {
			next(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		s.Body = string(body)
		if err != nil {
			s.ReadErr = true
			if s.BodyErr = FromContext(r.Context()).BodyErr(); s.BodyErr != nil {
				w.Header().Set("X-Refused", s.BodyErr.Name)
				http.Error(w, s.BodyErr.Name, s.BodyErr.Status)
			} else {
				http.Error(w, "cut", http.StatusBadRequest)
			}
			return
		}
		_, _ = w.Write(body)
	})
}

func (e *edge) take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []string
	for _, s := range e.seen {
		out = append(out, s.String())
	}
	e.seen = nil
	return out
}

// exchange sends raw bytes, then half-closes, and returns the statuses of all
// answers until the server closes.
func (e *edge) exchange(t testing.TB, raw string) []int {
	t.Helper()
	c, err := net.Dial("tcp", e.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if _, err := io.WriteString(c, raw); err != nil {
			return
		}
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	var statuses []int
	br := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
				t.Errorf("reading answers: %v", err)
			}
			break
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Errorf("reading an answer's body: %v", err)
			break
		}
		statuses = append(statuses, resp.StatusCode)
	}
	<-sent
	return statuses
}
