package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Limits bounds heads. A zero field means its default.
type Limits struct {
	Line   int           // bytes of the request line; 16 KiB
	Head   int           // bytes of request line and header lines together; 64 KiB
	Fields int           // header lines; 100
	Time   time.Duration // for a head, from its first byte, a connection's first from its acceptance; 10 s
	Rate   int           // bytes a second that a head which takes longer must keep up, on the average; 500
}

func (l Limits) withDefaults() Limits {
	if l.Line <= 0 {
		l.Line = 16 << 10
	}
	if l.Head <= 0 {
		l.Head = 64 << 10
	}
	if l.Fields <= 0 {
		l.Fields = 100
	}
	if l.Time <= 0 {
		l.Time = 10 * time.Second
	}
	if l.Rate <= 0 {
		l.Rate = 500
	}
	return l
}

const (
	bufferBytes = 2 << 10  // for reading, when nothing needs more
	keepBytes   = 8 << 10  // a larger buffer is given up when it is empty
	holdBytes   = 16 << 10 // what a client may send before its Upgrade is answered
)

type state int

const (
	inHead   state = iota
	inBody         // of a known length
	inChunks       // of a chunked body
	onHold         // after a request with Upgrade, until it is answered
	tunnel         // after a switch of protocols
	ended          // after a refusal
)

// Conn is an HTTP/1.x connection whose Read gives net/http only requests that
// have one reading. Make one with [NewConn].
type Conn struct {
	net.Conn
	limits Limits

	// What only Read touches.
	state  state
	buf    []byte // buf[r:w] was received and not looked at, or held back
	r, w   int
	ready  []byte // to hand over next; a part of buf before r, or not of buf
	scan   scan
	left   int64 // of a body of known length
	chunks chunks
	head   Head // the last one handed over
	waste  int  // bytes read and thrown away after a refusal

	mu       sync.Mutex
	queue    [2]queued // heads handed over, not yet asked for
	waiting  int
	deadline time.Time // for reading, as the server set it
	headBy   time.Time // for the head under way; zero when not enforced
	headFrom time.Time // when that began

	watch  watch
	gather gather // what only the goroutine that writes touches

	broken   atomic.Pointer[Refusal] // of a body
	refused  atomic.Bool
	answered atomic.Bool // something was written after the refusal
}

type queued struct {
	head    Head
	refusal *Refusal
}

// NewConn wraps a connection that will speak HTTP/1.x: a plain one, or a
// *tls.Conn after its handshake.
func NewConn(c net.Conn, l Limits) *Conn {
	k := &Conn{Conn: c, limits: l.withDefaults()}
	k.headFrom = time.Now()
	k.headBy = k.headFrom.Add(k.limits.Time)
	return k
}

// NetConn returns the connection under this one.
func (c *Conn) NetConn() net.Conn { return c.Conn }

type connKey struct{}

// ConnContext is an http.Server's ConnContext: it lets [FromContext] find the
// connection of a request.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if w, ok := c.(*Conn); ok {
		return context.WithValue(ctx, connKey{}, w)
	}
	return ctx
}

// FromContext returns the connection of a request, and nil when it did not come
// over one of this package (HTTP/2).
func FromContext(ctx context.Context) *Conn {
	c, _ := ctx.Value(connKey{}).(*Conn)
	return c
}

// Next returns the head of the request being handled, or why it was refused.
// The handler calls it once a request, at its beginning.
func (c *Conn) Next() (Head, *Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == 0 {
		return Head{}, refusal(HeadUnaccountable, nil)
	}
	q := c.queue[0]
	c.queue[0], c.queue[1] = c.queue[1], queued{}
	c.waiting--
	return q.head, q.refusal
}

// BodyErr returns why the body being read was refused, nil when it was not.
// It is set before the Read of the body that fails.
func (c *Conn) BodyErr() *Refusal { return c.broken.Load() }

var errNoSwitch = errors.New("tunnel: the request under way does not ask to switch protocols, or its body was not read")

// Tunnel lets all further bytes pass as they come. It is called after the
// connection was hijacked to switch protocols, and before it is read again. It
// fails, and the connection must then be closed, when the request did not ask
// for a switch.
func (c *Conn) Tunnel() error {
	if c.state != onHold || len(c.ready) > 0 {
		return errNoSwitch
	}
	c.state = tunnel
	return nil
}

