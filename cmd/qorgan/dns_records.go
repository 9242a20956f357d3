package main

import (
	"errors"
	"strings"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/certs"
	"github.com/qorgan/qorgan/certs/dns01"
	"github.com/qorgan/qorgan/certs/dns01/providers"
	"github.com/qorgan/qorgan/config"
)

// provers are what proves names by records in the DNS: those of the sites in
// force. The zero value has none; it is safe for concurrent use.
type provers struct {
	hosts atomic.Pointer[map[string]*dns01.Solver]
}

// use puts what prepareDNS made into force.
func (p *provers) use(hosts map[string]*dns01.Solver) { p.hosts.Store(&hosts) }

// find returns what proves a name, nil where nothing does. A name that only a
// wildcard fits is proved as that.
func (p *provers) find(name string) *dns01.Solver {
	hosts := p.hosts.Load()
	if hosts == nil {
		return nil
	}
	if s, ok := (*hosts)[name]; ok {
		return s
	}
	_, parent, _ := strings.Cut(name, ".")
	return (*hosts)["*."+parent]
}

// prepareDNS opens the providers of the sites' records, one for all sites with
// the same, and returns the hosts that each proves. It contacts nobody.
func prepareDNS(c *config.Config, storage certs.Storage, log zerolog.Logger) (map[string]*dns01.Solver, error) {
	var locks dns01.Locker // one process has no need of any
	if c.TLS.Storage.Reveal() != "" {
		locks = storage
	}
	hosts := map[string]*dns01.Solver{}
	opened := map[string]*dns01.Solver{}
	open := func(d config.DNS, at string) (s *dns01.Solver, err error) {
		s, known := opened[at] // one that failed as well: its mistake is said once
		if !known {
			s, err = openDNS(c, d, at, locks, log)
			opened[at] = s
		}
		return s, err
	}
	var errs []error
	for i, s := range c.Sites {
		d, at := c.DNSOf(i)
		if !d.Set() {
			continue
		}
		solver, err := open(d, at)
		errs = append(errs, err)
		for _, h := range s.Hosts {
			if h != "*" {
				hosts[h] = solver
			}
		}
	}
	if _, taken := hosts[c.Console.Name()]; !taken && c.TLS.DNS.Set() && c.Console.Name() != "" {
		solver, err := open(c.TLS.DNS, "tls.dns")
		errs = append(errs, err)
		hosts[c.Console.Name()] = solver
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return hosts, nil
}

// openDNS opens one provider. at is where the configuration names it.
func openDNS(c *config.Config, d config.DNS, at string, locks dns01.Locker, log zerolog.Logger) (*dns01.Solver, error) {
	settings := providers.Settings{}
	for key, value := range d.Settings {
		settings[key] = value.Reveal()
	}
	p, secrets, err := providers.Open(d.Provider, settings)
	var wrong *providers.SettingError
	switch {
	case errors.As(err, &wrong):
		return nil, c.Mistake(at+"."+wrong.Setting, wrong.Message, wrong.Hint)
	case err != nil:
		return nil, c.Mistake(at, err.Error(), "")
	}
	if len(d.Resolvers) > 0 {
		providers.Resolve(d.Resolvers)
	}
	s, err := dns01.New(dns01.Options{Provider: p, Name: d.Provider, Wait: d.Wait, Resolvers: d.Resolvers,
		Locks: locks, Secrets: secrets, Logger: component(log, "certs")})
	if err != nil {
		return nil, c.Mistake(at+".resolvers", err.Error(), "resolvers: [9.9.9.9]")
	}
	return s, nil
}
