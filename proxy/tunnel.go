package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/qorgan/qorgan/exchange"
)

// closingTime is how long the second direction of a tunnel may take to end
// after the first has.
const closingTime = 10 * time.Second

// tunnel joins the visitor's connection with the upstream's after a 101. The
// handshake was inspected like any request; what follows is not.
func (c *call) tunnel(w http.ResponseWriter, r *http.Request, resp *http.Response, asked string) {
	s := c.server
	back, ok := resp.Body.(io.ReadWriteCloser)
	if got := resp.Header.Get("Upgrade"); !ok || asked == "" || !strings.EqualFold(got, asked) {
		c.upstreamKind = "response"
		s.log.Error().Str("site", c.siteName()).Str("asked", asked).Str("got", got).
			Str("hint", "the upstream switches to a protocol nobody asked for").Msg("protocol switch refused")
		s.refuse(w, r, exchange.Refusal{Status: http.StatusBadGateway, Close: true})
		return
	}
	connection := resp.Header["Connection"]
	upgrade := resp.Header["Upgrade"]
	delete(resp.Header, "Connection")
	fromUpstream(w.Header(), resp.Header)
	head := http.Response{StatusCode: resp.StatusCode, ProtoMajor: 1, ProtoMinor: 1, Header: w.Header()}
	head.Header["Connection"], head.Header["Upgrade"] = connection, upgrade

	front, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.log.Error().Err(err).Str("site", c.siteName()).Msg("take over connection")
		s.refuse(w, r, exchange.Refusal{Status: http.StatusBadGateway, Close: true})
		return
	}
	c.w.status = resp.StatusCode
	defer s.disconnect(c.conn.held)
	defer front.Close()
	if c.conn.wire != nil {
		if err := c.conn.wire.Tunnel(); err != nil {
			s.log.Error().Err(err).Str("site", c.siteName()).Msg("switch protocols")
			return
		}
	}
	leave, ok := s.tunnels.enter(front, back)
	if !ok {
		return
	}
	defer leave()
	s.metrics.upgrades.Inc()
	s.metrics.open.Inc()
	defer s.metrics.open.Dec()
	_ = front.SetDeadline(time.Time{})
	if head.Write(buffered) != nil || buffered.Flush() != nil {
		return
	}
	// The reader may hold bytes that came right after the handshake.
	c.w.bytes = join(front, buffered.Reader, back)
}

// join copies both ways until both directions have ended, and returns the
// bytes sent to the visitor.
func join(front net.Conn, fromFront io.Reader, back io.ReadWriteCloser) int64 {
	var sent int64
	done := make(chan struct{}, 2)
	var both sync.WaitGroup
	both.Go(func() {
		sent, _ = io.Copy(front, back)
		closeWrite(front)
		done <- struct{}{}
	})
	both.Go(func() {
		_, _ = io.Copy(back, fromFront)
		closeWrite(back)
		done <- struct{}{}
	})
	<-done
	late := time.AfterFunc(closingTime, func() {
		_ = front.Close()
		_ = back.Close()
	})
	<-done
	late.Stop()
	both.Wait()
	return sent
}

// closeWrite ends one direction where the connection can, and both where not.
func closeWrite(c io.Closer) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = c.Close()
}

// tunnels are the connections the http.Server no longer knows.
type tunnels struct {
	mu     sync.Mutex
	closed bool
	open   map[net.Conn]io.Closer
	empty  chan struct{} // closed when open becomes empty and somebody waits
}

func (t *tunnels) enter(front net.Conn, back io.Closer) (leave func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, false
	}
	if t.open == nil {
		t.open = make(map[net.Conn]io.Closer)
	}
	t.open[front] = back
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.open, front)
		if len(t.open) == 0 && t.empty != nil {
			close(t.empty)
			t.empty = nil
		}
	}, true
}

// wait returns when no tunnel is open or ctx is done.
func (t *tunnels) wait(ctx context.Context) {
	t.mu.Lock()
	if len(t.open) == 0 {
		t.mu.Unlock()
		return
	}
	if t.empty == nil {
		t.empty = make(chan struct{})
	}
	empty := t.empty
	t.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}

// close cuts every tunnel and lets none open again.
func (t *tunnels) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for front, back := range t.open {
		_ = front.Close()
		_ = back.Close()
	}
}
