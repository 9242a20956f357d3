package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qorgan/qorgan/config"
)

func TestSlowHeader(t *testing.T) {
	c := oneSite(upstreamServer(t, func(http.ResponseWriter, *http.Request) {}))
	c.Sites[0].Limits.HeaderTime = 200 * time.Millisecond
	e := newEdge(t, Options{Config: c})
	for name, text := range map[string]string{
		"nothing":            "",
		"part of the line":   "GET / HT",
		"headers, never all": "GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n",
	} {
		answer := e.raw(text) // returns when the edge closes
		if answer != "" && !strings.HasPrefix(answer, "HTTP/1.1 408") && !strings.HasPrefix(answer, "HTTP/1.1 400") {
			t.Errorf("%s: answered %.40q", name, answer)
		}
	}
	// Dripping does not renew the time: the connection ends under the drip.
	sock, r := e.dial()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, r)
	}()
	io.WriteString(sock, "GET / HTTP/1.1\r\nHost: a\r\n")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		select {
		case <-ended:
			return
		case <-tick.C:
			io.WriteString(sock, "a")
		}
	}
	t.Error("a dripping head holds its connection for ten seconds")
}

// After the grace a body must keep the minimum rate.
func TestSlowBody(t *testing.T) {
	if testing.Short() {
		t.Skip("waits out the grace of ten seconds")
	}
	t.Parallel()
	reading := make(chan error, 1)
	up := upstreamServer(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		reading <- err
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	c, r := e.dial()
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
	stop := make(chan struct{})
	go func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				io.WriteString(c, "a")
			}
		}
	}()
	answer, err := io.ReadAll(r)
	close(stop)
	if os.IsTimeout(err) {
		t.Errorf("the connection stays open: %v", err)
	}
	if !strings.HasPrefix(string(answer), "HTTP/1.1 408") {
		t.Errorf("answered %.60q, want 408", answer)
	}
	if err := <-reading; err == nil {
		t.Error("the upstream took the body for whole")
	}
}

// An answer that needs no body frees the connection of a visitor who drips it.
func TestDrippingBodyNobodyReads(t *testing.T) {
	up := rawUpstream(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := readHead(r); err == nil {
			io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
			_, _ = io.Copy(io.Discard, r)
		}
	})
	refused := oneSite(up)
	refused.Sites[0].Limits.Body = 500
	for name, c := range map[string]*config.Config{"403": oneSite(up), "413": refused} {
		e := newEdge(t, Options{Config: c})
		sock, r := e.dial()
		io.WriteString(sock, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
		stop := make(chan struct{})
		var dripping sync.WaitGroup
		dripping.Go(func() {
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
					io.WriteString(sock, "a")
				}
			}
		})
		answer, err := io.ReadAll(r)
		close(stop)
		dripping.Wait()
		if os.IsTimeout(err) {
			t.Errorf("%s: the connection stays open", name)
		}
		if !strings.HasPrefix(string(answer), "HTTP/1.1 "+name) {
			t.Errorf("answered %.60q, want %s", answer, name)
		}
	}
}

// A visitor who reads slowly gets everything; the upstream's answer is not
// piled up meanwhile.
func TestSlowReader(t *testing.T) {
	const size = 64 << 20
	written := make(chan int64, 1)
	progress := make(chan int64, 1000)
	up := upstreamServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "67108864")
		var n int64
		buf := make([]byte, 1<<20)
		for n < size {
			m, err := w.Write(buf)
			n += int64(m)
			progress <- n
			if err != nil {
				break
			}
		}
		written <- n
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	c, r := e.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if _, err := readHead(r); err != nil {
		t.Fatal(err)
	}
	// The visitor takes nothing; the upstream comes to a stop.
	quiet := time.NewTimer(time.Second)
	defer quiet.Stop()
	var sent int64
	for stalled := false; !stalled; {
		select {
		case sent = <-progress:
			quiet.Reset(time.Second)
		case <-quiet.C:
			stalled = true
		}
	}
	if sent > size/2 {
		t.Errorf("the upstream could write %d MiB to a visitor who takes nothing", sent>>20)
	}
	if n, err := io.Copy(io.Discard, r); err != nil || n != size {
		t.Errorf("the visitor read %d of %d bytes, %v", n, size, err)
	}
	if n := <-written; n != size {
		t.Errorf("the upstream wrote %d", n)
	}
}
