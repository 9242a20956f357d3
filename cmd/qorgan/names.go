package main

import (
	"strings"
	"sync/atomic"

	"github.com/qorgan/qorgan/config"
)

// names are the host names that deserve a certificate: those of the sites in
// force. The zero value serves none; it is safe for concurrent use.
type names struct {
	hosts atomic.Pointer[map[string]bool]
}

// use puts the hosts of sites into force.
func (n *names) use(sites []*config.Site) {
	hosts := make(map[string]bool, len(sites))
	for _, s := range sites {
		for _, h := range s.Hosts {
			hosts[h] = true
		}
	}
	n.hosts.Store(&hosts)
}

// serves reports whether name is one of the hosts, by itself or through a
// wildcard.
func (n *names) serves(name string) bool {
	hosts := n.hosts.Load()
	if hosts == nil {
		return false
	}
	_, parent, _ := strings.Cut(name, ".")
	return (*hosts)[name] || (*hosts)["*."+parent] || (*hosts)["*"]
}

// written reports whether name stands among the hosts as it is.
func (n *names) written(name string) bool {
	hosts := n.hosts.Load()
	return hosts != nil && (*hosts)[name]
}
