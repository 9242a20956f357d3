package streams

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/net/http2/hpack"
)

// Limits bounds heads. A zero field means its default.
type Limits struct {
	Bytes  int // of a head, decoded, 32 added for each field as RFC 9113 counts; 64 KiB
	Fields int // of a head, as they come: browsers send each cookie by itself; 512
}

// largeHeads is how many heads over Limits.Bytes a connection may send, each of
// which net/http answers 431.
const largeHeads = 3

// ErrHead is returned by Read when the connection was ended for its heads.
var ErrHead = errors.New("a head of HTTP/2 is out of proportion")

// Conn is an HTTP/2 connection whose heads are in proportion. Make one with
// [NewConn].
type Conn struct {
	net.Conn
	limits Limits

	// What only Read touches.
	preface int // bytes of it that are still to come
	head    [9]byte
	got     int // bytes of head
	left    int // bytes of the frame's payload that are still to come
	kind    byte
	flags   byte
	strip   int // bytes before the block's fragment in a frame: padding length, priority
	padding int // bytes behind it
	padded  bool

	decoder *hpack.Decoder
	fields  int
	bytes   int
	large   int
	blind   bool  // the compression is broken: net/http says so itself
	bad     error // why the connection was ended
}

const (
	prefaceBytes      = 24
	frameHeaders      = 1
	frameContinuation = 9
	flagEndHeaders    = 0x4
	flagPadded        = 0x8
	flagPriority      = 0x20
	tableBytes        = 4096 // of the compression, as net/http announces it
)

// NewConn wraps a connection that will speak HTTP/2, its preface yet to come.
func NewConn(c net.Conn, l Limits) *Conn {
	if l.Bytes <= 0 {
		l.Bytes = 64 << 10
	}
	if l.Fields <= 0 {
		l.Fields = 512
	}
	k := &Conn{Conn: c, limits: l, preface: prefaceBytes}
	k.decoder = hpack.NewDecoder(tableBytes, k.field)
	k.decoder.SetMaxStringLength(l.Bytes)
	return k
}

// NetConn returns the connection under this one.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if c.bad != nil {
		return 0, c.bad
	}
	n, err := c.Conn.Read(p)
	if c.follow(p[:n]); c.bad != nil {
		c.goAway()
		return 0, c.bad
	}
	return n, err
}

// follow goes through what was received.
func (c *Conn) follow(b []byte) {
	n := min(c.preface, len(b))
	c.preface -= n
	b = b[n:]
	for len(b) > 0 && !c.blind && c.bad == nil {
		if c.got < len(c.head) {
			n := copy(c.head[c.got:], b)
			c.got += n
			b = b[n:]
			if c.got == len(c.head) {
				c.begin()
			}
			continue
		}
		n := min(c.left, len(b))
		if c.kind == frameHeaders || c.kind == frameContinuation {
			c.payload(b[:n])
		}
		c.left -= n
		b = b[n:]
		if c.left == 0 {
			c.end()
		}
	}
}

// begin reads a frame's head.
func (c *Conn) begin() {
	c.left = int(c.head[0])<<16 | int(c.head[1])<<8 | int(c.head[2])
	c.kind, c.flags = c.head[3], c.head[4]
	c.strip, c.padding, c.padded = 0, 0, false
	if c.kind == frameHeaders {
		if c.flags&flagPadded != 0 {
			c.strip, c.padded = 1, true
		}
		if c.flags&flagPriority != 0 {
			c.strip += 5
		}
		c.fields, c.bytes = 0, 0
	}
	if c.left == 0 {
		c.end()
	}
}

// payload takes a piece of a HEADERS or CONTINUATION frame, of which c.left
// bytes were still to come.
func (c *Conn) payload(b []byte) {
	left := c.left
	if c.padded && len(b) > 0 {
		c.padding, c.padded = int(b[0]), false
	}
	n := min(c.strip, len(b))
	c.strip -= n
	b, left = b[n:], left-n
	if b = b[:max(0, min(len(b), left-c.padding))]; len(b) == 0 {
		return
	}
	if _, err := c.decoder.Write(b); err != nil {
		c.broken(err)
	}
}

// end ends a frame, and with it perhaps a head.
func (c *Conn) end() {
	c.got = 0
	if c.kind != frameHeaders && c.kind != frameContinuation || c.flags&flagEndHeaders == 0 || c.blind {
		return
	}
	if err := c.decoder.Close(); err != nil {
		c.broken(err)
		return
	}
	if c.bytes > c.limits.Bytes {
		if c.large++; c.large > largeHeads {
			c.bad = fmt.Errorf("%w: %d of more than %d bytes", ErrHead, c.large, c.limits.Bytes)
		}
	}
}

func (c *Conn) broken(err error) {
	if errors.Is(err, hpack.ErrStringLength) {
		c.bad = fmt.Errorf("%w: a field of more than %d bytes", ErrHead, c.limits.Bytes)
		return
	}
	c.blind = true
}

func (c *Conn) field(f hpack.HeaderField) {
	c.fields++
	c.bytes += int(f.Size())
	if c.fields > c.limits.Fields {
		c.bad = fmt.Errorf("%w: more than %d fields", ErrHead, c.limits.Fields)
		c.decoder.SetEmitEnabled(false)
	}
}

// goAway tells the client that he asks too much (RFC 9113, section 6.8). A
// client who does not listen must not hold it up.
func (c *Conn) goAway() {
	frame := [17]byte{2: 8, 3: 7}
	binary.BigEndian.PutUint32(frame[13:], 0xb) // ENHANCE_YOUR_CALM
	_ = c.Conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = c.Conn.Write(frame[:])
}
