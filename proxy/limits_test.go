package proxy

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// The head is bounded before a site is known, so nothing of these reaches an
// upstream, and none of it is kept.
func TestHeadsOverTheLimit(t *testing.T) {
	var reached atomic.Int64
	up := upstreamServer(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	e := newEdge(t, Options{Config: oneSite(up)})
	for _, tc := range []struct {
		name, text string
		want       []string
	}{
		{"101 headers", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-A: 1\r\n", 100) + "\r\n", []string{"431"}},
		{"10,000 headers", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: 1\r\n", 10000) + "\r\n", []string{"431"}},
		{"request line of 40 KB", "GET /" + strings.Repeat("a", 40<<10) + strings.Repeat("b", 30<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n", []string{"414", "431"}},
		{"request line of 1 MB", "GET /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: a\r\n\r\n", []string{"414", "431"}},
		{"header of 70 KB", "GET / HTTP/1.1\r\nHost: a\r\nCookie: " + strings.Repeat("a", 70<<10) + "\r\n\r\n", []string{"431"}},
		{"header block of 2 MB", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 2<<10) + "\r\n", []string{"431"}},
		{"request line that never ends", strings.Repeat("a", 4<<20), []string{"414", "431", "400"}},
	} {
		answer := e.raw(tc.text)
		right := false
		for _, status := range tc.want {
			right = right || strings.HasPrefix(answer, "HTTP/1.1 "+status+" ")
		}
		if !right {
			t.Errorf("%s: answered %.40q, want %v", tc.name, answer, tc.want)
		}
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("%d requests reached the upstream", n)
	}
	if resp, _ := e.get("/"); resp.StatusCode != 200 {
		t.Errorf("an ordinary request afterwards: %d", resp.StatusCode)
	}
}

func TestHeadsWithinTheLimit(t *testing.T) {
	up := upstreamServer(t, func(http.ResponseWriter, *http.Request) {})
	e := newEdge(t, Options{Config: oneSite(up)})
	for name, text := range map[string]string{
		"90 headers":          strings.Repeat("X-A: 1\r\n", 90),
		"cookies of 60 KB":    strings.Repeat("Cookie: "+strings.Repeat("a", 3000)+"\r\n", 20),
		"one header of 32 KB": "X-A: " + strings.Repeat("a", 32<<10) + "\r\n",
	} {
		if got := e.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + text + "\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200") {
			t.Errorf("%s: answered %.40q", name, got)
		}
	}
}

// Many clients that send a head without end cost the edge what the limit says
// and no more.
func TestEndlessHeadsAreBoundedInMemory(t *testing.T) {
	up := upstreamServer(t, func(http.ResponseWriter, *http.Request) {})
	e := newEdge(t, Options{Config: oneSite(up)})
	const clients = 50
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	block := strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 64)
	var sending sync.WaitGroup
	for range clients {
		c, r := e.dial()
		sending.Go(func() {
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n")
			for range 100 {
				if _, err := io.WriteString(c, block); err != nil {
					break
				}
			}
			// A reset may take the answer with it; one that comes is a refusal.
			if resp, err := http.ReadResponse(r, nil); err == nil && resp.StatusCode != 431 {
				t.Errorf("answered %d", resp.StatusCode)
			}
		})
	}
	sending.Wait()
	runtime.ReadMemStats(&after) // what is garbage by now counts too
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > clients<<20 {
		t.Errorf("heap in use grew by %d KiB for %d clients", grown>>10, clients)
	}
}
