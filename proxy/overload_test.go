package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/qorgan/qorgan/config"
)

// until asks again and again until ok.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(20 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("waited in vain until ", what)
		}
	}
}

// Connections kept open go first, then bodies, then everything.
func TestShortMemoryGivesUpInOrder(t *testing.T) {
	var used atomic.Int64
	e := newEdge(t, Options{Config: oneSite(upstreamServer(t, func(http.ResponseWriter, *http.Request) {})),
		Pressure: func() float64 { return float64(used.Load()) / 100 }})
	ask := func(request string) string {
		c, r := e.dial()
		defer c.Close()
		fmt.Fprint(c, request)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode == 503 && (resp.Header.Get("Retry-After") != "5" || len(body) == 0) {
			t.Errorf("a refusal without Retry-After: %v", resp.Header)
		}
		return fmt.Sprint(resp.StatusCode, " ", resp.Close)
	}
	const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na"
	for _, tc := range []struct {
		used      int64
		get, post string
	}{
		{50, "200 false", "200 false"}, {86, "200 true", "200 true"}, {93, "200 true", "503 true"}, {96, "503 true", "503 true"}, {50, "200 false", "200 false"},
	} {
		used.Store(tc.used)
		until(t, fmt.Sprint(tc), func() bool { return ask(get) == tc.get && ask(post) == tc.post })
	}
	if len(e.events) > 0 {
		t.Error("an event for a visitor who did nothing wrong")
	}
}

