package capacity

import (
	"sync"
	"sync/atomic"
)

// Capacity counts what is under way. Make one with [New].
type Capacity struct {
	limits atomic.Pointer[Limits]
	level  atomic.Int32
	used   func() float64

	requests atomic.Int64
	bodies   atomic.Int64
	several  atomic.Bool // sites share it

	mu    sync.Mutex // guards what follows
	sites map[string]*Site
	conns connections
}

// Site is what one site holds. It is made by [Capacity.Site].
type Site struct {
	requests atomic.Int64
	bodies   atomic.Int64
}

// New returns a Capacity with l's limits, which must be filled. used returns the
// share of memory in use, 0 to 1; nil reads it from the runtime and the
// container.
func New(l Limits, used func() float64) *Capacity {
	c := &Capacity{sites: map[string]*Site{}}
	c.conns.init()
	c.limits.Store(&l)
	if c.used = used; used == nil {
		r := newReading()
		c.used = func() float64 { return r.share(c.limits.Load().Memory) }
	}
	return c
}

// Limit puts other limits into force. What is under way is not taken back.
func (c *Capacity) Limit(l Limits) { c.limits.Store(&l) }

// Limits returns those in force.
func (c *Capacity) Limits() Limits { return *c.limits.Load() }

// Sites says which sites there are from now on. A site that was there before
// keeps what it holds.
func (c *Capacity) Sites(names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sites := make(map[string]*Site, len(names))
	for _, name := range names {
		if sites[name] = c.sites[name]; sites[name] == nil {
			sites[name] = &Site{}
		}
	}
	c.sites = sites
	c.several.Store(len(sites) > 1)
}

// Site returns the site of that name, making it when it is new.
func (c *Capacity) Site(name string) *Site {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sites[name]
	if s == nil {
		s = &Site{}
		c.sites[name] = s
	}
	return s
}

// Enter begins a request of s. It reports whether there is room for it;
// [Capacity.Leave] is due in either case.
func (c *Capacity) Enter(s *Site) bool {
	total, own := c.requests.Add(1), s.requests.Add(1)
	return c.fits(int64(c.limits.Load().Requests), total, own, 1)
}

// Leave ends a request of s.
func (c *Capacity) Leave(s *Site) {
	c.requests.Add(-1)
	s.requests.Add(-1)
}

// Full reports whether Enter failed for want of room at all, and not because
// of the site alone.
func (c *Capacity) Full() bool { return c.requests.Load() > int64(c.limits.Load().Requests) }

// Hold counts n more bytes of a body of s that are in memory. It reports
// whether there is room for them; [Capacity.Release] is due in either case.
func (c *Capacity) Hold(s *Site, n int64) bool {
	total, own := c.bodies.Add(n), s.bodies.Add(n)
	return c.fits(c.limits.Load().Bodies, total, own, n)
}

// Holds reports whether n bytes more would have room, without counting them.
func (c *Capacity) Holds(s *Site, n int64) bool {
	return c.fits(c.limits.Load().Bodies, c.bodies.Load()+n, s.bodies.Load()+n, n)
}

// Release gives back n bytes of Hold.
func (c *Capacity) Release(s *Site, n int64) {
	c.bodies.Add(-n)
	s.bodies.Add(-n)
}

// fits reports whether a site that holds own of the total, its last step
// included, stays within the limit and takes no more than it leaves.
func (c *Capacity) fits(limit, total, own, step int64) bool {
	if total > limit {
		return false
	}
	return own == step || own <= limit-total || !c.several.Load()
}

// Requests returns how many are under way.
func (c *Capacity) Requests() int64 { return c.requests.Load() }

// Bodies returns how many bytes of bodies are in memory.
func (c *Capacity) Bodies() int64 { return c.bodies.Load() }
