package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestChunkedUploadWithTrailersBothWays(t *testing.T) {
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprintf(w, "%s %v %s %d", b, err, r.Trailer.Get("X-Check"), r.ContentLength)
		w.Header().Set("X-Sum", "out")
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	answer := e.raw("POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X-Check\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" +
		"3\r\none\r\n4\r\n two\r\n0\r\nX-Check: in\r\n\r\n")
	for _, want := range []string{"HTTP/1.1 200", "one two <nil> in -1", "\r\n0\r\nX-Sum: out\r\n\r\n"} {
		if !strings.Contains(answer, want) {
			t.Errorf("%q is not in %q", want, answer)
		}
	}
}

// A trailer that would speak for the edge is refused, announced or not.
func TestTrailerMayNotForgeTheClient(t *testing.T) {
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if got := r.Trailer.Get("X-Real-IP"); got != "" {
			t.Errorf("upstream saw the trailer X-Real-IP: %s", got)
		}
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	for _, announce := range []string{"", "Trailer: X-Real-IP\r\n", "Trailer: X-Check, X-Real-IP\r\n"} {
		answer := e.raw("POST / HTTP/1.1\r\nHost: a\r\n" + announce + "Transfer-Encoding: chunked\r\n\r\n" +
			"3\r\none\r\n0\r\nX-Real-IP: 6.6.6.6\r\n\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 400") {
			t.Errorf("announced by %q: %.80q, want 400", announce, answer)
		}
	}
}

// An upload is passed on while it arrives: the upstream answers each piece
// before the visitor sends the next.
func TestBodiesFlowInBothDirectionsAtOnce(t *testing.T) {
	up := rawUpstream(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := readHead(r); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for {
			size, err := r.ReadString('\n')
			if err != nil {
				return
			}
			text, err := r.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(c, size+text)
			if strings.TrimSpace(size) == "0" {
				return
			}
		}
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	c, r := e.dial()
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	for i := range 10 {
		piece := fmt.Sprintf("5\r\npart%d\r\n", i)
		io.WriteString(c, piece)
		if i == 0 {
			if head, err := readHead(r); err != nil || !strings.HasPrefix(head, "HTTP/1.1 200") {
				t.Fatalf("head %q, %v", head, err)
			}
		}
		expect(t, r, piece)
	}
	io.WriteString(c, "0\r\n\r\n")
	expect(t, r, "0\r\n\r\n")
}

func TestExpectContinue(t *testing.T) {
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		b, _ := io.ReadAll(r.Body)
		w.Write(b)
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	const head = "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"

	c, r := e.dial()
	fmt.Fprintf(c, head, "/")
	expect(t, r, "HTTP/1.1 100 Continue\r\n\r\n")
	io.WriteString(c, "body")
	if rest, _ := io.ReadAll(r); !bytes.HasPrefix(rest, []byte("HTTP/1.1 200")) || !bytes.HasSuffix(rest, []byte("body")) {
		t.Errorf("answered %q", rest)
	}

	// A refusal comes before the body was sent, and the body is not asked for.
	c, r = e.dial()
	fmt.Fprintf(c, head, "/no")
	if rest, _ := io.ReadAll(r); !bytes.HasPrefix(rest, []byte("HTTP/1.1 403")) {
		t.Errorf("answered %q", rest)
	}
}

func TestInformationalResponsesPass(t *testing.T) {
	up := rawUpstream(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := readHead(r); err == nil {
			io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b.js>\r\n\r\n"+
				"HTTP/1.1 200 OK\r\nX-Last: 1\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	answer := e.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	a, b, last := strings.Index(answer, "Link: </a.css>"), strings.Index(answer, "Link: </b.js>"), strings.Index(answer, "HTTP/1.1 200")
	if strings.Count(answer, "HTTP/1.1 103") != 2 || a < 0 || b < a || last < b || strings.Contains(answer[last:], "Link:") {
		t.Errorf("answered %q", answer)
	}
}

func TestRangesPass(t *testing.T) {
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("0123456789"))
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	for rng, want := range map[string]string{"bytes=2-4": "206 234", "bytes=-2": "206 89", "bytes=20-": "416", "bytes=" + strings.Repeat("0-1,", 10) + "0-1": "416"} {
		resp, body := e.get("/", "Range", rng)
		if got := fmt.Sprintf("%d %s", resp.StatusCode, body); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %.40q, want %q", rng, got, want)
		}
	}
	if resp, _ := e.get("/", "Range", "bytes=2-4"); resp.Header.Get("Content-Range") != "bytes 2-4/10" || resp.ContentLength != 3 {
		t.Errorf("Content-Range %q, length %d", resp.Header.Get("Content-Range"), resp.ContentLength)
	}
}

func TestAnswersWithoutBody(t *testing.T) {
	up := rawUpstream(t, func(c net.Conn, r *bufio.Reader) {
		for {
			head, err := readHead(r)
			if err != nil {
				return
			}
			switch {
			case strings.HasPrefix(head, "HEAD"):
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: \"a\"\r\n\r\n")
			case strings.HasPrefix(head, "GET /304"):
				io.WriteString(c, "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n")
			default:
				io.WriteString(c, "HTTP/1.1 204 No Content\r\nETag: \"a\"\r\n\r\n")
			}
		}
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	for _, tc := range [][2]string{{"HEAD /", "200"}, {"GET /304", "304"}, {"GET /204", "204"}} {
		answer := e.raw(tc[0] + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		head, rest, ok := strings.Cut(answer, "\r\n\r\n")
		if !ok || !strings.HasPrefix(head, "HTTP/1.1 "+tc[1]) || rest != "" || !strings.Contains(strings.ToLower(head), "etag: \"a\"") {
			t.Errorf("%s answered %q", tc[0], answer)
		}
		if tc[1] == "200" && one(head, "Content-Length") != "1234" {
			t.Errorf("HEAD has length %s", one(head, "Content-Length"))
		}
	}
}

// An upstream may answer before it has read the body; the visitor learns it
// while he still sends.
func TestEarlyResponse(t *testing.T) {
	up := rawUpstream(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := readHead(r); err == nil {
			io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsoon")
			_, _ = io.Copy(io.Discard, r)
		}
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	c, r := e.dial()
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nfirst bytes")
	head, err := readHead(r)
	if err != nil || !strings.HasPrefix(head, "HTTP/1.1 413") {
		t.Fatalf("head %q, %v", head, err)
	}
	expect(t, r, "soon")
}

// What is left of a body after an early answer is never read as a request,
// however late it comes and whatever it looks like.
func TestRestOfABodyIsNoRequest(t *testing.T) {
	up := rawUpstream(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := readHead(r); err == nil {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			_, _ = io.Copy(io.Discard, r)
		}
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	c, r := e.dial()
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
	if head, err := readHead(r); err != nil || !strings.Contains(head, "Connection: close\r\n") {
		t.Errorf("the connection is kept after %q, %v", head, err)
	}
	io.WriteString(c, "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
	if rest, _ := io.ReadAll(r); len(rest) > 0 {
		t.Errorf("the rest of the body was answered %q", rest)
	}
}
