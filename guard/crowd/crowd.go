package crowd

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/bits"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
)

const (
	shards   = 64
	inShard  = 1024 // addresses; 64 × 1024 take about 8 MB
	forgets  = 24 * time.Hour
	freshest = 4096 // addresses that attack and were not asked about yet
)

// Behind is who was seen behind a network.
type Behind struct {
	Network         netip.Prefix
	Clean, Attacks  int64
	Agents, Persons int // estimates; more than about 200 are not told apart
}

// Crowd is the counters.
type Crowd struct {
	now    func() time.Time
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu    sync.Mutex
	m     map[uint64]*counts
	fresh map[uint64]netip.Prefix // attack, and there is something new
}

type counts struct {
	clean, attacks   uint32
	agents, sessions uint64
	last             int64 // Unix seconds
}

// New returns a Crowd that has seen nothing.
func New(now func() time.Time) *Crowd {
	if now == nil {
		now = time.Now
	}
	c := &Crowd{now: now, seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].m, c.shards[i].fresh = map[uint64]*counts{}, map[uint64]netip.Prefix{}
	}
	return c
}

// key tells networks apart: an IPv4 address, or the first half of an IPv6 one,
// which begins with no zeros on the internet.
func key(a netip.Addr) uint64 {
	if a = a.Unmap(); a.Is4() {
		b := a.As4()
		return 0xffff<<32 | uint64(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8])
}

func (c *Crowd) shard(k uint64) *shard { return &c.shards[k*0x9e3779b97f4a7c15>>58] }

// Saw counts a request that was answered.
func (c *Crowd) Saw(x *exchange.Exchange, r *http.Request) {
	attack := false
	if x.Event != nil {
		switch x.Event.Kind {
		case event.KindRule, event.KindProtocol, event.KindSurface:
			attack = true
		default:
			return // refused for what was before, or by our own fault
		}
	}
	var agent, session uint64
	if !attack {
		agent, session = c.agent(r), c.bit(x.Session)
	}
	k, now := key(x.Client), x.Start.Unix()
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.m[k]
	if e == nil {
		e = s.add(k)
	}
	if now-e.last > int64(forgets/time.Second) {
		*e = counts{}
	}
	e.last = now
	if attack {
		e.attacks = inc(e.attacks)
	} else {
		e.clean = inc(e.clean)
	}
	news := attack && e.attacks&(e.attacks-1) == 0 || (agent|e.agents) != e.agents || (session|e.sessions) != e.sessions || e.clean&(e.clean-1) == 0
	e.agents |= agent
	e.sessions |= session
	if news && e.attacks > 0 && len(s.fresh) < freshest/shards {
		s.fresh[k] = exchange.Network(x.Client)
	}
}

func inc(n uint32) uint32 {
	if n == math.MaxUint32 {
		return n
	}
	return n + 1
}

// add makes room for a network where there is none: of a few, the one that was
// quiet longest goes.
func (s *shard) add(k uint64) *counts {
	if len(s.m) >= inShard {
		looked := 0
		var oldest uint64
		var at int64 = math.MaxInt64
		for key, e := range s.m {
			if e.last < at {
				oldest, at = key, e.last
			}
			if looked++; looked == 8 {
				break
			}
		}
		delete(s.m, oldest)
		delete(s.fresh, oldest)
	}
	e := &counts{}
	s.m[k] = e
	return e
}

// agent returns the bit of the program that sent a request, as it says itself;
// none for one that does not look like a person's.
func (c *Crowd) agent(r *http.Request) uint64 {
	agent := r.Header["User-Agent"]
	if len(agent) != 1 || !strings.HasPrefix(agent[0], "Mozilla/") {
		return 0
	}
	return c.bit(agent[0])
}

// bit returns one of 64 bits, the same for the same text.
func (c *Crowd) bit(s string) uint64 {
	if s == "" {
		return 0
	}
	return 1 << (maphash.String(c.seed, s) & 63)
}

// Estimate returns about how many different things set the bits (linear
// counting, Whang et al. 1990).
func Estimate(set uint64) int {
	zero := 64 - bits.OnesCount64(set)
	if zero == 0 {
		return 266 // what one bit left would say
	}
	return int(math.Round(-64 * math.Log(float64(zero)/64)))
}

// Behind returns who was seen behind a network of one client in the last day.
func (c *Crowd) Behind(network netip.Prefix) Behind {
	k := key(network.Addr())
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.behind(network, s.m[k])
}

func (c *Crowd) behind(network netip.Prefix, e *counts) Behind {
	if e == nil || c.now().Unix()-e.last > int64(forgets/time.Second) {
		return Behind{Network: network}
	}
	return Behind{Network: network, Clean: int64(e.clean), Attacks: int64(e.attacks), Agents: Estimate(e.agents), Persons: Estimate(e.sessions)}
}

// News returns the networks from which attacks came and about which there is
// something new since it was asked last.
func (c *Crowd) News() []Behind {
	var list []Behind
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for k, network := range s.fresh {
			list = append(list, c.behind(network, s.m[k]))
			delete(s.fresh, k)
		}
		s.mu.Unlock()
	}
	return list
}
