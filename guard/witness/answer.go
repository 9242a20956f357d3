package witness

import (
	"io"
	"net/http"
)

// answer is the ResponseWriter that lets a witness see an answer go by: its
// head, and where asked for the first bytes of its body. It delays and changes
// nothing.
type answer struct {
	http.ResponseWriter
	seen   *sighting
	status int // 0 until the head was written
	want   int // bytes of the body still to be looked at; 0 for none
	head   []byte
}

// Unwrap lets http.ResponseController reach the connection's own writer.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		a.status = status
		a.want = a.seen.head(status, a.Header())
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
		a.seen.body(a.head)
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
		a.want = a.seen.head(a.status, a.Header())
	}
	if a.want > 0 {
		a.want = 0
		a.seen.body(a.head)
		a.head = nil
	}
}
