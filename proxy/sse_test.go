package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Each event is sent only after the visitor has read the one before, so an
// event that is held back anywhere stops the test.
func TestEventsArriveWhenTheyAreSent(t *testing.T) {
	for _, kind := range []string{"text/event-stream", "text/event-stream; charset=utf-8", "application/x-ndjson"} {
		next := make(chan struct{})
		up := upstreamServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			rc := http.NewResponseController(w)
			_ = rc.Flush()
			for i := 0; ; i++ {
				if _, ok := <-next; !ok {
					return
				}
				fmt.Fprintf(w, "data: %d\n\n", i)
				_ = rc.Flush()
			}
		})
		e := newEdge(t, Options{Config: oneSite(up)})
		resp, err := testClient.Get("http://" + e.addr + "/")
		if err != nil {
			t.Fatal(err) // the head waited for an event
		}
		for i := range 50 {
			next <- struct{}{}
			expect(t, resp.Body, fmt.Sprintf("data: %d\n\n", i))
		}
		close(next)
		if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
			t.Errorf("%s ended with %q, %v", kind, rest, err)
		}
		resp.Body.Close()
	}
}

// A browser that closes the page frees the upstream's worker.
func TestEventStreamEndsWithItsReader(t *testing.T) {
	ended := make(chan struct{})
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	c, r := e.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	head, err := readHead(r)
	if err != nil || !strings.Contains(head, "text/event-stream") {
		t.Fatalf("head %q, %v", head, err)
	}
	c.Close()
	<-ended
}
