package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/proxy/capacity"
	"github.com/qorgan/qorgan/proxy/upstream"
	"github.com/qorgan/qorgan/proxy/wire"
)

// Defaults for what a configuration built by hand leaves at zero.
const (
	defaultHeaderBytes = 64 << 10
	defaultHeaders     = 100
	defaultHeaderTime  = 10 * time.Second
	defaultBodyRate    = 1 << 10
	defaultDrain       = 30 * time.Second
	heldBody           = 1 << 20 // of a body that is streamed, before it goes to a file
)

// site is one protected site, ready to serve. It is immutable.
type site struct {
	conf    *config.Site
	pool    *upstream.Pool
	trusted []netip.Prefix
	limits  config.Limits
	counts  *siteCounters
	hsts    []string // the header's lines, nil for the upstream's own
	clients *clients // nil: no part wants a certificate of visitors
	share   *capacity.Site
	holds   int64 // bytes of one body that may be in memory
}

// table is everything a configuration says about requests, ready to serve. It
// is immutable but for the count of its users.
type table struct {
	conf      *config.Config
	hosts     hosts
	sites     []*site
	upstreams *upstream.Set
	wire      wire.Limits // of connections accepted while it is current

	refs   atomic.Int64 // requests under way, and one while it is current
	retire func(*table)
}

// build makes a table, or says everything that is wrong with the
// configuration. Upstreams that a previous table already knows keep their
// connections and their health.
func (s *Server) build(c *config.Config, previous *table) (*table, error) {
	t := &table{
		conf:   c,
		hosts:  hosts{exact: make(map[string]*site), suffix: make(map[string]*site)},
		retire: s.retire,
		wire:   wireLimits(c, s.headBytes),
	}
	t.refs.Store(1)
	var kept *upstream.Set
	if previous != nil {
		kept = previous.upstreams
	}
	t.upstreams = upstream.NewSet(kept, s.log)

	var errs []error
	if len(c.Sites) == 0 {
		errs = append(errs, errors.New("no site is configured; try: --site example.kz --to http://127.0.0.1:8080"))
	}
	for _, cs := range c.Sites {
		st, err := s.buildSite(c, cs, t.upstreams)
		if err != nil {
			errs = append(errs, fmt.Errorf("site %s: %w", cs.Name, err))
			continue
		}
		for _, h := range cs.Hosts {
			if had := t.hosts.add(h, st); had != nil && had != st {
				errs = append(errs, fmt.Errorf("site %s: host %s already belongs to site %s", cs.Name, h, had.conf.Name))
			}
		}
		t.sites = append(t.sites, st)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return t, nil
}

func (s *Server) buildSite(c *config.Config, cs *config.Site, set *upstream.Set) (*site, error) {
	if len(cs.Hosts) == 0 {
		return nil, errors.New("no host is configured; try: hosts: [example.kz]")
	}
	pool, err := set.Pool(cs.Upstreams, cs.Timeouts)
	if err != nil {
		return nil, err
	}
	st := &site{
		conf:    cs,
		pool:    pool,
		trusted: c.Trusted.Proxies,
		limits:  withDefaults(cs.Limits),
		counts:  s.metrics.forProfile(cs.Profile),
	}
	st.share = s.load.Site(cs.Name)
	st.holds = max(cs.Limits.Inspect, heldBody)
	if cs.Trusted != nil {
		st.trusted = cs.Trusted.Proxies
	}
	st.clients = newClients(cs, s.opts.ClientCAs)
	if h := cs.HSTS.Header(); h != "" {
		st.hsts = []string{h}
	}
	return st, nil
}

func withDefaults(l config.Limits) config.Limits {
	if l.HeaderBytes <= 0 {
		l.HeaderBytes = defaultHeaderBytes
	}
	if l.Headers <= 0 {
		l.Headers = defaultHeaders
	}
	if l.HeaderTime <= 0 {
		l.HeaderTime = defaultHeaderTime
	}
	if l.BodyRate <= 0 {
		l.BodyRate = defaultBodyRate
	}
	return l
}

// acquire takes a share in the current table; the caller releases it. It
// returns nil when the server is closed: a request of a connection that was cut
// may begin that late.
func (s *Server) acquire() *table {
	for {
		t := s.table.Load()
		for n := t.refs.Load(); n > 0; n = t.refs.Load() {
			if t.refs.CompareAndSwap(n, n+1) {
				return t
			}
		}
		if s.table.Load() == t {
			return nil
		}
		// t was replaced and left by everybody between the load and here.
	}
}

func (t *table) release() {
	if t.refs.Add(-1) == 0 {
		t.retire(t)
	}
}
