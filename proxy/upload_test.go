package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

// zeros is an endless reader of nothing much.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Client, edge and upstream share this process, so what is measured is an
// upper bound of what the edge holds.
func TestLargeUploadInConstantMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("sends 2 GB")
	}
	const size = 2 << 30
	var most atomic.Uint64
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 1<<20)
		var n, looked int64
		for {
			read, err := r.Body.Read(buf)
			n += int64(read)
			if n-looked >= 64<<20 {
				looked = n
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most.Store(max(most.Load(), m.HeapInuse))
			}
			if err != nil {
				fmt.Fprint(w, n, err)
				return
			}
		}
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := http.NewRequest(http.MethodPost, "http://"+e.addr+"/", io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = size
	client := http.Client{Transport: testClient.Transport}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); string(b) != fmt.Sprint(int64(size), io.EOF) {
		t.Errorf("the upstream read %s", b)
	}
	grown := int64(most.Load()) - int64(before.HeapInuse)
	t.Logf("heap in use grew by at most %d KiB", grown>>10)
	if most.Load() == 0 || grown > 32<<20 {
		t.Errorf("heap in use grew by %d MiB during 2 GiB, want at most 32", grown>>20)
	}
}

func TestBodyOverTheLimit(t *testing.T) {
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	})
	c := oneSite(up)
	c.Sites[0].Limits.Body = 1000
	e := newEdge(t, Options{Config: c})
	chunked := func(n int) string {
		return fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", n, strings.Repeat("a", n))
	}
	for name, tc := range map[string][2]string{
		"announced, within": {"Content-Length: 1000\r\n\r\n" + strings.Repeat("a", 1000), "200"},
		"chunked, within":   {chunked(1000), "200"},
		"announced, over":   {"Content-Length: 1001\r\n\r\n" + strings.Repeat("a", 1001), "413"},
		"only announced":    {"Content-Length: 99999999999\r\n\r\n", "413"},
		"chunked, over":     {chunked(1001), "413"},
	} {
		answer := e.raw("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + tc[0])
		if !strings.HasPrefix(answer, "HTTP/1.1 "+tc[1]) {
			t.Errorf("%s: answered %.40q, want %s", name, answer, tc[1])
		}
	}
	for range 3 {
		if ev := <-e.events; ev.Status != 413 || ev.Reason != "body-length" || ev.Site != "shop" {
			t.Errorf("event %+v", ev)
		}
	}
}

// What the upstream makes of a body that stops short must not be that it is
// whole.
func TestBodyShorterThanAnnounced(t *testing.T) {
	for name, text := range map[string]string{
		"length":  "Content-Length: 100\r\n\r\nfirst",
		"chunked": "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
	} {
		seen := make(chan error, 1)
		up := upstreamServer(t, func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			seen <- err
		})
		e := newEdge(t, Options{Config: oneSite(up)})
		c, r := e.dial()
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\n"+text)
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(r)
		if strings.HasPrefix(string(answer), "HTTP/1.1 2") {
			t.Errorf("%s: answered %.40q", name, answer)
		}
		select {
		case err := <-seen:
			if err == nil {
				t.Errorf("%s: the upstream took the body for whole", name)
			}
		default: // never asked
		}
	}
}

// What comes after the announced length is a request of its own.
func TestBodyLongerThanAnnounced(t *testing.T) {
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Got", string(b))
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	answer := e.raw("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbodyand more\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 200") || one(answer, "X-Got") != "body" || strings.Count(answer, "HTTP/1.1 ") != 2 ||
		!strings.Contains(answer, "HTTP/1.1 400") {
		t.Errorf("answered %q", answer)
	}
}
