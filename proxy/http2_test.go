package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/qorgan/qorgan/config"
)

// What one hostile HTTP/2 client can do to the edge. In every test the edge
// goes on answering others, and its memory grows by no more than the bound.

const (
	growthBound = 96 << 20
	heldBound   = 8 << 20 // by one connection, after a collection
)

// secureEdge is an edge with HTTPS in front of an upstream, and a client that
// trusts it.
func secureEdge(t *testing.T, h http.HandlerFunc) (*edge, *tls.Config) {
	t.Helper()
	return secureEdgeOf(t, func(*config.Config) {}, h)
}

// secureEdgeOf is secureEdge with a configuration of the test's.
func secureEdgeOf(t *testing.T, change func(*config.Config), h http.HandlerFunc, rooms ...func(http.Handler) http.Handler) (*edge, *tls.Config) {
	t.Helper()
	borrowed := httptest.NewUnstartedServer(nil) // for its certificate
	borrowed.StartTLS()
	t.Cleanup(borrowed.Close)
	conf := oneSite(upstreamServer(t, h))
	conf.HTTPS = []string{"127.0.0.1:0"}
	change(conf)
	e := newEdge(t, Options{Config: conf, TLS: &tls.Config{Certificates: borrowed.TLS.Certificates}, Middleware: rooms})
	trust := borrowed.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	trust.ServerName = "example.com"
	return e, trust
}

// hostile is an HTTP/2 connection of which every frame is ours to choose.
type hostile struct {
	*http2.Framer
	conn   *tls.Conn
	out    bytes.Buffer
	enc    *hpack.Encoder
	block  bytes.Buffer
	goAway atomic.Uint32 // the error code and one
	acks   chan struct{} // closed when the edge answered a ping, or ended the connection
	read   sync.WaitGroup
}

// attack connects with the given settings. Unless deaf, it reads what comes.
func attack(t *testing.T, addr string, trust *tls.Config, deaf bool, settings ...http2.Setting) *hostile {
	t.Helper()
	conf := trust.Clone()
	conf.NextProtos = []string{"h2"}
	c, err := tls.Dial("tcp", addr, conf)
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{conn: c, acks: make(chan struct{})}
	t.Cleanup(func() {
		_ = c.Close()
		h.read.Wait()
	})
	_ = c.SetDeadline(time.Now().Add(60 * time.Second))
	h.Framer = http2.NewFramer(&h.out, c)
	h.AllowIllegalWrites = true
	h.enc = hpack.NewEncoder(&h.block)
	h.out.WriteString(http2.ClientPreface)
	if err := h.WriteSettings(settings...); err != nil {
		t.Fatal(err)
	}
	if err := h.flush(); err != nil {
		t.Fatal(err)
	}
	if !deaf {
		h.read.Go(func() {
			answered := sync.OnceFunc(func() { close(h.acks) })
			defer answered()
			for {
				f, err := h.ReadFrame()
				if p, ok := f.(*http2.PingFrame); ok && p.IsAck() {
					answered()
				}
				if g, ok := f.(*http2.GoAwayFrame); ok {
					h.goAway.Store(uint32(g.ErrCode) + 1)
				}
				if err != nil && !errors.As(err, new(http2.StreamError)) {
					return
				}
			}
		})
	}
	return h
}

// flush sends the frames written so far.
func (h *hostile) flush() error {
	_, err := h.out.WriteTo(h.conn)
	return err
}

// fields encodes a request's header block with extra fields.
func (h *hostile) fields(path string, extra ...hpack.HeaderField) []byte {
	h.block.Reset()
	for _, f := range append([]hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"},
		{Name: ":authority", Value: "example.com"}, {Name: ":path", Value: path}}, extra...) {
		_ = h.enc.WriteField(f)
	}
	return h.block.Bytes()
}

// request writes a header block in as many frames as it needs.
func (h *hostile) request(id uint32, block []byte) {
	const frame = 16 << 10
	n := min(len(block), frame)
	_ = h.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block[:n], EndStream: true, EndHeaders: n == len(block)})
	for block = block[n:]; len(block) > 0; block = block[n:] {
		n = min(len(block), frame)
		_ = h.WriteContinuation(id, n == len(block), block[:n])
	}
}

