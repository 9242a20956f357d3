package wire

import (
	"sync"
	"time"
)

// watchAfter is how long a request is handled before its client's connection is
// watched for the client's going away. Most are answered sooner, and watching
// costs a goroutine's wake-up and a system call or two.
const watchAfter = 20 * time.Millisecond

// watch is who is to be told that the client went away. net/http watches for
// itself, by reading a byte, from the end of the request's body to the end of
// its handler. Its read is answered with nothing, and only says that the
// watching may begin.
type watch struct {
	mu      sync.Mutex
	left    func() // of the request being handled, nil between requests
	may     bool   // its body was read
	timer   *time.Timer
	reading chan struct{} // closed when the read under way has ended; nil when none is
}

// OnLeave has left called when the client goes away before [Conn.Answered].
// The handler calls it once a request, at its beginning. A client that went
// away is not noticed while its body was not read to the end, other than by
// reading that; and not after it sent the beginning of another request.
func (c *Conn) OnLeave(left func()) {
	c.watch.mu.Lock()
	defer c.watch.mu.Unlock()
	c.watch.left = left
	c.watch.begin(c)
}

// Answered ends what [Conn.OnLeave] began, and waits for it. The handler calls
// it before it returns.
func (c *Conn) Answered() {
	w := &c.watch
	w.mu.Lock()
	w.left, w.may = nil, false
	if w.timer != nil {
		w.timer.Stop()
	}
	reading := w.reading
	w.mu.Unlock()
	if reading == nil {
		return
	}
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	<-reading
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.apply()
}

// mayWatch is told that nothing of the request is left to be read.
func (c *Conn) mayWatch() {
	c.watch.mu.Lock()
	defer c.watch.mu.Unlock()
	c.watch.may = true
	c.watch.begin(c)
}

// begin starts the clock once both sides are ready. The lock is held.
func (w *watch) begin(c *Conn) {
	switch {
	case w.left == nil || !w.may:
	case w.timer == nil:
		w.timer = time.AfterFunc(watchAfter, c.look)
	default:
		w.timer.Reset(watchAfter)
	}
}

// forget is told that another request begins.
func (w *watch) forget() {
	w.mu.Lock()
	w.left, w.may = nil, false
	w.mu.Unlock()
}

// look reads until the client goes away, and keeps what it sends before. Nobody
// else reads meanwhile: net/http has no body left, and its own watching is
// answered without looking.
func (c *Conn) look() {
	w := &c.watch
	w.mu.Lock()
	left := w.left
	if left == nil || !w.may || w.reading != nil || c.state != inHead {
		w.mu.Unlock()
		return
	}
	reading := make(chan struct{})
	w.reading = reading
	w.mu.Unlock()

	var err error
	for err == nil && c.w-c.r < holdBytes {
		err = c.fill(true)
	}

	w.mu.Lock()
	stopped := w.left == nil
	w.reading = nil
	w.mu.Unlock()
	close(reading)
	if err != nil && !stopped {
		left()
	}
}
