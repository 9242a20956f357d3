package rulesets

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// defaultInspect is how much of a body the rules see when the site sets no
// limit.
const defaultInspect = 1 << 20

// errTooLarge is returned for a body larger than the rules may be asked to
// read.
var errTooLarge = errors.New("body is larger than the inspection limit")

// streamed reports whether a body of this type passes unread: PHP makes no
// parameters of it and no rule looks into it. Types are compared exactly, and a
// missing or unusual type is inspected.
func streamed(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	for _, prefix := range []string{"image/", "video/", "audio/", "font/"} {
		if rest, ok := strings.CutPrefix(t, prefix); ok {
			return rest != "" && !strings.HasSuffix(rest, "+xml") && !strings.HasSuffix(rest, "+json")
		}
	}
	switch t {
	case "application/octet-stream", "application/zip", "application/gzip", "application/pdf", "application/x-tar":
		return true
	}
	return false
}

// bodyPool lends buffers to bodies. Buffers that grew large are left to the
// collector.
type bodyPool struct{ p sync.Pool }

const largestPooled = 256 << 10

func (p *bodyPool) get() *bytes.Buffer {
	if b, ok := p.p.Get().(*bytes.Buffer); ok {
		return b
	}
	return new(bytes.Buffer)
}

func (p *bodyPool) put(b *bytes.Buffer) {
	if b.Cap() <= largestPooled {
		b.Reset()
		p.p.Put(b)
	}
}

// readBody reads a whole body of at most limit bytes.
func readBody(buf *bytes.Buffer, r *http.Request, limit int64) error {
	if r.ContentLength > limit {
		return errTooLarge
	}
	if n := r.ContentLength; n > 0 {
		buf.Grow(int(min(n, 64<<10)) + bytes.MinRead)
	}
	n, err := io.Copy(buf, io.LimitReader(r.Body, limit+1))
	switch {
	case err != nil:
		return err
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

func (b heldBody) Close() error { return b.rest.Close() }

// replaceBody makes the request carry exactly the bytes that were judged. A
// chunked body gets a length, unless trailers follow it.
func replaceBody(r *http.Request, judged []byte) {
	old := r.Body
	if len(judged) == 0 {
		r.Body = heldBody{http.NoBody, old}
	} else {
		r.Body = heldBody{bytes.NewReader(judged), old}
	}
	r.GetBody = nil
	if len(r.Trailer) == 0 {
		r.ContentLength = int64(len(judged))
		r.TransferEncoding = nil
		if len(judged) == 0 {
			r.Body = http.NoBody
		}
	}
}
