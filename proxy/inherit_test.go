package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// One server after the other serves a socket that is not theirs: whoever
// connects between two of them waits, and none is cut.
func TestInheritedSocketIsPassedOn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conf := oneSite(upstreamServer(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	conf.HTTP = []string{l.Addr().String()}
	stop := make(chan struct{})
	var visitors sync.WaitGroup
	var answered atomic.Int64
	for range 4 {
		visitors.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
				if b, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200 ") {
					t.Errorf("%q, %v", b, err)
				}
				_ = c.Close()
				answered.Add(1)
			}
		})
	}
	for range 20 {
		e := newEdge(t, Options{Config: conf, Inherited: []net.Listener{l}})
		if e.addr != l.Addr().String() {
			t.Fatalf("it serves %s", e.addr)
		}
		before := answered.Load()
		until(t, "visitors are served", func() bool { return answered.Load() > before+20 })
		e.stop()
		err := <-e.ended
		e.ended <- nil
		if err != nil {
			t.Fatal(err)
		}
	}
	// The last ones wait for a server that does not come.
	e := newEdge(t, Options{Config: conf, Inherited: []net.Listener{l}})
	close(stop)
	visitors.Wait()
	e.stop()
}

func TestInheritedSocketIsTheOneConfigured(t *testing.T) {
	for hostPort, want := range map[string]bool{
		"127.0.0.1:8080": false, ":80": true, "0.0.0.0:80": false, "[::]:80": true, "localhost:80": false, ":8080": false, ":http": false, "80": false,
	} {
		if got := bound((&net.TCPAddr{IP: net.IPv6unspecified, Port: 80}).AddrPort(), hostPort); got != want {
			t.Errorf("a socket on [::]:80 for %q: %v", hostPort, got)
		}
	}
	if at := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}).AddrPort(); !bound(at, "127.0.0.1:80") || bound(at, ":80") || bound(at, "127.0.0.2:80") {
		t.Error("a socket on one address")
	}
}
