package siege

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// mostGrowth is by how much one client may make the program grow, in bytes.
const mostGrowth = 128 << 20

// fuse is a header that is sent once and then named by a byte each time.
type fuse struct {
	field hpack.HeaderField
	times int

	first, again []byte // header blocks of a connection's first request and of all others
}

// fuses: larger than a head may be, and just small enough; one large field, many
// tiny ones, crumbs of a cookie; and few enough fields to be judged.
var fuses = []fuse{
	{field: hpack.HeaderField{Name: "x", Value: strings.Repeat("a", 4000)}, times: 1000},
	{field: hpack.HeaderField{Name: "x", Value: strings.Repeat("a", 4000)}, times: 15},
	{field: hpack.HeaderField{Name: "x", Value: "a"}, times: 16000},
	{field: hpack.HeaderField{Name: "x", Value: "a"}, times: 1500},
	{field: hpack.HeaderField{Name: "cookie", Value: "a=b"}, times: 16000},
	{field: hpack.HeaderField{Name: "cookie", Value: "a=b"}, times: 1200},
	{field: hpack.HeaderField{Name: "x", Value: strings.Repeat("a", 600)}, times: 90},
}

// light encodes the header blocks.
func (f *fuse) light() {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	encode := func() []byte {
		block.Reset()
		for _, f := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: site},
			{Name: ":path", Value: "/wait"}, {Name: "user-agent", Value: "Mozilla/5.0"}} {
			_ = enc.WriteField(f)
		}
		for range f.times {
			_ = enc.WriteField(f.field)
		}
		return bytes.Clone(block.Bytes())
	}
	f.first, f.again = encode(), encode()
}

// TestHeaderBomb has one client, on a line of 100 Mbit/s, name headers that are in the table, on every
// stream of as many connections as he gets, and take no answers.
func TestHeaderBomb(t *testing.T) {
	e := start(t, upstream(t))
	for i := range fuses {
		fuses[i].light()
	}
	if v := os.Getenv("FUSE"); v != "" {
		i, _ := strconv.Atoi(v)
		fuses = fuses[i : i+1]
	}
	const connections = 300
	line := &line{perSecond: 100e6 / 8}
	var requests, bytesSent, dialed atomic.Int64
	grown, times, failed := e.besiege(t, e.visitor("127.0.0.2"), func(stop <-chan struct{}) {
		var owned sync.WaitGroup
		for i := range connections {
			owned.Go(func() {
				for n := i; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					fuse := fuses[n%len(fuses)]
					if r, b, err := explode(e.https, fuse, line, stop); err == nil {
						dialed.Add(1)
						requests.Add(r)
						bytesSent.Add(b)
					}
					select { // or a refused client does nothing but dial
					case <-stop:
						return
					case <-time.After(50 * time.Millisecond):
					}
				}
			})
		}
		owned.Wait()
	})
	t.Logf("%s: %d connections, %d requests, %.1f MB sent; memory grew by %.1f MB", *duration, dialed.Load(), requests.Load(),
		float64(bytesSent.Load())/1e6, float64(grown)/1e6)
	if grown > mostGrowth {
		t.Errorf("memory grew by %d bytes, at most %d are allowed", grown, mostGrowth)
	}
	report(t, times, failed)
}

// line is the client's, of so many bytes a second.
type line struct {
	perSecond float64
	mu        sync.Mutex
	free      time.Time // when all that was sent has gone
}

func (l *line) wait(n int) {
	l.mu.Lock()
	now := time.Now()
	if l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(float64(n) / l.perSecond * float64(time.Second)))
	until := l.free
	l.mu.Unlock()
	time.Sleep(time.Until(until))
}

// report says how others fared, all of whom must be answered.
func report(t *testing.T, times []time.Duration, failed int) {
	t.Helper()
	slices.Sort(times)
	if len(times) > 0 {
		t.Logf("%d benign requests answered, %d not; median %s, p99 %s, longest %s", len(times), failed,
			times[len(times)/2], times[len(times)*99/100], times[len(times)-1])
	}
	if failed > 0 || len(times) == 0 {
		t.Errorf("%d benign requests were not answered", failed)
	}
}

// explode is one connection: as many requests as it takes, none of whose
// answers is taken.
func explode(addr string, fuse fuse, line *line, stop <-chan struct{}) (requests, sent int64, err error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", addr,
		&tls.Config{ServerName: site, InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		fr := http2.NewFramer(nil, conn)
		for {
			if _, err := fr.ReadFrame(); err != nil && !isStreamError(err) {
				return
			}
		}
	}()
	var out bytes.Buffer
	fr := http2.NewFramer(&out, nil)
	out.WriteString(http2.ClientPreface)
	_ = fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	flush := func() error {
		_ = conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
		line.wait(out.Len())
		n, err := out.WriteTo(conn)
		sent += n
		return err
	}
	for id := uint32(1); id < 2*2000; id += 2 {
		b := fuse.again
		if id == 1 {
			b = fuse.first
		}
		const frame = 16 << 10
		n := min(len(b), frame)
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b[:n], EndStream: true, EndHeaders: n == len(b)})
		for b = b[n:]; len(b) > 0; b = b[n:] {
			n = min(len(b), frame)
			_ = fr.WriteContinuation(id, n == len(b), b[:n])
		}
		if err := flush(); err != nil {
			return requests, sent, nil
		}
		requests++
		if requests%100 == 0 { // hold what is held for a while
			select {
			case <-stop:
				return requests, sent, nil
			case <-ended:
				return requests, sent, nil
			case <-time.After(500 * time.Millisecond):
			}
		}
	}
	select {
	case <-stop:
	case <-ended:
	case <-time.After(10 * time.Second):
	}
	return requests, sent, nil
}

func isStreamError(err error) bool {
	return strings.HasPrefix(fmt.Sprintf("%T", err), "http2.StreamError")
}
