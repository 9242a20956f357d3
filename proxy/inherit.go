package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// inherited returns a listener on the socket of Options.Inherited that is bound
// to hostPort, nil when none is. The socket itself stays open: listeners come
// and go with reloads.
func (s *Server) inherited(hostPort string) (net.Listener, error) {
	for _, l := range s.opts.Inherited {
		tcp, ok := l.(*net.TCPListener)
		if !ok || !bound(tcp.Addr().(*net.TCPAddr).AddrPort(), hostPort) {
			continue
		}
		f, err := tcp.File()
		if err != nil {
			return nil, fmt.Errorf("copy the inherited socket: %w", err)
		}
		defer f.Close()
		return net.FileListener(f)
	}
	return nil, nil
}

// bound reports whether a socket bound to at is what listening on hostPort
// would give. A host by name is none: it may mean several addresses.
func bound(at netip.AddrPort, hostPort string) bool {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil || port != strconv.Itoa(int(at.Port())) {
		return false
	}
	if host == "" {
		return at.Addr().IsUnspecified()
	}
	want, err := netip.ParseAddr(host)
	return err == nil && want.Unmap() == at.Addr().Unmap()
}
