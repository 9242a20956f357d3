package config

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// DNS says who places the records that prove names to a public authority
// (DNS-01), which needs no open port and gives wildcards a certificate.
type DNS struct {
	// Provider serves the zones: rfc2136, acmedns, exec, webhook, or one of those
	// in docs/certificates.md, each with keys of its own. In a site, off proves its
	// names over HTTP and TLS. Nobody by default.
	Provider string `yaml:"provider"`
	// Resolvers are asked which zone a name lies in and which name servers it has,
	// an address with or without a port. The system's by default.
	Resolvers []string `yaml:"resolvers"`
	// Wait is how long all name servers of a zone may take to show a record. 2m by
	// default.
	Wait time.Duration `yaml:"wait"`
	// Settings are the provider's own keys, such as token. Which ones there are,
	// the provider decides; by default it has what it needs no key for.
	Settings map[string]Secret `yaml:"*"`
}

// Set reports whether records prove anything.
func (d DNS) Set() bool { return d.Provider != "" && d.Provider != "off" }

// DNSOf returns who places the records for a site's names, and where the
// configuration says so: the site's own word, or that of tls.
func (c *Config) DNSOf(site int) (d DNS, path string) {
	if own := c.Sites[site].TLS.DNS; own.Provider != "" {
		return own, fmt.Sprintf("sites[%d].tls.dns", site)
	}
	return c.TLS.DNS, "tls.dns"
}

// dns checks what does not depend on the provider.
func (k checker) dns(at string, d DNS) {
	if d.Provider == "" {
		if len(d.Settings)+len(d.Resolvers) > 0 || d.Wait != 0 {
			k.wrong(at, "provider: rfc2136, cloudflare or another of docs/certificates.md", "nobody is named who places records")
		}
		return
	}
	if d.Set() && k.TLS.Mode != "acme" && k.Console.TLS != "acme" {
		k.wrong(at, "tls: {mode: acme}, or no dns", "records prove names to a public authority, and tls.mode is %q", k.TLS.Mode)
	}
	for i, r := range d.Resolvers {
		host, _, err := net.SplitHostPort(r)
		if err != nil {
			host = strings.Trim(r, "[]")
		}
		if host == "" || strings.ContainsAny(host, "/ ") {
			k.wrong(fmt.Sprintf("%s.resolvers[%d]", at, i), "9.9.9.9 or 127.0.0.1:5353", "%q is not an address", r)
		}
	}
	k.notNegative(at+".wait", d.Wait)
}