// Read implements net.Conn for net/http.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	// While a handler runs and the body is read, net/http watches for the
	// client's going away by reading a single byte. All other reads of a head
	// mean that the handler before has ended.
	watching := len(p) == 1
	if !watching {
		c.settle()
	}
	for {
		if len(c.ready) > 0 {
			n := copy(p, c.ready)
			c.ready = c.ready[n:]
			return n, nil
		}
		switch c.state {
		case inHead:
			if watching {
				c.mayWatch()
				return 0, nil
			}
			if c.scanHead() {
				continue
			}
		case inBody:
			if c.left == 0 {
				c.finishBody()
				continue
			}
			if c.r == c.w {
				n, err := c.Conn.Read(p[:min(int64(len(p)), c.left)])
				c.left -= int64(n)
				return n, err
			}
			n := int(min(int64(c.w-c.r), c.left))
			c.left -= int64(n)
			c.hand(n)
			continue
		case inChunks:
			if c.scanChunks() {
				continue
			}
			if k := &c.chunks; k.part == partData {
				n, err := c.Conn.Read(p[:min(uint64(len(p)), k.left)])
				if k.left -= uint64(n); k.left == 0 {
					k.part = partEnd
				}
				return n, err
			}
		case onHold:
			if !watching {
				c.state = inHead
				continue
			}
			if c.w-c.r >= holdBytes {
				return 0, fmt.Errorf("read: more than %d bytes after an unanswered upgrade", holdBytes)
			}
		case tunnel:
			if c.r == c.w {
				return c.Conn.Read(p)
			}
			c.hand(c.w - c.r)
			continue
		case ended:
			return c.end(watching)
		}
		if err := c.fill(watching); err != nil {
			return 0, err
		}
	}
}

// fill reads more into the buffer.
func (c *Conn) fill(watching bool) error {
	switch {
	case c.r == c.w:
		c.r, c.w = 0, 0
		if len(c.buf) == 0 || len(c.buf) > keepBytes {
			c.buf = make([]byte, bufferBytes)
		}
	case c.r > 0 && len(c.buf)-c.w < bufferBytes/4:
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	case c.w == len(c.buf):
		larger := make([]byte, 2*len(c.buf))
		copy(larger, c.buf)
		c.buf = larger
	}
	if c.state == inHead && c.w > c.r && !watching {
		c.hurry()
	}
	n, err := c.Conn.Read(c.buf[c.w:])
	if n > 0 {
		c.w += n
		return nil // an error comes again
	}
	return err
}

// accept queues the head of a request and goes on to its body.
func (c *Conn) accept(h Head) {
	c.relax()
	c.watch.forget()
	c.head = h
	c.push(queued{head: h})
	c.left, c.chunks = h.Length, chunks{}
	switch {
	case h.Length > 0:
		c.state = inBody
	case h.Length < 0:
		c.state = inChunks
	default:
		c.finishBody()
	}
}

func (c *Conn) push(q queued) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == len(c.queue) {
		c.queue[0], c.waiting = c.queue[1], c.waiting-1
	}
	c.queue[c.waiting] = q
	c.waiting++
}

func (c *Conn) finishBody() {
	c.state = inHead
	if c.head.Upgrade {
		c.state = onHold
	}
}

// settle forgets heads that their handler never asked for.
func (c *Conn) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	keep := 0
	if c.state != inHead && c.state != onHold || len(c.ready) > 0 {
		keep = 1
	}
	for c.waiting > keep {
		c.queue[0], c.queue[1] = c.queue[1], queued{}
		c.waiting--
	}
}

// refuse ends the connection with a refusal of the head under way.
func (c *Conn) refuse(r *Refusal) {
	if c.scan.bad != nil {
		r = c.scan.bad
	}
	c.refuseWith(r, c.legible())
}

// refuseWith has net/http serve a request that carries nothing of the refused
// one but what its answer depends on.
func (c *Conn) refuseWith(r *Refusal, h Head) {
	if !validHost([]byte(h.Host)) {
		h.Host = ""
	}
	r.Head = h
	c.relax()
	c.push(queued{refusal: r})
	method, proto := "GET", "HTTP/1.1"
	if h.Method == "HEAD" {
		method = "HEAD"
	}
	if h.Proto == "HTTP/1.0" {
		proto = "HTTP/1.0"
	}
	c.ready = []byte(method + " / " + proto + "\r\nHost: " + h.Host + "\r\nConnection: close\r\n\r\n")
	c.close()
}

// noChunk is a line that net/http takes for neither a chunk's size nor the end
// of a chunk's data.
const noChunk = "!\r\n"

func (c *Conn) refuseBody(r *Refusal) {
	r.Head = c.head
	c.broken.Store(r)
	c.ready = []byte(noChunk)
	c.close()
}

func (c *Conn) close() {
	c.state = ended
	c.r, c.w = 0, 0
	c.refused.Store(true)
}

const wasteBytes = 1 << 20

// end is Read after a refusal. While the answer is written, the rest of what
// the client sends is thrown away, which also notices when it leaves.
func (c *Conn) end(watching bool) (int, error) {
	if !watching {
		return 0, io.EOF
	}
	for c.waste < wasteBytes {
		c.r, c.w = 0, 0
		if err := c.fill(watching); err != nil {
			return 0, err
		}
		c.waste += c.w
	}
	return 0, io.EOF
}
