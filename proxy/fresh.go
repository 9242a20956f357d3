package proxy

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// freshTime is how long a stop waits for the first request of connections that
// are there already.
const freshTime = time.Second

// fresh holds the connections that have brought no request yet. net/http drops
// a request that it reads after its shutdown has begun: whoever connected just
// before would be left without an answer. It is safe for concurrent use.
type fresh struct {
	n  atomic.Int64 // of all, for who would find none
	mu sync.Mutex
	of map[net.Conn]struct{}

	none chan struct{} // closed with the last one; nil unless somebody waits
}

func (f *fresh) add(c net.Conn) {
	f.n.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == nil {
		f.of = map[net.Conn]struct{}{}
	}
	f.of[c] = struct{}{}
}

// remove says that c has brought a request, or is gone. It may be said again.
func (f *fresh) remove(c net.Conn) {
	if f.n.Load() == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.of[c]; !ok {
		return
	}
	delete(f.of, c)
	f.n.Add(-1)
	if len(f.of) == 0 && f.none != nil {
		close(f.none)
		f.none = nil
	}
}

// wait waits for so long, or until there is none. One goroutine may wait, and
// none may be added meanwhile.
func (f *fresh) wait(patience time.Duration) {
	f.mu.Lock()
	if len(f.of) == 0 {
		f.mu.Unlock()
		return
	}
	none := make(chan struct{})
	f.none = none
	f.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-none:
	case <-timer.C:
	}
}
