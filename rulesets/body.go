package rulesets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// defaultInspect is how much of a body the rules see when the site sets no
// limit.
const defaultInspect = 4 << 20

// errTooLarge is returned for a body larger than the rules may be asked to
// read.
var errTooLarge = errors.New("body is larger than the inspection limit")

// bufferPool lends buffers. Those that grew large are left to the collector.
type bufferPool struct{ p sync.Pool }

const largestPooled = 256 << 10

func (p *bufferPool) get() *bytes.Buffer {
	if b, ok := p.p.Get().(*bytes.Buffer); ok {
		return b
	}
	return new(bytes.Buffer)
}

func (p *bufferPool) put(b *bytes.Buffer) {
	if b.Cap() <= largestPooled {
		b.Reset()
		p.p.Put(b)
	}
}

// readWhole reads a body of at most limit bytes into memory.
func readWhole(buf *bytes.Buffer, r *http.Request, limit int64) error {
	if r.ContentLength > limit {
		return errTooLarge
	}
	if n := r.ContentLength; n > 0 {
		buf.Grow(int(min(n, 64<<10)) + bytes.MinRead)
	}
	n, err := io.Copy(buf, io.LimitReader(r.Body, limit+1))
	switch {
	case err != nil:
		return fmt.Errorf("read body: %w", err)
	case n > limit:
		return errTooLarge
	case r.ContentLength >= 0 && n != r.ContentLength:
		return io.ErrUnexpectedEOF
	}
	return nil
}

// heldBody is a body that was read and judged, on its way to the upstream.
type heldBody struct {
	io.Reader
	rest io.Closer // the client's body
}

// Close implements io.Closer.
func (b heldBody) Close() error { return b.rest.Close() }

// replaceBody makes the request carry exactly the bytes that were judged, size
// of them. A chunked body gets a length, unless trailers follow it.
func replaceBody(r *http.Request, judged io.Reader, size int64) {
	r.Body = heldBody{judged, r.Body}
	r.GetBody = nil
	if len(r.Trailer) > 0 {
		return
	}
	r.ContentLength, r.TransferEncoding = size, nil
	if size == 0 {
		r.Body = http.NoBody
	}
}

// readBody reads the request's body as its plan asks, and leaves in r.Body
// exactly what the upstream is to get. It reports whether the request goes on;
// when it does not, the visitor was answered. done must be called when the
// request has ended.
func (c *call) readBody() (goesOn bool, done func()) {
	s := &spool{dir: c.j.opts.Spool, buf: c.j.pool.get()}
	c.body = s
	done = func() {
		s.close()
		c.j.pool.put(s.buf)
	}
	var err error
	if !c.native {
		err = c.readPlanned(s)
		c.x.Bytes = s.size
		var a *reader.Ambiguity
		if errors.As(err, &a) && a.Status != http.StatusRequestEntityTooLarge {
			if !c.tolerates(a) {
				return false, done
			}
			c.native = true
		}
	}
	if c.native {
		err = c.readNative(s)
		c.x.Bytes = s.size
	}
	var a *reader.Ambiguity
	switch {
	case err == nil:
		return true, done
	case errors.Is(err, errTooLarge), errors.As(err, &a):
		return c.tooLarge(s), done
	}
	c.unreadable(err)
	return false, done
}

// readPlanned reads the body with the strict readers.
func (c *call) readPlanned(s *spool) error {
	if c.req.Plan() == reader.Whole {
		err := readWhole(s.buf, c.r, c.inspectLimit())
		s.size = int64(s.buf.Len())
		if err != nil {
			return err
		}
		if err := c.req.ParseBody(s.buf.Bytes()); err != nil {
			return err
		}
	} else if err := c.req.ReadBody(io.TeeReader(c.r.Body, s)); err != nil {
		return err
	}
	judged, err := s.open()
	if err != nil {
		return err
	}
	if c.req.Plan() == reader.Opaque {
		// Only the beginning was looked at; the rest is still to come.
		c.r.Body = heldBody{io.MultiReader(judged, c.r.Body), c.r.Body}
		return nil
	}
	replaceBody(c.r, judged, s.size)
	return nil
}

// tooLarge refuses a body that is larger than the rules may be asked to read,
// or forwards it where the site only detects. It reports whether the request
// goes on.
func (c *call) tooLarge(s *spool) bool {
	ev := newEvent(c.x, c.req, c.host)
	ev.Kind, ev.Reason = event.KindProtocol, "body-too-large"
	if c.x.Site.Mode != config.Detect {
		c.refuse(ev, http.StatusRequestEntityTooLarge, true)
		return false
	}
	read, err := s.open()
	if err != nil {
		c.unreadable(err)
		return false
	}
	c.record(ev)
	c.native = false // the rules see what was read before it became too much
	c.r.Body = heldBody{io.MultiReader(read, c.r.Body), c.r.Body}
	return true
}

// readNative reads what is left of a body, for Coraza's own processors to see
// it whole.
func (c *call) readNative(s *spool) error {
	limit := c.inspectLimit()
	if c.r.ContentLength > limit {
		return errTooLarge
	}
	if _, err := io.Copy(s, io.LimitReader(c.r.Body, limit-s.size+1)); err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	if s.size > limit {
		return errTooLarge
	}
	all, err := s.open()
	if err != nil {
		return err
	}
	c.req.Body, err = io.ReadAll(all)
	if err != nil {
		return fmt.Errorf("read spooled body: %w", err)
	}
	c.req.Bytes = s.size
	replaceBody(c.r, bytes.NewReader(c.req.Body), s.size)
	return nil
}

func (c *call) inspectLimit() int64 {
	if n := c.x.Site.Limits.Inspect; n > 0 {
		return n
	}
	return defaultInspect
}