// ended waits until the edge has ended the connection.
func (h *hostile) ended() { h.read.Wait() }

// settled waits until the edge has read everything that was sent, or has ended
// the connection.
func (h *hostile) settled() {
	_ = h.WritePing(false, [8]byte{})
	_ = h.flush()
	<-h.acks
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// grown runs do and returns by how much the heap grew at most meanwhile.
func grown(do func()) uint64 {
	runtime.GC()
	before, peak := heap(), uint64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			peak = max(peak, heap())
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	do()
	close(stop)
	<-stopped
	return max(peak, before) - before
}

// dialElsewhere connects from another address of this machine than the attack,
// where the system has one.
func dialElsewhere(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	if c, err := d.DialContext(ctx, network, addr); err == nil {
		return c, nil
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// benign asks over HTTP/2 and over plain HTTP.
func (e *edge) benign(t *testing.T, trust *tls.Config) {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true, DialContext: dialElsewhere}
	defer tr.CloseIdleConnections()
	for _, u := range []string{"https://" + e.secure + "/ok", "http://" + e.addr + "/ok"} {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := tr.RoundTrip(r)
		if err != nil {
			t.Errorf("a benign request to %s: %v", u, err)
			cancel()
			continue
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
			t.Errorf("a benign request to %s: %s, %v", u, resp.Status, err)
		}
		_ = resp.Body.Close()
		cancel()
	}
}

func bounded(t *testing.T, growth uint64) {
	t.Helper()
	t.Logf("memory grew by %.1f MB", float64(growth)/1e6)
	if growth > growthBound {
		t.Errorf("memory grew by %d bytes", growth)
	}
}

// waiter is an upstream that answers /ok at once and everything else when its
// visitor leaves. It counts.
type waiter struct{ now, most, all atomic.Int64 }

func (u *waiter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ok" {
		_, _ = io.WriteString(w, "ok")
		return
	}
	u.all.Add(1)
	n := u.now.Add(1)
	defer u.now.Add(-1)
	for m := u.most.Load(); n > m && !u.most.CompareAndSwap(m, n); m = u.most.Load() {
	}
	<-r.Context().Done()
}

func TestRow41RapidReset(t *testing.T) {
	var up waiter
	e, trust := secureEdge(t, up.ServeHTTP)
	h := attack(t, e.secure, trust, false)
	sent := 0
	growth := grown(func() {
		for id := uint32(1); id < 2*50000; id += 2 {
			_ = h.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: h.fields("/wait"), EndStream: true, EndHeaders: true})
			_ = h.WriteRSTStream(id, http2.ErrCodeCancel)
			if id%200 == 1 {
				if h.flush() != nil {
					break
				}
			}
			sent++
		}
		e.benign(t, trust)
		h.settled()
	})
	t.Logf("%d resets sent, %d requests reached the upstream, %d at once, GOAWAY %d", sent, up.all.Load(), up.most.Load(), h.goAway.Load())
	if up.most.Load() > 2*h2Streams {
		t.Errorf("%d requests at the upstream at once", up.most.Load())
	}
	bounded(t, growth)
}

func TestRow42ContinuationFlood(t *testing.T) {
	var up waiter
	e, trust := secureEdge(t, up.ServeHTTP)
	h := attack(t, e.secure, trust, false)
	sent := 0
	growth := grown(func() {
		_ = h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: h.fields("/wait")})
		block := h.fields("/", hpack.HeaderField{Name: "x", Value: strings.Repeat("a", 15000), Sensitive: true})
		for h.flush() == nil && sent < 256<<20 {
			_ = h.WriteContinuation(1, false, block)
			sent += len(block)
		}
		h.ended()
		e.benign(t, trust)
	})
	t.Logf("%d bytes sent", sent)
	if sent >= 256<<20 {
		t.Error("the flood was taken to its end")
	}
	bounded(t, growth)
}