// One site's slow upstream takes its share of the places and no more.
func TestSlowUpstreamLeavesPlacesToOtherSites(t *testing.T) {
	release := make(chan struct{})
	var waiting atomic.Int64
	slow := upstreamServer(t, func(_ http.ResponseWriter, r *http.Request) {
		waiting.Add(1)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	quick := upstreamServer(t, func(http.ResponseWriter, *http.Request) {})
	c := oneSite(quick)
	c.Sites = []*config.Site{newSite("quick", []string{"quick"}, quick), newSite("slow", []string{"slow"}, slow)}
	c.Capacity.Requests = 8
	e := newEdge(t, Options{Config: c})
	const asked = 20
	statuses := make(chan int, asked)
	for range asked {
		sock, r := e.dial()
		io.WriteString(sock, "GET / HTTP/1.1\r\nHost: slow\r\nConnection: close\r\n\r\n")
		go func() {
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				statuses <- 0
				return
			}
			resp.Body.Close()
			statuses <- resp.StatusCode
		}()
	}
	refused := 0
	for range asked - 4 {
		if status := <-statuses; status == 503 {
			refused++
		} else {
			t.Errorf("answered %d", status)
		}
	}
	if waiting.Load() != 4 {
		t.Errorf("the slow upstream holds %d requests of 8 places", waiting.Load())
	}
	for range 10 {
		if resp, _ := e.get("/", "Host", "quick"); resp.StatusCode != 200 {
			t.Errorf("the other site is answered %d", resp.StatusCode)
		}
	}
	close(release)
	for range 4 {
		if status := <-statuses; status != 200 {
			t.Errorf("a request under way is answered %d", status)
		}
	}
	if got := e.metric("qorgan_overload_refused_total", "site"); got != float64(refused) {
		t.Errorf("%v refusals counted, want %d", got, refused)
	}
}

// metric reads a counter by the value of its only label.
func (e *edge) metric(name, label string) float64 {
	e.t.Helper()
	families, err := e.metrics.registry.Gather()
	if err != nil {
		e.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if len(m.GetLabel()) == 0 || m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

// What is held of bodies is bounded, announced or not.
func TestBodiesUnderWayAreBounded(t *testing.T) {
	c := oneSite(upstreamServer(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	c.Capacity.Bodies = 1 << 20
	e := newEdge(t, Options{Config: c})
	first, r := e.dial()
	body := strings.Repeat("a", 1<<20-10)
	fmt.Fprintf(first, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", 1<<20, body)
	until(t, "the first is held", func() bool { return e.metric("qorgan_bodies_held_bytes", "") >= 1<<20-10 })
	for name, request := range map[string]string{
		"announced": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n" + strings.Repeat("b", 20),
		"chunked":   "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n" + strings.Repeat("b", 20) + "\r\n0\r\n\r\n",
	} {
		if answer := e.raw(request); !strings.HasPrefix(answer, "HTTP/1.1 503 ") || !strings.Contains(answer, "Retry-After: 5\r\n") {
			t.Errorf("%s: answered %.100q", name, answer)
		}
	}
	if resp, _ := e.get("/"); resp.StatusCode != 200 {
		t.Errorf("a request without a body is answered %d", resp.StatusCode)
	}
	io.WriteString(first, strings.Repeat("a", 10))
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 200 {
		t.Errorf("the first: %v, %v", resp, err)
	}
	until(t, "nothing is held", func() bool { return e.metric("qorgan_bodies_held_bytes", "") == 0 })
}

// dialFrom connects from another address of this machine.
func (e *edge) dialFrom(addr string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}, Timeout: 10 * time.Second}
	c, err := d.Dial("tcp", e.addr)
	if err == nil {
		e.t.Cleanup(func() { c.Close() })
	}
	return c, err
}

func TestOneClientHasSoManyConnections(t *testing.T) {
	c := oneSite(upstreamServer(t, func(http.ResponseWriter, *http.Request) {}))
	c.Capacity.ClientConnections = 4
	e := newEdge(t, Options{Config: c})
	for range 4 {
		sock, r := e.dial()
		io.WriteString(sock, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if _, err := http.ReadResponse(r, nil); err != nil {
			t.Fatal(err)
		}
	}
	sock, r := e.dial()
	io.WriteString(sock, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if resp, err := http.ReadResponse(r, nil); err == nil {
		t.Errorf("a fifth connection is answered %d", resp.StatusCode)
	}
	other, err := e.dialFrom("127.0.0.7")
	if err != nil {
		t.Skip("this machine lets nobody connect from 127.0.0.7")
	}
	io.WriteString(other, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if answer, _ := io.ReadAll(other); !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		t.Errorf("another client is answered %.40q", answer)
	}
}

// A herd that never ends its heads or handshakes fills every place there is;
// who asks properly is answered all the same.
func TestHerdOfSlowHeadsMakesRoom(t *testing.T) {
	e, trust := secureEdgeOf(t, func(c *config.Config) { c.Capacity.Connections = 50 },
		func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	until(t, "the herd fills every place", func() bool {
		for i := range 20 {
			addr, opening := e.addr, "GET / HTTP/1.1\r\nHost: a\r\nX-"
			if i%2 == 1 {
				addr, opening = e.secure, "\x16\x03\x01"
			}
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			io.WriteString(c, opening)
		}
		return e.metric("qorgan_overload_refused_total", "connections") > 0
	})
	until(t, "those that waited make room", func() bool {
		resp, err := testClient.Get("http://" + e.addr + "/ok")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == 200
	})
	e.benign(t, trust)
	if e.metric("qorgan_connections_shed_total", "") < 1 {
		t.Error("nobody made room")
	}
}

// Visitors who ask for much and take nothing hold every place; one of them goes
// when somebody comes who takes his answer.
func TestSlowReadersMakeRoom(t *testing.T) {
	if testing.Short() {
		t.Skip("waits until the readers have waited")
	}
	t.Parallel()
	chunk := make([]byte, 1<<20)
	c := oneSite(upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ok" {
			return
		}
		for range 64 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	c.Capacity.Requests = 8
	e := newEdge(t, Options{Config: c})
	for range 8 {
		sock, _ := e.dial()
		io.WriteString(sock, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	until(t, "every place is taken", func() bool { return e.load.Requests() >= 8 })
	if resp, _ := e.get("/ok"); resp.StatusCode != 503 {
		t.Errorf("answered %d while every reader may still be reading", resp.StatusCode)
	}
	until(t, "a reader who takes nothing makes room", func() bool {
		resp, _ := e.get("/ok")
		return resp.StatusCode == 200
	})
}

// A client that takes back what it asks for, again and again, is let go.
func TestRow41RapidResetEndsTheConnection(t *testing.T) {
	var up waiter
	e, trust := secureEdge(t, up.ServeHTTP)
	h := attack(t, e.secure, trust, false)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.ended()
	}()
	var sent int64
	for id := uint32(1); id < 1<<20; id += 2 {
		_ = h.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: h.fields("/wait"), EndStream: true, EndHeaders: true})
		if h.flush() != nil {
			break
		}
		sent++
		// Slow enough for each to reach the upstream before it is taken back.
		for up.all.Load() < sent {
			select {
			case <-ended:
				t.Logf("ended after %d", sent)
				e.benign(t, trust)
				return
			default:
			}
		}
		_ = h.WriteRSTStream(id, http2.ErrCodeCancel)
		if sent > 2*resetBurst {
			break
		}
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Errorf("%d resets, and the connection is still open", sent)
	}
}
