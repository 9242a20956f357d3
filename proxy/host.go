package proxy

import (
	"net/netip"
	"strings"
)

// routingHost brings the authority of a request to the form sites are keyed
// by: lower case, without port, brackets and trailing dot, an IPv6 address in
// its one canonical spelling (RFC 5952). What is forwarded stays as it came.
func routingHost(authority string) string {
	h := authority
	if strings.HasPrefix(h, "[") {
		if end := strings.IndexByte(h, ']'); end > 0 {
			h = h[1:end]
		}
		return oneSpelling(h)
	}
	if i := strings.IndexByte(h, ':'); i >= 0 {
		h = h[:i]
	}
	h = strings.TrimSuffix(h, ".")
	return strings.ToLower(h) // allocates only when there is an upper-case letter
}

// canonicalHost is the authority as the upstream is told it: in lower case and
// without the dot that ends a full name. A CMS builds links from it, and a
// cache behind us keys by it: one site, one spelling. It allocates only when
// there is something to change.
func canonicalHost(authority string) string {
	h := strings.ToLower(authority)
	name, port := h, ""
	if i := strings.LastIndexByte(h, ':'); i >= 0 && !strings.HasSuffix(h, "]") {
		name, port = h[:i], h[i:]
	}
	if !strings.HasSuffix(name, ".") {
		return h
	}
	return strings.TrimSuffix(name, ".") + port
}

// oneSpelling is the canonical spelling of an IP address, and anything else in
// lower case.
func oneSpelling(h string) string {
	if a, err := netip.ParseAddr(h); err == nil {
		return a.String()
	}
	return strings.ToLower(h)
}

// hosts finds a site by host name: an exact name first, then the longest
// "*.suffix", then "*".
type hosts struct {
	exact  map[string]*site
	suffix map[string]*site // keyed without "*."
	any    *site
}

func (h *hosts) find(name string) *site {
	if s := h.exact[name]; s != nil {
		return s
	}
	if len(h.suffix) > 0 {
		for rest := name; ; {
			i := strings.IndexByte(rest, '.')
			if i < 0 {
				break
			}
			rest = rest[i+1:]
			if s := h.suffix[rest]; s != nil {
				return s
			}
		}
	}
	return h.any
}

// add claims a host pattern for s and returns the site that already had it.
func (h *hosts) add(pattern string, s *site) *site {
	var had *site
	switch name, wild := strings.CutPrefix(pattern, "*."); {
	case pattern == "*":
		if had = h.any; had == nil {
			h.any = s
		}
	case wild:
		name = routingHost(name)
		if had = h.suffix[name]; had == nil {
			h.suffix[name] = s
		}
	default:
		// A configured IPv6 address has no port, and may stand without brackets.
		if name = routingHost(pattern); strings.Count(pattern, ":") > 1 && pattern[0] != '[' {
			name = oneSpelling(pattern)
		}
		if had = h.exact[name]; had == nil {
			h.exact[name] = s
		}
	}
	return had
}
