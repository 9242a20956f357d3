package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/qorgan/qorgan/config"
)

const (
	maxHeldBody     = 32 << 10 // bytes of a body that goes out with its head, in one write
	maxEarly        = 5        // informational responses before the final one
	keepRequestHead = 8 << 10  // a larger buffer is given up after its request
)

// direct speaks plain HTTP/1.1 with one server on the goroutine of its caller:
// the request goes out in one write and the response is read where it is
// wanted. http.Transport spends two goroutines and their wake-ups on each
// connection, to read a response while a body is still being sent; nearly all
// requests have no body, or have it at hand once it was judged. What it does
// not fit ([direct.fits]) goes through the transport.
//
// Parsing and framing of responses are those of net/http.
type direct struct {
	addr     string // host:port
	dial     func(ctx context.Context, network, addr string) (net.Conn, error)
	timeouts config.Timeouts

	mu     sync.Mutex
	idle   []*link // the last one used last
	closed bool    // the server belongs to no current table
}

// fits reports whether r can be sent so.
func (d *direct) fits(c *Call) bool {
	r := c.Request
	if d == nil || len(r.Trailer) > 0 || r.Header["Upgrade"] != nil || r.Header["Expect"] != nil {
		return false
	}
	return r.Body == nil || c.Held && r.ContentLength > 0 && r.ContentLength <= maxHeldBody
}

// roundTrip sends c's request and reads the response's head. A connection that
// was kept and turns out dead before the response's first byte is replaced
// when the request may be repeated.
func (d *direct) roundTrip(c *Call) (*http.Response, error) {
	ctx := c.Request.Context()
	for {
		l := d.take()
		kept := l != nil
		if !kept {
			conn, err := d.dial(ctx, "tcp", d.addr)
			if err != nil {
				return nil, err
			}
			l = newLink(conn, d)
		}
		resp, err := l.exchange(ctx, c)
		if err == nil {
			return resp, nil
		}
		_ = l.Close()
		l.giveBack()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case kept && !l.answered && repeatable(c.Request) && !errors.Is(err, os.ErrDeadlineExceeded):
		default:
			return nil, err
		}
	}
}

// take returns a kept connection that is still good, nil when there is none.
func (d *direct) take() *link {
	for {
		d.mu.Lock()
		n := len(d.idle)
		if n == 0 {
			d.mu.Unlock()
			return nil
		}
		l := d.idle[n-1]
		d.idle[n-1] = nil
		d.idle = d.idle[:n-1]
		d.mu.Unlock()
		if time.Since(l.since) < idleConn && quiet(l.raw) {
			return l
		}
		_ = l.Close()
	}
}

// keep takes a connection back whose response was read to its end.
func (d *direct) keep(l *link) {
	l.since = time.Now()
	d.mu.Lock()
	full := d.closed || len(d.idle) >= maxIdlePerHost
	if !full {
		d.idle = append(d.idle, l)
	}
	d.mu.Unlock()
	if full {
		_ = l.Close()
	}
}

// sweep closes the connections that were kept for too long. The oldest are
// first.
func (d *direct) sweep(now time.Time) {
	d.mu.Lock()
	n := 0
	for n < len(d.idle) && now.Sub(d.idle[n].since) >= idleConn {
		_ = d.idle[n].Close()
		n++
	}
	kept := copy(d.idle, d.idle[n:])
	clear(d.idle[kept:])
	d.idle = d.idle[:kept]
	d.mu.Unlock()
}

// close keeps no connection from now on.
func (d *direct) close() {
	d.mu.Lock()
	d.closed = true
	for _, l := range d.idle {
		_ = l.Close()
	}
	d.idle = nil
	d.mu.Unlock()
}

// link is one connection to a server. One request uses it at a time.
type link struct {
	net.Conn
	raw      syscall.RawConn
	of       *direct
	r        *bufio.Reader // nil while it is kept
	out      []byte        // the request's head, and its body where that is at hand
	left     int           // what a response's head may still take, in bytes read
	since    time.Time     // kept since
	answered bool          // a byte of the response under way was seen
}

func newLink(c net.Conn, d *direct) *link {
	l := &link{Conn: c, of: d}
	if s, ok := c.(syscall.Conn); ok {
		l.raw, _ = s.SyscallConn() // without it, the connection serves one request
	}
	return l
}

// What is lent to links while a response is read: a reader while its head is
// awaited, which may be long and for many, and room for a whole small page when
// there is one, so that it is received and sent at once.
var (
	readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}
	rooms   = sync.Pool{New: func() any { b := make([]byte, 48<<10); return &b }}
)

var errManyEarly = errors.New("read response: too many informational responses")

var errLargeHead = fmt.Errorf("head of the response is larger than %d bytes", maxResponseHeader)

// Read implements io.Reader for the link's buffer.
func (l *link) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errLargeHead
	}
	n, err := l.Conn.Read(p)
	if n > 0 {
		l.answered = true
		l.left -= n
	}
	return n, err
}

