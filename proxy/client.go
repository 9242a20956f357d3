package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// clientAddr says who asks. The peer's own address unless the peer is a
// trusted proxy; then X-Forwarded-For is walked from the right, over all its
// lines, past further trusted proxies to the first address that is not one.
// When what stands there is no address, the client is unknown: the zero Addr,
// never a guess. When every address is trusted the leftmost is the client.
func clientAddr(peer netip.Addr, h http.Header, trusted []netip.Prefix) netip.Addr {
	peer = plain(peer)
	lines := h["X-Forwarded-For"]
	if len(trusted) == 0 || len(lines) == 0 || !within(peer, trusted) {
		return peer
	}
	client := peer
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			var last string
			if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
				rest, last = rest[:comma], rest[comma+1:]
			} else {
				rest, last, more = "", rest, false
			}
			addr, ok := parseAddr(last)
			if !ok {
				return netip.Addr{}
			}
			client = addr
			if !within(addr, trusted) {
				return client
			}
		}
	}
	return client
}

// parseAddr reads one element of X-Forwarded-For: an address, with brackets
// and a port as some proxies add them.
func parseAddr(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	if a, err := netip.ParseAddr(s); err == nil {
		return plain(a), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return plain(ap.Addr()), true
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		if a, err := netip.ParseAddr(s[1 : len(s)-1]); err == nil && a.Is6() {
			return plain(a), true
		}
	}
	return netip.Addr{}, false
}

// plain takes the IPv4 address out of a mapped IPv6 one and drops the zone,
// so that one host is always one value.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func within(a netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// addrPort reads the address of a socket; the zero value for anything else.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(interface{ AddrPort() netip.AddrPort }); ok { // TCP and UDP
		ap := t.AddrPort()
		return netip.AddrPortFrom(plain(ap.Addr()), ap.Port())
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(plain(ap.Addr()), ap.Port())
}
