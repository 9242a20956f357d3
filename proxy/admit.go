package proxy

import (
	"net/http"
	"strings"

	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/proxy/wire"
)

// maxRanges is how many byte ranges one request may ask for; more is a way to
// make the upstream work for little (CVE-2011-3192).
const maxRanges = 5

// admit checks what holds for every site and every mode: that the request has
// a site, that its head and announced body stay within limits, and that its
// target can be forwarded as it came. It returns the refusal, or nil.
func (c *call) admit(t *table, r *http.Request) *exchange.Refusal {
	if c.site == nil {
		return &exchange.Refusal{Status: http.StatusMisdirectedRequest}
	}
	if r.Method == http.MethodConnect {
		return c.refusal(r.Method, http.StatusMethodNotAllowed, "connect")
	}
	if c.conn.wire == nil { // whose head was not read strictly
		if bad := wire.Judge(r.Method, c.x.Target, r.Header["Content-Length"]); bad != nil {
			return c.refusal(r.Method, bad.Status, bad.Name)
		}
		if hosts := r.Header["Host"]; len(hosts) > 0 && (len(hosts) > 1 || !strings.EqualFold(hosts[0], c.host)) {
			return c.refusal(r.Method, http.StatusBadRequest, wire.HostRepeated)
		}
		if !wire.ValidHost(c.host) {
			return c.refusal(r.Method, http.StatusBadRequest, wire.HostInvalid)
		}
	}
	// Connections of one certificate may be reused for another name (RFC 9110,
	// section 7.4): welcome within a site, refused across sites.
	if tls := r.TLS; tls != nil && tls.ServerName != "" && t.hosts.find(routingHost(tls.ServerName)) != c.site {
		return &exchange.Refusal{Status: http.StatusMisdirectedRequest}
	}
	if !c.splitTarget(r) {
		return c.refusal(r.Method, http.StatusBadRequest, "target-form")
	}
	if c.x.TLS && c.barred(r) { // who came without TLS may be sent to it first
		return c.bar(r.Method)
	}
	limits := &c.site.limits
	if len(c.x.Fields) > limits.Headers {
		return c.refusal(r.Method, http.StatusRequestHeaderFieldsTooLarge, "header-count")
	}
	size := len(r.Method) + len(c.x.Target) + len(c.x.Proto) + 4
	for i := range c.x.Fields {
		size += len(c.x.Fields[i].Name) + len(c.x.Fields[i].Value) + 4
	}
	if size > limits.HeaderBytes {
		if len(c.x.Target) > limits.HeaderBytes/2 {
			return c.refusal(r.Method, http.StatusRequestURITooLong, "target-length")
		}
		return c.refusal(r.Method, http.StatusRequestHeaderFieldsTooLarge, "header-bytes")
	}
	if limits.Body > 0 && r.ContentLength > limits.Body {
		return c.refusal(r.Method, http.StatusRequestEntityTooLarge, "body-length")
	}
	if c.server.opts.StrictHeaders {
		for name := range r.Header {
			if !wire.Plain(name) {
				return c.refusal(r.Method, http.StatusBadRequest, "header-name")
			}
		}
	}
	if rng := r.Header["Range"]; len(rng) > 0 && (len(rng) > 1 || strings.Count(rng[0], ",") >= maxRanges) {
		return c.refusal(r.Method, http.StatusRequestedRangeNotSatisfiable, "range-count")
	}
	return nil
}

// splitTarget takes apart the request target into the path and query that the
// upstream's request line will have, byte for byte. The absolute form loses its
// scheme and authority (RFC 9112, section 3.2.2).
func (c *call) splitTarget(r *http.Request) bool {
	target := c.x.Target
	if !strings.HasPrefix(target, "/") {
		_, rest, absolute := strings.Cut(target, "://")
		if !absolute {
			if target == "*" && r.Method == http.MethodOptions {
				c.path = "*"
				return true
			}
			return false
		}
		if slash := strings.IndexAny(rest, "/?"); slash < 0 {
			target = "/"
		} else if target = rest[slash:]; target[0] == '?' {
			target = "/" + target
		}
	}
	var question bool
	c.path, c.query, question = strings.Cut(target, "?")
	c.bareQuestion = question && c.query == ""
	return true
}
