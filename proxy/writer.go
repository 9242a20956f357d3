package proxy

import (
	"net/http"
)

// writer counts what goes to the visitor. Everything else of the server's own
// writer is reached through Unwrap (see http.ResponseController).
type writer struct {
	inner  http.ResponseWriter
	status int
	bytes  int64

	sending *body // the visitor may still send it; nil where the server sees to it
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
	w.inner.WriteHeader(status)
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.inner.Write(p)
	w.bytes += int64(n)
	return n, err
}

// FlushError is what http.ResponseController.Flush calls.
func (w *writer) FlushError() error {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return http.NewResponseController(w.inner).Flush()
}

// Flush implements http.Flusher.
func (w *writer) Flush() { _ = w.FlushError() }

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.inner }
