package proxy

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestRequestAfterTheEnd: a request of a connection that was cut may reach the
// handler after the server was closed. It is aborted; nothing waits for a table
// that will never come.
func TestRequestAfterTheEnd(t *testing.T) {
	e := newEdge(t, Options{Config: oneSite(upstreamServer(t, func(http.ResponseWriter, *http.Request) {}))})
	e.Close()
	for e.table.Load().refs.Load() > 0 {
		e.table.Load().release()
	}
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("it ended with %v", p)
		}
	}()
	e.serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	t.Error("it was answered")
}
