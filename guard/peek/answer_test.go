package peek

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

type seen struct {
	want, status int
	body         string
	calls        int
}

func (s *seen) Head(status int, _ http.Header) int { s.status = status; s.calls++; return s.want }
func (s *seen) Body(raw []byte)                    { s.body = string(raw); s.calls++ }

func TestObserverSeesWhatIsSent(t *testing.T) {
	for name, tc := range map[string]struct {
		want   int
		answer http.HandlerFunc
		status int
		seen   string
		body   string
	}{
		"nothing written": {5, func(http.ResponseWriter, *http.Request) {}, 200, "", ""},
		"small writes": {5, func(w http.ResponseWriter, _ *http.Request) {
			for _, s := range []string{"ab", "cd", "efg", "h"} {
				_, _ = io.WriteString(w, s)
			}
		}, 200, "abcde", "abcdefgh"},
		"short body": {50, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(404)
			_, _ = w.Write([]byte("gone"))
		}, 404, "gone", "gone"},
		"informational first": {3, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(103)
			w.WriteHeader(201)
			_, _ = w.Write([]byte("made"))
		}, 201, "mad", "made"},
		"copied from a reader": {3, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, strings.NewReader("stream"))
		}, 200, "str", "stream"},
		"flushed before anything": {3, func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			_, _ = w.Write([]byte("late"))
		}, 200, "lat", "late"},
		"nothing wanted": {0, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, strings.NewReader("stream"))
		}, 200, "", "stream"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &seen{want: tc.want}
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { Serve(tc.answer, w, r, o) }))
			defer s.Close()
			res, err := http.Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			s.Close()
			if res.StatusCode != tc.status || string(body) != tc.body {
				t.Errorf("client got %d %q", res.StatusCode, body)
			}
			if o.status != tc.status || o.body != tc.seen || o.calls > 2 {
				t.Errorf("observer saw %d %q in %d calls", o.status, o.body, o.calls)
			}
		})
	}
}

func TestConnectionCanBeTaken(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "raw\n")
			_ = conn.Close()
		}), w, r, &seen{want: 4})
	}))
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if line, _ := bufio.NewReader(conn).ReadString('\n'); line != "raw\n" {
		t.Errorf("got %q", line)
	}
}

func TestPlainReadsACutStream(t *testing.T) {
	text := strings.Repeat("<html class=\"wp-toolbar\"> steppe ", 4000)
	for name, encode := range map[string]func(io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"br":   func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			z := encode(&b)
			_, _ = io.WriteString(z, text)
			_ = z.Close()
			if got := Plain(name, b.Bytes(), 1000); string(got) != text[:1000] {
				t.Errorf("got %d bytes", len(got))
			}
			if name != "zstd" { // whose blocks are all or nothing
				if got := Plain(name, b.Bytes()[:b.Len()*3/4], 1<<20); !strings.HasPrefix(text, string(got)) || len(got) == 0 {
					t.Errorf("cut stream gave %d bytes", len(got))
				}
			}
			if got := Plain(name, []byte("no such stream"), 100); len(got) != 0 {
				t.Errorf("garbage gave %q", got)
			}
		})
	}
	if Plain("unknown", []byte("x"), 9) != nil || string(Plain("", []byte("abc"), 2)) != "ab" {
		t.Error("encodings")
	}
}
