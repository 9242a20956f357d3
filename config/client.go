package config

import (
	"fmt"
	"regexp"
	"strings"
)

// ClientCertificates has a part of a site open only to who shows a certificate.
// Browsers are asked for one when they connect; who has none sees the rest of
// the site.
type ClientCertificates struct {
	// CA is a file with the certificates, in PEM, of the authority that gave your
	// people theirs. It is watched. None by default, and everything is open.
	CA string `yaml:"ca"`
	// Paths are the parts, at least one: /wp-admin is that path and all below it,
	// */wp-admin the same in any folder, / the whole site.
	Paths []string `yaml:"paths"`
	// Except are paths that are open all the same, exactly as they are written:
	// /wp-admin/admin-ajax.php, which many themes have visitors ask. None by
	// default.
	Except []string `yaml:"except"`
	// Header is the name of a header, X-…, in which the upstream is told the
	// subject of a certificate that was shown and is good. None by default.
	Header string `yaml:"header"`
}

// Wanted reports whether any part of the site asks for a certificate.
func (c ClientCertificates) Wanted() bool { return len(c.Paths) > 0 }

// clientHeader is a name that no spelling of another header becomes on its way
// through CGI.
var clientHeader = regexp.MustCompile(`^[Xx]-[A-Za-z0-9]+(-[A-Za-z0-9]+)*$`)

// spokenFor are headers by which the edge or others already say something.
var spokenFor = []string{"x-forwarded", "x-real-", "x-client-ip", "x-original-", "x-rewrite-", "x-cluster-", "x-host", "x-remote-"}

// clients checks what is said about visitors' certificates.
func (k checker) clients(at string, s *Site) {
	c := s.ClientCertificates
	switch {
	case c.CA == "" && len(c.Paths)+len(c.Except) == 0 && c.Header == "":
		return
	case c.CA == "":
		k.wrong(at+".ca", "ca: people.pem", "nobody says whose certificates are good")
	case len(c.Paths) == 0:
		k.wrong(at+".paths", "paths: [/wp-admin, /wp-login.php]", "no path asks for a certificate")
	case k.TLS.Mode == "off":
		k.wrong(at, "tls: {mode: internal}, or leave it out", "visitors show certificates over TLS only, and tls.mode is off")
	}
	for i, p := range c.Paths {
		if rest := strings.TrimPrefix(p, "*"); !isPlainPath(rest) || p == "*/" {
			k.wrong(fmt.Sprintf("%s.paths[%d]", at, i), "/wp-admin or */wp-admin", "%q is not a path", p)
		}
	}
	for i, p := range c.Except {
		if !isPlainPath(p) {
			k.wrong(fmt.Sprintf("%s.except[%d]", at, i), "/wp-admin/admin-ajax.php", "%q is not a path", p)
		}
	}
	if c.Header == "" {
		return
	}
	taken := !clientHeader.MatchString(c.Header)
	for _, prefix := range spokenFor {
		taken = taken || strings.HasPrefix(strings.ToLower(c.Header), prefix)
	}
	if taken {
		k.wrong(at+".header", "header: X-Client-Subject", "%q can not be the header's name", c.Header)
	}
}

// isPlainPath reports whether p is a path as every server reads it.
func isPlainPath(p string) bool {
	return strings.HasPrefix(p, "/") && !strings.ContainsAny(p, "%?#*\\; ") && !strings.Contains(p, "//") && !strings.Contains(p, "/.")
}
