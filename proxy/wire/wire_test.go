package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
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
	return fmt.Sprintf("%s body=%q", s.Request, s.Body)
}

// edge is an http.Server on a real socket whose connections are Conns.
type edge struct {
	*http.Server
	addr   string
	mu     sync.Mutex
	seen   []seen
	closed chan struct{}
}

type wrapping struct {
	net.Listener
	limits Limits
}

func (l wrapping) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
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
		IdleTimeout:                  10 * time.Second,
		ErrorLog:                     log.New(testWriter{t}, "", 0),
	}
	go func() {
		defer close(e.closed)
		_ = e.Serve(wrapping{ln, limits})
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

func (e *edge) handler(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
func (e *edge) exchange(t testing.TB, raw string, step int) []int {
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
		for b := []byte(raw); len(b) > 0; {
			n := min(step, len(b))
			if _, err := c.Write(b[:n]); err != nil {
				return
			}
			b = b[n:]
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

func TestPipelinedRefusalComesLast(t *testing.T) {
	e := serve(t, Limits{}, nil)
	raw := "GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" +
		"GET /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /d HTTP/1.1\r\nHost: x\r\n\r\n"
	if got := e.exchange(t, raw, len(raw)); !slices.Equal(got, []int{200, 200, 400}) {
		t.Errorf("answers %v", got)
	}
	want := []string{"GET /a body=\"\"", "POST /b body=\"abc\"", "refused 400 content-length-with-transfer-encoding host=\"x\""}
	if got := e.take(); !slices.Equal(got, want) {
		t.Errorf("handler saw %q, want %q", got, want)
	}
}
