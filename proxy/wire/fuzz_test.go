package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http/httpguts"
)

// memory is a connection from which given bytes are read, a few at a time.
type memory struct {
	in   []byte
	step int
}

func (m *memory) Read(p []byte) (int, error) {
	if len(m.in) == 0 {
		return 0, io.EOF
	}
	n := min(len(p), len(m.in))
	if m.step > 0 {
		n = min(n, m.step)
	}
	copy(p, m.in[:n])
	m.in = m.in[n:]
	return n, nil
}

func (m *memory) Write(p []byte) (int, error)      { return len(p), nil }
func (m *memory) Close() error                     { return nil }
func (m *memory) LocalAddr() net.Addr              { return nil }
func (m *memory) RemoteAddr() net.Addr             { return nil }
func (m *memory) SetDeadline(time.Time) error      { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }

func cut(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// request is one request as net/http reads it behind a Conn, and what the Conn
// says of it.
type request struct {
	*http.Request
	body    string
	bodyErr error
	head    Head
	refused *Refusal
}

// readAll reads all requests from a Conn over raw as net/http's server does. It
// fails the test when net/http does not accept what the Conn lets through.
func readAll(t *testing.T, raw []byte, step int) (all []request) {
	c := NewConn(&memory{in: raw, step: step}, Limits{Line: 1 << 10, Head: 4 << 10, Fields: 20})
	br := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(br)
		if err != nil {
			if !cut(err) {
				t.Fatalf("net/http refuses what was let through: %v", err)
			}
			if c.waiting != 0 {
				t.Fatal("a head without its request")
			}
			return all
		}
		if !httpguts.ValidHostHeader(r.Host) || r.ProtoAtLeast(1, 1) && r.Host == "" && !c.refused.Load() {
			t.Fatalf("Host %q was let through", r.Host)
		}
		one := request{Request: r}
		one.head, one.refused = c.Next()
		if one.refused != nil {
			if one.refused.Name == HeadUnaccountable {
				t.Fatal("a request without its head")
			}
			if !r.Close {
				t.Fatal("a refused request keeps its connection")
			}
			return append(all, one)
		}
		body, err := io.ReadAll(r.Body)
		one.body, one.bodyErr = string(body), err
		all = append(all, one)
		if bad := c.BodyErr(); bad != nil {
			if err == nil {
				t.Fatalf("net/http reads a body to its end that was refused: %v", bad)
			}
			all[len(all)-1].refused = bad
			return all
		}
		if err != nil {
			if !cut(err) {
				t.Fatalf("net/http refuses a body that was let through: %v", err)
			}
			return all
		}
	}
}

func (r request) String() string {
	if r.refused != nil {
		return fmt.Sprintf("%d %s %s %q", r.refused.Status, r.refused.Name, r.refused.Detail, r.body)
	}
	return fmt.Sprintf("%s %s %s %q %q %q %v", r.head.Method, r.head.Target, r.head.Proto, r.head.Host, r.head.Fields, r.body, r.bodyErr)
}

func corpus(f *testing.F) {
	for i, c := range cases {
		if len(c.raw) < 2<<10 {
			f.Add([]byte(c.raw), byte(i%9))
		}
	}
	f.Add([]byte(upgrade+next), byte(0))
}

// FuzzDelivery: whatever arrives, net/http accepts what is let through or the
// connection is refused; and it makes no difference in how many pieces it came.
func FuzzDelivery(f *testing.F) {
	corpus(f)
	f.Fuzz(func(t *testing.T, raw []byte, step byte) {
		whole, pieces := readAll(t, raw, 0), readAll(t, raw, int(step)%16+1)
		if !slices.EqualFunc(whole, pieces, func(a, b request) bool { return a.String() == b.String() }) {
			t.Fatalf("at once: %v\nin pieces: %v", whole, pieces)
		}
	})
}

// FuzzOneReading: what is let through is what net/http reads from the bytes
// themselves, and what the Head says.
func FuzzOneReading(f *testing.F) {
	corpus(f)
	f.Fuzz(func(t *testing.T, raw []byte, step byte) {
		direct := bufio.NewReader(bytes.NewReader(raw))
		for _, got := range readAll(t, raw, int(step)%16) {
			if got.refused != nil && got.head.Proto == "" {
				return
			}
			if b, err := direct.Peek(2); err == nil && string(b) == "\r\n" {
				_, _ = direct.Discard(2)
			}
			want, err := http.ReadRequest(direct)
			if err != nil {
				t.Fatalf("net/http refuses the bytes of %v: %v", got, err)
			}
			h := got.head
			if want.Method != h.Method || want.RequestURI != h.Target || want.Proto != h.Proto || want.ContentLength != h.Length {
				t.Fatalf("net/http reads %s %s %s with %d bytes, the head says %v and %d",
					want.Method, want.RequestURI, want.Proto, want.ContentLength, got, h.Length)
			}
			if want.Host != h.Host && !strings.EqualFold(want.Host, h.Host) {
				t.Fatalf("net/http reads host %q, the head says %q", want.Host, h.Host)
			}
			if a, b := linesOf(want.Header), linesOfHead(h); !slices.Equal(a, b) {
				t.Fatalf("net/http reads header %q, the head says %q", a, b)
			}
			if a, b := linesOf(want.Header), linesOf(got.Header); !slices.Equal(a, b) {
				t.Fatalf("net/http reads header %q from the bytes, %q behind us", a, b)
			}
			body, err := io.ReadAll(want.Body)
			if got.refused != nil {
				if !strings.HasPrefix(string(body), got.body) {
					t.Fatalf("net/http reads body %q from the bytes, %q behind us", body, got.body)
				}
				return
			}
			if string(body) != got.body || (err == nil) != (got.bodyErr == nil) {
				t.Fatalf("net/http reads body %q, %v from the bytes, %q, %v behind us", body, err, got.body, got.bodyErr)
			}
			if a, b := linesOf(want.Trailer), linesOf(got.Trailer); !slices.Equal(a, b) {
				t.Fatalf("net/http reads trailer %q from the bytes, %q behind us", a, b)
			}
		}
	})
}

// apart are headers that net/http takes out of its header map or, for HTTP/1.0
// caches, puts into it.
func apart(name string) bool {
	return slices.Contains([]string{"Host", "Transfer-Encoding", "Trailer", "Cache-Control"}, name)
}

func linesOf(h http.Header) (lines []string) {
	for name, values := range h {
		if apart(name) {
			continue
		}
		for _, v := range values {
			lines = append(lines, name+": "+v)
		}
	}
	slices.Sort(lines)
	return lines
}

func linesOfHead(h Head) (lines []string) {
	for _, f := range h.Fields {
		if name := textproto.CanonicalMIMEHeaderKey(f.Name); !apart(name) {
			lines = append(lines, name+": "+f.Value)
		}
	}
	slices.Sort(lines)
	return lines
}