// exchange writes the request and reads up to the head of its final response.
func (l *link) exchange(ctx context.Context, c *Call) (resp *http.Response, err error) {
	l.answered = false
	l.r = readers.Get().(*bufio.Reader)
	l.r.Reset(l)
	if l.out, err = appendRequest(l.out[:0], c.Request); err != nil {
		return nil, err
	}
	// Closing breaks reads and writes off, whatever their deadlines.
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	if err := l.SetDeadline(time.Now().Add(l.of.timeouts.Header)); err != nil {
		stop()
		return nil, fmt.Errorf("set deadline: %w", err)
	}
	_, writeErr := l.Write(l.out)
	if cap(l.out) > keepRequestHead {
		l.out = nil
	}
	// A server that had enough of the request may have answered all the same.
	if resp, err = l.head(c); err != nil {
		stop()
		if writeErr != nil {
			err = writeErr
		}
		return nil, err
	}
	if err := l.SetDeadline(time.Time{}); err != nil {
		stop()
		return nil, fmt.Errorf("clear deadline: %w", err)
	}
	good := writeErr == nil && !resp.Close
	if resp.Body == http.NoBody {
		l.end(stop() && good)
		return resp, nil
	}
	b := answerBody{ReadCloser: resp.Body, l: l, stop: stop, good: good}
	if resp.ContentLength > 0 {
		resp.Body = &sizedBody{answerBody: b, left: resp.ContentLength}
	} else {
		resp.Body = &b
	}
	return resp, nil
}

// head reads response heads until the final one.
func (l *link) head(c *Call) (*http.Response, error) {
	for range maxEarly + 1 {
		l.left = maxResponseHeader
		resp, err := http.ReadResponse(l.r, c.Request)
		if err != nil {
			return nil, fmt.Errorf("read response: %w", err)
		}
		switch {
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errors.New("read response: the server switched protocols unasked")
		case resp.StatusCode >= 200:
			l.left = int(^uint(0) >> 1)
			return resp, nil
		}
		if c.Early != nil {
			if err := c.Early(resp.StatusCode, textproto.MIMEHeader(resp.Header)); err != nil {
				return nil, err
			}
		}
	}
	return nil, errManyEarly
}

// end lets go of the connection: what follows a response is none of ours.
func (l *link) end(good bool) {
	good = good && l.r.Buffered() == 0
	l.giveBack()
	if good {
		l.of.keep(l)
		return
	}
	_ = l.Close()
}

// giveBack returns the lent reader.
func (l *link) giveBack() {
	l.r.Reset(nil)
	readers.Put(l.r)
	l.r = nil
}

// answerBody is a response's body. The connection is kept when it was read to
// its end, and closed otherwise.
type answerBody struct {
	io.ReadCloser
	l     *link // nil once the connection was let go
	stop  func() bool
	good  bool // the connection may be kept
	whole bool // the body was read to its end
}

// Read implements io.Reader.
func (b *answerBody) Read(p []byte) (int, error) {
	if b.l == nil {
		return 0, b.over()
	}
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.leave(err == io.EOF)
	}
	return n, err
}

// over is what reading gives once the connection was let go.
func (b *answerBody) over() error {
	if b.whole {
		return io.EOF
	}
	return http.ErrBodyReadAfterClose
}

// Close implements io.Closer. It reads nothing: net/http's own would read the
// rest.
func (b *answerBody) Close() error {
	b.leave(false)
	return nil
}

func (b *answerBody) leave(whole bool) {
	if b.l == nil {
		return
	}
	l := b.l
	b.l, b.whole = nil, whole
	l.end(b.stop() && whole && b.good) // a cancelled request's connection is closed
}

// sizedBody is a response's body whose length was announced. It reads the
// connection without net/http, and hands out what it received where it lies.
type sizedBody struct {
	answerBody
	left int64   // not yet read
	room *[]byte // lent, from the first Next on
}

// Read implements io.Reader.
func (b *sizedBody) Read(p []byte) (int, error) {
	switch l := b.l; {
	case l == nil:
		return 0, b.over()
	case b.left == 0:
		b.leave(true)
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	default:
		n, err := l.r.Read(p[:min(int64(len(p)), b.left)])
		return n, b.took(n, err)
	}
}

// took counts what was read, and says what an error means.
func (b *sizedBody) took(n int, err error) error {
	b.left -= int64(n)
	if err == nil {
		return nil
	}
	b.leave(false)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Next returns what of the body has arrived, at least one byte or an error;
// io.EOF at its end. The slice is good until the next call.
func (b *sizedBody) Next() ([]byte, error) {
	if b.l == nil || b.left == 0 {
		_, err := b.Read(nil)
		return nil, err
	}
	if b.room == nil {
		b.room = rooms.Get().(*[]byte)
	}
	room := (*b.room)[:min(int64(len(*b.room)), b.left)]
	n, err := b.l.r.Read(room)
	if err == nil && n < len(room) {
		n += arrived(b.l.raw, room[n:])
	}
	return room[:n], b.took(n, err)
}

// Close implements io.Closer.
func (b *sizedBody) Close() error {
	if b.room != nil {
		rooms.Put(b.room)
		b.room = nil
	}
	return b.answerBody.Close()
}
