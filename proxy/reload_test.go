package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qorgan/qorgan/config"
)

// sameAddress returns a configuration that keeps the edge's own address.
func sameAddress(c *config.Config, upstreams ...string) *config.Config {
	next := *c
	next.Sites = oneSite(upstreams...).Sites
	return &next
}

// Connections are kept alive by their clients over all reloads; a dropped
// request or a reset connection is an error of one of them.
func TestReloadUnderLoadDropsNothing(t *testing.T) {
	answer := func(name string) string {
		return upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			fmt.Fprint(w, name, " ", len(b), " ", err)
		})
	}
	one, two := answer("one"), answer("two")
	c := oneSite(one)
	e := newEdge(t, Options{Config: c})

	var stop atomic.Bool
	var answered, broken atomic.Int64
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			conn, err := net.Dial("tcp", e.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(60 * time.Second))
			r := bufio.NewReader(conn)
			for !stop.Load() {
				io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n"+strings.Repeat("a", 3000))
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					broken.Add(1)
					t.Errorf("after %d answers: %v", answered.Load(), err)
					return
				}
				b, err := io.ReadAll(resp.Body)
				if got := string(b); err != nil || resp.StatusCode != 200 || got != "one 3000 <nil>" && got != "two 3000 <nil>" {
					broken.Add(1)
					t.Errorf("answered %d %q, %v", resp.StatusCode, got, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	for i := range 100 {
		next := sameAddress(c, one)
		if i%2 == 0 {
			next = sameAddress(c, two)
		}
		if err := e.Reload(next); err != nil {
			t.Error(err)
		}
		// Requests are answered between any two reloads.
		for seen := answered.Load(); answered.Load() < seen+10 && broken.Load() == 0; {
			if _, body := e.get("/"); !strings.HasSuffix(body, " 0 <nil>") {
				t.Errorf("a new connection was answered %q", body)
			}
		}
	}
	stop.Store(true)
	clients.Wait()
}

func TestReloadChangesTheUpstream(t *testing.T) {
	c := oneSite(named(t, "old"))
	e := newEdge(t, Options{Config: c})
	if _, body := e.get("/"); body != "old" {
		t.Fatalf("before: %q", body)
	}
	if err := e.Reload(sameAddress(c, named(t, "new"))); err != nil {
		t.Fatal(err)
	}
	if _, body := e.get("/"); body != "new" {
		t.Errorf("after: %q", body)
	}
}

// A request keeps the table it began with.
func TestRequestUnderWayOutlivesReload(t *testing.T) {
	arrived, goOn := make(chan struct{}), make(chan struct{})
	old := upstreamServer(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "first ")
		_ = http.NewResponseController(w).Flush()
		close(arrived)
		<-goOn
		io.WriteString(w, "last")
	})
	c := oneSite(old)
	e := newEdge(t, Options{Config: c})
	conn, r := e.dial()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	<-arrived
	retired := e.table.Load()
	if err := e.Reload(sameAddress(c, named(t, "new"))); err != nil {
		t.Fatal(err)
	}
	if retired.refs.Load() != 1 {
		t.Errorf("the replaced table has %d users, want the one request", retired.refs.Load())
	}
	close(goOn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "first last" {
		t.Errorf("read %q, %v", b, err)
	}
}

func TestBadReloadLeavesTheOldTable(t *testing.T) {
	up := named(t, "old")
	c := oneSite(up)
	e := newEdge(t, Options{Config: c})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()

	noSite, noUpstream, twice, noTLS, busy := sameAddress(c), sameAddress(c), sameAddress(c, up), sameAddress(c, up), sameAddress(c, named(t, "new"))
	noSite.Sites = nil
	twice.Sites = append(twice.Sites, newSite("other", []string{"*"}, up))
	noTLS.HTTPS = []string{"127.0.0.1:0"}
	busy.HTTP = []string{"localhost:0", taken.Addr().String()}
	for want, bad := range map[string]*config.Config{
		"no site is configured":           noSite,
		"no upstream is configured":       noUpstream,
		"already belongs to site shop":    twice,
		"need a source of certificates":   noTLS,
		"another process holds this port": busy,
	} {
		before := e.table.Load()
		if err := e.Reload(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		if e.table.Load() != before {
			t.Errorf("%s: the table was changed", want)
		}
		if plain, _ := e.Addrs(); len(plain) != 1 || plain[0].String() != e.addr {
			t.Errorf("%s: listens on %v", want, plain)
		}
		if _, body := e.get("/"); body != "old" {
			t.Errorf("%s: answered %q", want, body)
		}
	}
}

func TestReloadMovesListeners(t *testing.T) {
	c := oneSite(named(t, "site"))
	e := newEdge(t, Options{Config: c})
	idle, r := e.dial() // a kept connection stays, whatever becomes of its listener

	more := sameAddress(c)
	more.Sites = c.Sites
	more.HTTP = []string{"127.0.0.1:0", "localhost:0"}
	if err := e.Reload(more); err != nil {
		t.Fatal(err)
	}
	plain, _ := e.Addrs()
	if len(plain) != 2 || plain[0].String() != e.addr {
		t.Fatalf("listens on %v, want %s and another", plain, e.addr)
	}
	moved := *more
	moved.HTTP = []string{"localhost:0"}
	if err := e.Reload(&moved); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", e.addr); err == nil {
		conn.Close()
		t.Error("the old address still accepts")
	}
	io.WriteString(idle, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 200 {
		t.Errorf("on a connection of the closed listener: %v, %v", resp, err)
	}
	e.addr = plain[1].String()
	if _, body := e.get("/"); body != "site" {
		t.Errorf("the new address answered %q", body)
	}
}
