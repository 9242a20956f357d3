package proxy

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/qorgan/qorgan/proxy/wire"
)

// The rules of this file: the upstream may believe every header that speaks
// about the client, because what the client itself sent under such a name, in
// any spelling PHP or a plugin would take for it, is gone. Hop-by-hop headers
// end here, before ours are set, so that "Connection: X-Forwarded-For" cannot
// take ours away.

// forged lists, in canonical form, the headers by which proxies and plugins
// tell who the client is, which path or scheme was meant, or (Proxy) which
// proxy PHP should use. Clients have no business sending them.
var forged = headerSet(
	"Forwarded", "Forwarded-For", "X-Forwarded", "X-Forwarded-For", "X-Forwarded-By", "X-Forwarded-Host",
	"X-Forwarded-Server", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Proto", "X-Forwarded-Protocol",
	"X-Forwarded-Scheme", "X-Forwarded-Ssl", "X-Forwarded-Uri", "X-Forwarded-Path", "X-Original-Forwarded-For",
	"X-Original-Host", "X-Original-Uri", "X-Original-Url", "X-Rewrite-Url", "X-Host", "X-Real-Ip", "Real-Ip",
	"X-Client-Ip", "Client-Ip", "X-Cluster-Client-Ip", "Cluster-Client-Ip", "X-Remote-Ip", "X-Remote-Addr",
	"Remote-Addr", "X-Originating-Ip", "True-Client-Ip", "X-True-Client-Ip", "Cf-Connecting-Ip",
	"Cf-Connecting-Ipv6", "Cf-Pseudo-Ipv4", "Cf-Visitor", "Fastly-Client-Ip", "Fastly-Ssl", "Incap-Client-Ip",
	"X-Sucuri-Clientip", "X-Sucuri-Client-Ip", "X-Azure-Clientip", "X-Azure-Socketip", "X-Envoy-External-Address",
	"X-Appengine-User-Ip", "Fly-Client-Ip", "Do-Connecting-Ip", "Ar-Real-Ip", "X-Proxyuser-Ip",
	"Front-End-Https", "X-Url-Scheme", "Https", "X-Https", "Proxy",
)

// hopByHop ends at this hop (RFC 9110, section 7.6.1, and the old
// Proxy-Connection and Keep-Alive).
var hopByHop = headerSet("Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings")

func headerSet(names ...string) map[string]struct{} {
	m := make(map[string]struct{}, len(names))
	for _, n := range names {
		m[n] = struct{}{}
	}
	return m
}

// passes reports whether a client's header of this canonical name goes on to
// the upstream. CGI and PHP fold every character but [A-Za-z0-9-] that a name
// may have onto "_", where "-" goes too: X_Real.IP would arrive as X-Real-IP.
func passes(name string, connection []string) bool {
	if !wire.Plain(name) {
		return false
	}
	if _, no := hopByHop[name]; no {
		return false
	}
	if _, no := forged[name]; no {
		return false
	}
	return len(connection) == 0 || !hasToken(connection, name)
}

// hasToken reports whether a comma-separated header has a token, in any case.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for line != "" {
			var one string
			one, line, _ = strings.Cut(line, ",")
			if strings.EqualFold(strings.Trim(one, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// upgradeTo returns the protocol a client asks to switch to, when it is one
// that is tunnelled. That is WebSocket alone: what follows a switch is not
// inspected, and h2c would be a second, unseen way to send requests.
func upgradeTo(h http.Header) string {
	if up := h["Upgrade"]; len(up) == 1 && strings.EqualFold(up[0], "websocket") && hasToken(h["Connection"], "upgrade") {
		return "websocket"
	}
	return ""
}

// outgoing returns the headers the upstream receives: the client's, in the
// order of their lines within one name, without those that do not pass, and
// ours.
func (c *call) outgoing(r *http.Request, upgrade string) http.Header {
	in := r.Header
	out := make(http.Header, len(in)+6)
	connection := in["Connection"]
	for name, lines := range in {
		if passes(name, connection) {
			out[name] = lines
		}
	}
	if s := c.site.clients; s != nil && s.header != "" {
		delete(out, s.header)
		if leaf := c.visitor(r); leaf != nil {
			out[s.header] = []string{subject(leaf)}
		}
	}
	if hasToken(in["Te"], "trailers") {
		out["Te"] = []string{"trailers"}
	}
	if upgrade != "" {
		out["Connection"] = []string{"Upgrade"}
		out["Upgrade"] = []string{upgrade}
	}
	if _, ok := out["User-Agent"]; !ok {
		out["User-Agent"] = nil // or the transport sends its own
	}
	ours := c.ours[:]
	ours[0], ours[1], ours[2], ours[3] = addrString(c.x.Client), c.scheme, r.Host, c.port
	out["X-Forwarded-For"] = ours[0:1:1]
	out["X-Forwarded-Proto"] = ours[1:2:2]
	out["X-Forwarded-Host"] = ours[2:3:3]
	out["X-Forwarded-Port"] = ours[3:4:4]
	if c.x.Client.IsValid() {
		out["X-Real-Ip"] = ours[0:1:1]
	}
	return out
}

// addrString is the address as it is told to the upstream. An unknown client
// is said to be unknown (RFC 7239, section 6.2): silence would make the
// upstream take the edge for the client.
func addrString(a netip.Addr) string {
	if !a.IsValid() {
		return "unknown"
	}
	return a.String()
}

// seenScheme says how the visitor reached the site: what a trusted proxy in
// front says, else what this connection is.
func (c *call) seenScheme(r *http.Request, trustedPeer bool) {
	c.scheme, c.port = "http", ""
	if c.x.TLS {
		c.scheme = "https"
	}
	if trustedPeer {
		if v := r.Header["X-Forwarded-Proto"]; len(v) > 0 {
			last := v[len(v)-1]
			last = strings.Trim(last[strings.LastIndexByte(last, ',')+1:], " \t")
			if said := strings.ToLower(last); said == "http" || said == "https" {
				if said != c.scheme {
					c.port = map[string]string{"http": "80", "https": "443"}[said]
				}
				c.scheme = said
			}
		}
	}
	if c.port == "" {
		c.port = portString(c.x.Local.Port())
	}
}

func portString(p uint16) string {
	switch p {
	case 80:
		return "80"
	case 443:
		return "443"
	}
	return strconv.Itoa(int(p))
}

// fromUpstream moves a response's headers into what the visitor gets. The
// slices are moved, not copied: the transport has let go of them.
func fromUpstream(dst, src http.Header) {
	connection := src["Connection"]
	for name, lines := range src {
		if _, hop := hopByHop[name]; hop || len(connection) > 0 && hasToken(connection, name) {
			continue
		}
		if had := dst[name]; len(had) > 0 {
			lines = append(had[:len(had):len(had)], lines...)
		}
		dst[name] = lines
	}
}

// copyBuffers are shared by all copies of bodies.
var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}
