package wire

import (
	"net"
	"sync"
)

// gatherBytes is how much is copied to go out with what follows it.
const gatherBytes = 48 << 10

// gather is what was written and not yet sent. net/http sends a response that
// exceeds its buffer of 4 KiB in two writes or three: a buffer's worth with the
// head, the rest, the line break that ends a chunk. Each costs a system call, a
// segment and a wake-up of the reader.
type gather struct {
	on, all bool
	held    *[]byte
}

var gatherBuffers = sync.Pool{New: func() any { b := make([]byte, 0, gatherBytes); return &b }}

// Gather holds back what is written until [Conn.Send], so that it goes out in
// one write. What does not fit is sent with what was held before. With all, the
// last write is expected to be small, and those before it are copied. Both are
// called by the goroutine that writes.
func (c *Conn) Gather(all bool) { c.gather.on, c.gather.all = true, all }

// Send ends what [Conn.Gather] began. Its error is that of a write that was
// held back.
func (c *Conn) Send() error {
	c.gather.on = false
	return c.sendHeld(nil)
}

// hold takes p, or sends it after what is held.
func (c *Conn) hold(p []byte) (int, error) {
	g := &c.gather
	small := len(p) <= 4<<10
	if g.held == nil && (small || g.all && len(p) <= gatherBytes) {
		g.held = gatherBuffers.Get().(*[]byte)
	}
	if g.held != nil && (small || g.all) && len(*g.held)+len(p) <= gatherBytes {
		*g.held = append(*g.held, p...)
		return len(p), nil
	}
	if err := c.sendHeld(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// sendHeld sends what is held, and p after it.
func (c *Conn) sendHeld(p []byte) error {
	g := &c.gather
	if g.held == nil {
		if len(p) == 0 {
			return nil
		}
		_, err := c.Conn.Write(p)
		return err
	}
	held := g.held
	g.held = nil
	var err error
	if len(p) == 0 {
		_, err = c.Conn.Write(*held)
	} else {
		both := net.Buffers{*held, p}
		_, err = both.WriteTo(c.Conn)
	}
	*held = (*held)[:0]
	gatherBuffers.Put(held)
	return err
}
