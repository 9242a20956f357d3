package wire

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// counted remembers the writes of a connection.
type countedConn struct {
	net.Conn
	mu     sync.Mutex
	writes [][]byte
	fail   error
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return 0, c.fail
	}
	c.writes = append(c.writes, bytes.Clone(p))
	return len(p), nil
}

func TestGatheredWrites(t *testing.T) {
	small, large := strings.Repeat("s", 4<<10), strings.Repeat("L", 40<<10)
	huge := strings.Repeat("H", gatherBytes+1)
	for name, tc := range map[string]struct {
		all    bool
		writes []string
		sent   []string
	}{
		"head and page":          {false, []string{small, large}, []string{small, large}}, // one writev on a TCP connection
		"head and chunk and end": {true, []string{small, large, "\r\n"}, []string{small + large + "\r\n"}},
		"small ones":             {false, []string{"a", "b", "c"}, []string{"abc"}},
		"more than is held":      {true, []string{"a", huge, "b"}, []string{"a", huge, "b"}},
		"held to the brim":       {true, []string{large, large, "b"}, []string{large, large, "b"}},
		"nothing":                {true, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			under := &countedConn{}
			c := NewConn(under, Limits{})
			c.Gather(tc.all)
			for _, p := range tc.writes {
				if n, err := c.Write([]byte(p)); n != len(p) || err != nil {
					t.Fatalf("wrote %d, %v", n, err)
				}
			}
			if err := c.Send(); err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(c, "after")
			sent := append(tc.sent, "after")
			if len(under.writes) != len(sent) {
				t.Fatalf("%d writes, want %d", len(under.writes), len(sent))
			}
			for i, w := range under.writes {
				if string(w) != sent[i] {
					t.Errorf("write %d has %d bytes, want %d", i, len(w), len(sent[i]))
				}
			}
		})
	}
}

func TestHeldWriteFailsWhenSent(t *testing.T) {
	c := NewConn(&countedConn{fail: io.ErrClosedPipe}, Limits{})
	c.Gather(true)
	if _, err := io.WriteString(c, "held"); err != nil {
		t.Errorf("held: %v", err)
	}
	if err := c.Send(); err != io.ErrClosedPipe {
		t.Errorf("sent: %v", err)
	}
	if err := c.Send(); err != nil {
		t.Errorf("sent twice: %v", err)
	}
}

// A visitor receives the same whether it was gathered or not.
func TestGatheredResponses(t *testing.T) {
	page := strings.Repeat("0123456789abcdef", 8<<10)
	for name, chunked := range map[string]bool{"length": false, "chunked": true} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c := FromContext(r.Context())
				rc := http.NewResponseController(w)
				if !chunked {
					w.Header().Set("Content-Length", "131072")
				}
				rest := page
				for n := 1; rest != ""; n *= 3 {
					piece := rest[:min(n, len(rest))]
					rest = rest[len(piece):]
					c.Gather(chunked)
					_, _ = io.WriteString(w, piece)
					if chunked {
						_ = rc.Flush()
					}
					if err := c.Send(); err != nil {
						t.Error(err)
					}
				}
			}))
			s.Config.ConnContext = ConnContext
			s.Listener = wrapping{s.Listener, Limits{}, new(atomic.Int64)}
			s.Start()
			defer s.Close()
			for range 3 {
				resp, err := http.Get(s.URL)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || string(got) != page {
					t.Errorf("received %d bytes, %v", len(got), err)
				}
			}
		})
	}
}
