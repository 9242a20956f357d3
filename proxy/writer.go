package proxy

import (
	"net/http"
	"time"
)

// writer counts what goes to the visitor. Everything else of the server's own
// writer is reached through Unwrap (see http.ResponseController).
type writer struct {
	inner  http.ResponseWriter
	status int
	bytes  int64

	sending *body // the visitor may still send it; nil where the server sees to it

	conn  *conn
	timer *time.Timer // ends a write that takes too long (HTTP/2 and 3)
}

// hold begins a write: from here on the visitor has so long to take what is
// written. HTTP/1 has a deadline a connection, which is renewed when half of it
// is over; elsewhere a stream's deadline would end the stream even while
// nothing is written.
func (w *writer) hold() {
	now := time.Now()
	w.conn.held.Waiting(now)
	switch {
	case w.conn.wire != nil:
		w.conn.patient(now)
	case w.timer == nil:
		w.timer = time.AfterFunc(writePatience, func() {
			_ = http.NewResponseController(w.inner).SetWriteDeadline(time.Unix(1, 0))
		})
	default:
		w.timer.Reset(writePatience)
	}
}

// letGo ends what hold began.
func (w *writer) letGo() {
	w.conn.held.Went()
	if w.timer != nil {
		w.timer.Stop()
	}
}

// gather holds back what is written until send, where the connection can
// ([wire.Conn.Gather]).
func (w *writer) gather(all bool) {
	if w.conn.wire != nil {
		w.conn.wire.Gather(all)
	}
}

func (w *writer) send() error {
	if w.conn.wire == nil {
		return nil
	}
	w.hold()
	defer w.letGo()
	return w.conn.wire.Send()
}

// finish leaves a deadline for what the server itself has still to write.
func (w *writer) finish(r *http.Request) {
	if w.timer != nil && r.Method != http.MethodHead {
		_ = http.NewResponseController(w.inner).SetWriteDeadline(time.Now().Add(writePatience))
	}
}

// Header implements http.ResponseWriter.
func (w *writer) Header() http.Header { return w.inner.Header() }

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	if w.sending != nil && status >= 200 && !w.sending.eof.Load() {
		// What is left of the body must never be read as the next request.
		w.inner.Header()["Connection"] = []string{"close"}
	}
	if w.conn != nil && w.conn.quic {
		delete(w.inner.Header(), "Connection") // means nothing there, and clients take it for an error
	}
	w.inner.WriteHeader(status)
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.hold()
	n, err := w.inner.Write(p)
	w.letGo()
	w.bytes += int64(n)
	return n, err
}

// FlushError is what http.ResponseController.Flush calls.
func (w *writer) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.hold()
	defer w.letGo()
	return http.NewResponseController(w.inner).Flush()
}

// Flush implements http.Flusher.
func (w *writer) Flush() { _ = w.FlushError() }

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.inner }
