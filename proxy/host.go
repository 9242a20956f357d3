package proxy

import (
	"strings"
)

// routingHost brings the authority of a request to the form sites are keyed
// by: lower case, without port, brackets and trailing dot. What is forwarded
// stays as it came.
func routingHost(authority string) string {
	h := authority
	if strings.HasPrefix(h, "[") {
		if end := strings.IndexByte(h, ']'); end > 0 {
			return strings.ToLower(h[1:end])
		}
		return strings.ToLower(h)
	}
	if i := strings.IndexByte(h, ':'); i >= 0 {
		h = h[:i]
	}
	h = strings.TrimSuffix(h, ".")
	return strings.ToLower(h) // allocates only when there is an upper-case letter
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
		name = routingHost(pattern)
		if had = h.exact[name]; had == nil {
			h.exact[name] = s
		}
	}
	return had
}
