package wire

import (
	"bytes"
	"net/netip"
)

// ValidHost is how an authority that came over HTTP/2 or 3 is held to the same
// grammar.
func ValidHost(h string) bool { return validHost([]byte(h)) }

// validHost reports whether h is a host with an optional port, as a Host line
// or a target's authority names it: a registered name of letters, digits, "-",
// "_" and ".", an IPv4 address, or an IPv6 address in brackets. What RFC 3986
// allows besides (percent escapes, "!$&'()*+,;=", zones, an empty port) no
// client sends for a site that exists, and servers read it differently.
func validHost(h []byte) bool {
	if len(h) == 0 || len(h) > 261 {
		return false
	}
	if h[0] == '[' {
		end := bytes.IndexByte(h, ']')
		if end < 0 {
			return false
		}
		a, err := netip.ParseAddr(string(h[1:end]))
		return err == nil && a.Is6() && a.Zone() == "" && (end+1 == len(h) || h[end+1] == ':' && validPort(h[end+2:]))
	}
	name := h
	if i := bytes.IndexByte(h, ':'); i >= 0 {
		if !validPort(h[i+1:]) {
			return false
		}
		name = h[:i]
	}
	if len(name) == 0 || len(name) > 255 || name[0] == '.' || !all(name, isHost) {
		return false
	}
	return !bytes.Contains(name, []byte(".."))
}

func validPort(p []byte) bool {
	if len(p) == 0 || len(p) > 5 || p[0] == '0' || !all(p, isDigit) {
		return false
	}
	n := 0
	for _, b := range p {
		n = n*10 + int(b-'0')
	}
	return n <= 65535
}