func TestRow43ControlFrameFloods(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	for _, tc := range []struct {
		name     string
		answered bool // by a frame each
		write    func(*hostile) error
	}{
		{"settings", true, func(h *hostile) error {
			return h.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
		}},
		{"ping", true, func(h *hostile) error { return h.WritePing(false, [8]byte{1}) }},
		{"unknown", false, func(h *hostile) error { return h.WriteRawFrame(0xbb, 0, 0, []byte("12345678")) }},
		{"priority", false, func(h *hostile) error { return h.WritePriority(1, http2.PriorityParam{StreamDep: 3}) }},
		{"window", false, func(h *hostile) error { return h.WriteWindowUpdate(0, 1) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var up waiter
			e, trust := secureEdge(t, up.ServeHTTP)
			h := attack(t, e.secure, trust, true)
			sent, err := 0, error(nil)
			growth := grown(func() {
				for range 100 {
					_ = tc.write(h)
				}
				frames := bytes.Clone(h.out.Bytes())
				h.out.Reset()
				_ = h.conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
				for sent < 5e6 && err == nil {
					_, err = h.conn.Write(frames)
					sent += 100
				}
				e.benign(t, trust)
			})
			t.Logf("%d frames sent, then %v", sent, err)
			// A deaf client's answers fill the socket. From then on the edge
			// must not queue them without end.
			if tc.answered && err == nil {
				t.Error("the flood was taken to its end")
			}
			bounded(t, growth)
		})
	}
}

// A header that is sent once and named by one byte many times over, on every
// stream the client may open, while the upstream does not answer.
func TestRow42HeaderCompressionBomb(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	for _, tc := range []struct {
		name  string
		field hpack.HeaderField
		times int
	}{
		{"large", hpack.HeaderField{Name: "x", Value: strings.Repeat("a", 4000)}, 1000},
		{"tiny", hpack.HeaderField{Name: "x", Value: "a"}, 16000},
		{"tiny that fit", hpack.HeaderField{Name: "x", Value: "a"}, 1500},
		{"crumbs", hpack.HeaderField{Name: "cookie", Value: "a=b"}, 16000},
		{"crumbs that fit", hpack.HeaderField{Name: "cookie", Value: "a=b"}, 1200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var up waiter
			e, trust := secureEdge(t, up.ServeHTTP)
			const conns = 4
			var held uint64
			runtime.GC()
			before := heap()
			growth := grown(func() {
				for range conns {
					h := attack(t, e.secure, trust, false, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
					extra := make([]hpack.HeaderField, tc.times)
					for i := range extra {
						extra[i] = tc.field
					}
					first := bytes.Clone(h.fields("/wait", extra...))
					again := bytes.Clone(h.fields("/wait", extra...)) // every field by its place in the table
					if tc.field.Value != "" && len(again) > tc.times+4000 {
						t.Errorf("%d bytes for %d fields", len(again), tc.times)
					}
					for n := range uint32(4 * h2Streams) {
						block := again
						if n == 0 {
							block = first
						}
						h.request(2*n+1, block)
						if h.flush() != nil {
							break
						}
					}
					h.settled()
				}
				e.benign(t, trust)
				runtime.GC()
				held = max(heap(), before) - before
			})
			t.Logf("%d requests at the upstream, which is in this process too; a connection holds %.1f MB", up.most.Load(), float64(held)/conns/1e6)
			if held > conns*heldBound {
				t.Errorf("%d connections hold %d bytes", conns, held)
			}
			bounded(t, growth)
		})
	}
}

// Readers that ask for much and take nothing.
func TestRow43ZeroWindowReaders(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	var now, written atomic.Int64
	e, trust := secureEdge(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ok" {
			_, _ = io.WriteString(w, "ok")
			return
		}
		now.Add(1)
		defer now.Add(-1)
		for range 160 { // 10 MB
			n, err := w.Write(chunk)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	const conns = 2 // more readers one client may not have
	growth := grown(func() {
		for range conns {
			h := attack(t, e.secure, trust, false, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			for n := range uint32(h2Streams) {
				_ = h.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*n + 1, BlockFragment: h.fields("/big"), EndStream: true, EndHeaders: true})
			}
			if err := h.flush(); err != nil {
				t.Error(err)
			}
		}
		for began := time.Now(); now.Load() < conns*h2Streams && time.Since(began) < 10*time.Second; {
			e.benign(t, trust)
		}
	})
	t.Logf("%d readers, the upstream wrote %.1f MB", now.Load(), float64(written.Load())/1e6)
	bounded(t, growth)
}
