package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
)

// FuzzAccessLine holds that a request makes one line of the log, which is JSON
// and drives no terminal.
func FuzzAccessLine(f *testing.F) {
	f.Add("GET", "/?password=a\x1b[2J", "shop\r\n{\"level\":\"error\"}", "HTTP/1.1")
	f.Add("\x00", "/\u2028\u202e\x9b", "\xff", "")
	var out bytes.Buffer
	s, err := New(Options{Config: oneSite("http://127.0.0.1:1"), Logger: zerolog.New(event.ControlEscaper{Writer: &out}), Redact: event.NewRedactor([]byte("0123456789abcdef"))})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, target, host, proto string) {
		out.Reset()
		c := &call{server: s, host: host}
		c.x = exchange.Exchange{Target: target, Proto: proto, Client: netip.MustParseAddr("192.0.2.1"), Start: time.Now()}
		c.account(&http.Request{Method: method})
		line := out.String()
		if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
			t.Fatalf("%q is not one line", line)
		}
		if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), unicode.IsControl) {
			t.Fatalf("a control character in %q", line)
		}
		var said map[string]any
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if said["level"] != "info" || said["message"] != "request" {
			t.Fatalf("the line says %v", said)
		}
	})
}

// FuzzConnector sends bytes over a socket and holds that the upstream gets
// requests which the rooms saw, in their order: the same target, body and
// header values, and of our own headers those that we set.
func FuzzConnector(f *testing.F) {
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST //a/%2e?b=c#d HTTP/1.1\r\nHost: A.\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /? HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n",
		"GET http://a/b?c HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"HEAD /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
	} {
		f.Add([]byte(request))
	}
	var mu sync.Mutex
	var judged, got []string
	note := func(list *[]string, s string) {
		mu.Lock()
		defer mu.Unlock()
		*list = append(*list, s)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	upstream := &http.Server{DisableGeneralOptionsHandler: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		note(&got, fmt.Sprintf("%s %s %q %q", r.Method, r.RequestURI, b, r.Header["X-A"]))
		if xff := r.Header["X-Forwarded-For"]; len(xff) != 1 || xff[0] != "127.0.0.1" || len(r.Header["X_forwarded_for"]) > 0 {
			note(&got, fmt.Sprintf("forged: %q", r.Header))
		}
	})}
	go func() { _ = upstream.Serve(ln) }()
	room := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				exchange.From(r.Context()).Refuse(w, r, exchange.Refusal{Status: 400, Close: true})
				return
			}
			target := exchange.From(r.Context()).Target
			if _, rest, absolute := strings.Cut(target, "://"); absolute && target[0] != '/' {
				if i := strings.IndexAny(rest, "/?"); i < 0 {
					target = "/"
				} else if target = rest[i:]; target[0] == '?' {
					target = "/" + target
				}
			}
			note(&judged, fmt.Sprintf("%s %s %q %q", r.Method, target, b, r.Header["X-A"]))
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
			next.ServeHTTP(w, r)
		})
	}
	c := oneSite("http://" + ln.Addr().String())
	c.Log = config.Log{}
	s, err := New(Options{Config: c, Logger: zerolog.Nop(), Middleware: []func(http.Handler) http.Handler{room}})
	if err != nil {
		f.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	f.Cleanup(func() {
		cancel()
		s.Close()
		<-ended
		_ = upstream.Close()
	})
	plain, _ := s.Addrs()
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 1<<16 {
			return
		}
		mu.Lock()
		judged, got = nil, nil
		mu.Unlock()
		conn, err := net.Dial("tcp", plain[0].String())
		if err != nil {
			t.Skip("no more ports: ", err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		go func() {
			_, _ = conn.Write(raw)
			_ = conn.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(io.Discard, conn) // ends when the edge is through
		mu.Lock()
		defer mu.Unlock()
		if len(got) > len(judged) {
			t.Fatalf("the upstream got %q, the rooms saw %q", got, judged)
		}
		for i := range got {
			if got[i] != judged[i] {
				t.Fatalf("the upstream got %q, the rooms saw %q", got, judged)
			}
			// Bytes, not characters: what follows 0x7f is text to HTTP (RFC 9110, 5.5).
			if strings.ContainsFunc(got[i], func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Fatalf("a control character reached the upstream: %q", got)
			}
		}
	})
}
