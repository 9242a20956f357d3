package proxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// refusing is the address of a port nobody listens on.
func refusing(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	return "http://" + ln.Addr().String()
}

func TestUpstreamThatDoesNotAnswer(t *testing.T) {
	answering := func(text string) func(*testing.T) string {
		return func(t *testing.T) string {
			return rawUpstream(t, func(c net.Conn, r *bufio.Reader) {
				if _, err := readHead(r); err == nil {
					io.WriteString(c, text)
				}
			})
		}
	}
	for _, tc := range []struct {
		name   string
		start  func(*testing.T) string
		status int
	}{
		{"refuses", refusing, 502},
		{"hangs before the head", func(t *testing.T) string {
			return rawUpstream(t, func(_ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
		}, 504},
		{"hangs within the head", func(t *testing.T) string {
			return rawUpstream(t, func(c net.Conn, r *bufio.Reader) {
				if _, err := readHead(r); err != nil { // an answer before the question is another fault
					return
				}
				io.WriteString(c, "HTTP/1.1 200 OK\r\nX-A:")
				_, _ = io.Copy(io.Discard, r)
			})
		}, 504},
		{"closes without a word", answering(""), 502},
		{"closes within the head", answering("HTTP/1.1 200 OK\r\nX-A: 1\r\n"), 502},
		{"garbage", answering("\x16\x03\x01 this is no HTTP\r\n\r\n"), 502},
		{"status that is none", answering("HTTP/1.1 OK 200\r\n\r\n"), 502},
		{"two lengths", answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!"), 502},
		{"length that is none", answering("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), 502},
		{"huge head", answering("HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 2<<20) + "\r\n\r\n"), 502},
		{"switch nobody asked for", answering("HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\n"), 502},
	} {
		t.Run(tc.name, func(t *testing.T) {
			up := tc.start(t)
			c := oneSite(up)
			c.Sites[0].Timeouts.Header = 200 * time.Millisecond
			e := newEdge(t, Options{Config: c})
			resp, body := e.get("/")
			if resp.StatusCode != tc.status {
				t.Errorf("answered %d, want %d", resp.StatusCode, tc.status)
			}
			if strings.Contains(body, strings.TrimPrefix(up, "http://")) {
				t.Error("the page tells the upstream's address")
			}
			if log := e.log.String(); !strings.Contains(log, `"hint":"`) {
				t.Errorf("the operator is given no hint: %s", log)
			}
		})
	}
}

// A response cut by the upstream must not look whole to the visitor.
func TestUpstreamThatDiesWithinTheBody(t *testing.T) {
	for name, text := range map[string]string{
		"length":             "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst",
		"chunked":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
		"within a chunk":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nfirst",
		"chunk that is none": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\nzz\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			up := rawUpstream(t, func(c net.Conn, r *bufio.Reader) {
				if _, err := readHead(r); err == nil {
					io.WriteString(c, text)
				}
			})
			e := newEdge(t, Options{Config: oneSite(up)})
			resp, err := testClient.Get("http://" + e.addr + "/")
			if err != nil {
				t.Fatalf("the visitor got nothing: %v", err)
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); err == nil {
				t.Errorf("the visitor took %q for the whole answer", b)
			}
		})
	}
}

func TestOnlyWhatMayBeRepeatedIsRepeated(t *testing.T) {
	for _, tc := range []struct {
		method, body string
		again        bool
	}{
		{"GET", "", true}, {"HEAD", "", true}, {"OPTIONS", "", true},
		{"POST", "", false}, {"POST", "x", false}, {"PUT", "", false}, {"DELETE", "", false}, {"PATCH", "x", false}, {"GET", "x", false},
	} {
		var hits atomic.Int64
		dying := func() string {
			return rawUpstream(t, func(_ net.Conn, r *bufio.Reader) {
				if _, err := readHead(r); err == nil {
					hits.Add(1)
				}
			})
		}
		e := newEdge(t, Options{Config: oneSite(dying(), dying())})
		r, err := http.NewRequest(tc.method, "http://"+e.addr+"/", strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, _ := e.do(r)
		want := int64(1)
		if tc.again {
			want = 2
		}
		if resp.StatusCode != 502 || hits.Load() != want {
			t.Errorf("%s with body %q: %d after %d tries, want 502 after %d", tc.method, tc.body, resp.StatusCode, hits.Load(), want)
		}
	}
}

func TestOneUpstreamOfSeveralDown(t *testing.T) {
	up := upstreamServer(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "alive") })
	e := newEdge(t, Options{Config: oneSite(refusing(t), up)})
	for i := range 20 {
		if resp, body := e.get("/"); resp.StatusCode != 200 || body != "alive" {
			t.Fatalf("request %d: %d %q", i, resp.StatusCode, body)
		}
	}
}

// A visitor who leaves ends the upstream's request too.
func TestVisitorLeaves(t *testing.T) {
	arrived, left := make(chan struct{}), make(chan struct{})
	up := upstreamServer(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(left)
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	c, _ := e.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-arrived
	c.Close()
	select {
	case <-left:
	case <-time.After(10 * time.Second):
		t.Fatal(errors.New("the upstream still works for a visitor who left"))
	}
}
