package peek

import (
	"io"
	"net/http"
)

// Observer is told about one answer.
type Observer interface {
	// Head is told the final status and the head, once, before they are sent,
	// and returns how many bytes of the body it wants to see.
	Head(status int, h http.Header) int
	// Body is told those bytes, still encoded, or fewer where the body ended
	// before. It is not called when Head wanted none. The slice is its own.
	Body(raw []byte)
}

// Serve lets next answer the request while o looks on.
func Serve(next http.Handler, w http.ResponseWriter, r *http.Request, o Observer) {
	a := &answer{ResponseWriter: w, seen: o}
	next.ServeHTTP(a, r)
	a.finish()
}

type answer struct {
	http.ResponseWriter
	seen   Observer
	status int // 0 until the head was written
	want   int // bytes of the body still to be looked at; 0 for none
	head   []byte
}

// Unwrap lets http.ResponseController reach the connection's own writer.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		a.status = status
		a.want = a.seen.Head(status, a.Header())
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.want > 0 {
		a.look(p)
	}
	return a.ResponseWriter.Write(p)
}

func (a *answer) look(p []byte) {
	n := min(a.want, len(p))
	a.head = append(a.head, p[:n]...)
	if a.want -= n; a.want == 0 {
		a.seen.Body(a.head)
		a.head = nil
	}
}

// ReadFrom keeps the way open for sendfile and splice where nothing is looked at.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if rf, ok := a.ResponseWriter.(io.ReaderFrom); ok && a.want == 0 {
		return rf.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{a}, r)
}

func (a *answer) FlushError() error {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}

func (a *answer) Flush() { _ = a.FlushError() }

// finish judges what was seen when the handler has returned.
func (a *answer) finish() {
	if a.status == 0 {
		a.status = http.StatusOK
		a.want = a.seen.Head(a.status, a.Header())
	}
	if a.want > 0 {
		a.want = 0
		a.seen.Body(a.head)
		a.head = nil
	}
}
