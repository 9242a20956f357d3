package proxy

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// held is an edge with one request under way, and what lets its upstream end.
func held(t *testing.T, patience time.Duration) (e *edge, body io.Reader, goOn chan struct{}) {
	t.Helper()
	arrived := make(chan struct{})
	goOn = make(chan struct{})
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first ")
		_ = http.NewResponseController(w).Flush()
		close(arrived)
		select {
		case <-goOn:
			io.WriteString(w, "last")
		case <-r.Context().Done():
		}
	})
	c := oneSite(up)
	c.Drain = patience
	e = newEdge(t, Options{Config: c})
	conn, r := e.dial()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-arrived
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e, resp.Body, goOn
}

// end waits for Run and gives its result back for the harness.
func (e *edge) end() error {
	e.t.Helper()
	select {
	case err := <-e.ended:
		e.ended <- err
		return err
	case <-time.After(20 * time.Second):
		e.t.Fatal("Run did not return")
		return nil
	}
}

// closed waits until the edge's address refuses connections.
func (e *edge) closed() {
	e.t.Helper()
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); {
		c, err := net.Dial("tcp", e.addr)
		if err != nil {
			return
		}
		c.Close()
	}
	e.t.Fatal("the listener is still open")
}

func ready(e *edge) int {
	w := httptest.NewRecorder()
	e.AdminHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	return w.Code
}

func TestStopWaitsForRequestsUnderWay(t *testing.T) {
	e, body, goOn := held(t, time.Minute)
	if got := ready(e); got != 200 {
		t.Errorf("ready answered %d while serving", got)
	}
	e.stop()
	e.closed()
	if got := ready(e); got != 503 {
		t.Errorf("ready answered %d while draining", got)
	}
	select {
	case err := <-e.ended:
		e.ended <- err
		t.Fatal("Run returned before its request had ended")
	default:
	}
	close(goOn)
	if b, err := io.ReadAll(body); err != nil || string(b) != "first last" {
		t.Errorf("read %q, %v", b, err)
	}
	if err := e.end(); err != nil {
		t.Errorf("Run returned %v", err)
	}
	if err := e.Reload(e.opts.Config); err == nil {
		t.Error("a stopped server was reloaded")
	}
}

func TestCloseCutsADrain(t *testing.T) {
	e, body, _ := held(t, time.Hour)
	e.stop()
	e.closed()
	e.Close()
	if b, err := io.ReadAll(body); err == nil {
		t.Errorf("a cut answer looks whole: %q", b)
	}
	if err := e.end(); err != nil {
		t.Errorf("Run returned %v", err)
	}
}

func TestDrainEndsWithItsPatience(t *testing.T) {
	e, body, _ := held(t, 50*time.Millisecond)
	e.stop()
	if b, err := io.ReadAll(body); err == nil {
		t.Errorf("a cut answer looks whole: %q", b)
	}
	if err := e.end(); err != nil {
		t.Errorf("Run returned %v", err)
	}
}
