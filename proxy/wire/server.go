package wire

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// What net/http's server does with a connection besides reading.

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.Conn.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn. It is safe for concurrent use.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return c.apply()
}

func (c *Conn) apply() error {
	t := c.deadline
	if !c.headBy.IsZero() && (t.IsZero() || c.headBy.Before(t)) {
		t = c.headBy
	}
	return c.Conn.SetReadDeadline(t)
}

// hurry begins the time that a head may take, and lengthens it by what has come
// of it: a large head over a slow line is welcome, one that drips is not.
// net/http knows only its idle time until it has seen a head's first bytes, and
// here it sees them last.
func (c *Conn) hurry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.headBy.IsZero() {
		c.headFrom = time.Now()
	}
	by := c.headFrom.Add(c.limits.Time + time.Duration((c.w-c.r)/c.limits.Rate)*time.Second)
	if !by.Equal(c.headBy) {
		c.headBy = by
		_ = c.apply()
	}
}

func (c *Conn) relax() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.headBy.IsZero() {
		c.headBy = time.Time{}
		_ = c.apply()
	}
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	if c.refused.Load() {
		c.answered.Store(true)
	}
	if c.gather.on {
		return c.hold(p)
	}
	return c.Conn.Write(p)
}

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// ReadFrom implements io.ReaderFrom, for sendfile and splice where the
// connection has them.
func (c *Conn) ReadFrom(src io.Reader) (int64, error) {
	if c.refused.Load() {
		c.answered.Store(true)
	}
	if err := c.sendHeld(nil); err != nil {
		return 0, err
	}
	if rf, ok := c.Conn.(io.ReaderFrom); ok {
		return rf.ReadFrom(src)
	}
	b := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(b)
	return io.CopyBuffer(struct{ io.Writer }{c.Conn}, src, *b)
}

// CloseWrite ends the sending direction, where the connection can.
func (c *Conn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	if inner := under(c); inner != nil {
		return closeWrite(inner)
	}
	return errors.ErrUnsupported
}

// under returns the connection that c wraps (TLS, PROXY protocol), nil when it
// is none that says so.
func under(c net.Conn) net.Conn {
	switch c := c.(type) {
	case interface{ NetConn() net.Conn }:
		return c.NetConn()
	case interface{ Raw() net.Conn }:
		return c.Raw()
	}
	return nil
}

const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// Close implements net.Conn. After a refusal was answered it waits up to half a
// second for the client to take note: closing a socket with unread bytes in it
// resets the connection, and the answer might be lost (RFC 9112, section 9.6).
func (c *Conn) Close() error {
	if c.answered.CompareAndSwap(true, false) {
		c.linger()
	}
	return c.Conn.Close()
}

func (c *Conn) linger() {
	if c.CloseWrite() != nil {
		return
	}
	raw := c.Conn
	for inner := under(raw); inner != nil; inner = under(raw) {
		raw = inner // under TLS, what is unread need not be deciphered
	}
	_ = closeWrite(raw)
	_ = raw.SetReadDeadline(time.Now().Add(lingerTime))
	b := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(b)
	for n := 0; n < lingerBytes; {
		m, err := raw.Read(*b)
		if n += m; err != nil {
			return
		}
	}
}
