package mistake

import (
	"net/netip"
	"sync"
	"time"

	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets"
)

// Bounds of what a Recent holds.
const (
	recentBytes  = 32 << 20       // of all requests together
	recentEach   = 8              // requests of one client's network
	recentMaxAge = 72 * time.Hour // of one request
)

// Recent holds refused requests in memory, byte for byte, by their incident
// codes. It is bounded in bytes, age and, so that a flood of attacks does not
// push out the one visitor who was refused by mistake, in requests a client's
// network. What it holds has the visitors' secrets in it and is never written
// down: it ends with the process.
//
// The zero value is empty and ready. It is safe for concurrent use.
type Recent struct {
	mu    sync.Mutex
	by    map[string]*held
	order []*held // oldest first; gone ones are left out as they come up
	nets  map[netip.Prefix][]*held
	bytes int
	now   func() time.Time // time.Now when nil; for tests
}

type held struct {
	code    string
	request rulesets.Probe
	net     netip.Prefix
	at      time.Time
	size    int
	gone    bool
}

func (r *Recent) time() time.Time {
	if r.now != nil {
		return r.now()
	}
	return time.Now()
}

// Keep holds a request. It takes it over: the caller must not change it.
func (r *Recent) Keep(code string, p rulesets.Probe) {
	h := &held{code: code, request: p, at: r.time(), size: size(p)}
	if p.Client.IsValid() {
		h.net = exchange.Network(p.Client)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by, r.nets = map[string]*held{}, map[netip.Prefix][]*held{}
	}
	if old := r.by[code]; old != nil {
		r.drop(old)
	}
	r.by[code] = h
	r.order = append(r.order, h)
	r.nets[h.net] = append(r.nets[h.net], h)
	r.bytes += h.size
	if same := r.nets[h.net]; len(same) > recentEach {
		r.drop(same[0])
	}
	for len(r.order) > 0 && (r.order[0].gone || r.bytes > recentBytes || h.at.Sub(r.order[0].at) > recentMaxAge) {
		r.drop(r.order[0])
		r.order = r.order[1:]
	}
	if len(r.order) > 2*len(r.by)+64 {
		r.compact()
	}
}

// drop lets a request go. Its place in order is found out later.
func (r *Recent) drop(h *held) {
	if h.gone {
		return
	}
	h.gone, h.request = true, rulesets.Probe{}
	r.bytes -= h.size
	if r.by[h.code] == h {
		delete(r.by, h.code)
	}
	same := r.nets[h.net]
	for i, o := range same {
		if o == h {
			same = append(same[:i:i], same[i+1:]...)
			break
		}
	}
	if len(same) == 0 {
		delete(r.nets, h.net)
	} else {
		r.nets[h.net] = same
	}
}

func (r *Recent) compact() {
	left := make([]*held, 0, len(r.by))
	for _, h := range r.order {
		if !h.gone {
			left = append(left, h)
		}
	}
	r.order = left
}

// Find returns the request with that incident code. The caller must not change
// what it points to.
func (r *Recent) Find(code string) (rulesets.Probe, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.by[code]
	if h == nil || r.time().Sub(h.at) > recentMaxAge {
		return rulesets.Probe{}, false
	}
	return h.request, true
}

// size is about what a request takes in memory.
func size(p rulesets.Probe) int {
	n := 512 + len(p.Target) + len(p.Body)
	for _, f := range p.Fields {
		n += 32 + len(f.Name) + len(f.Value)
	}
	return n
}
