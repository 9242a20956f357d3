package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// TLS configures certificates for sites.
type TLS struct {
	// Mode is off (no TLS listener), internal (certificates of the edge's own
	// local authority, which browsers do not know) or acme (certificates of a
	// public authority). internal by default.
	Mode string `yaml:"mode"`
	// Redirect sends visitors of the plain listener to the TLS one. By default
	// true with acme, false otherwise.
	Redirect bool `yaml:"redirect"`
	// Email is the account contact for public authorities. Empty by default.
	Email string `yaml:"email"`
	// Directory is the public authority's ACME directory. Let's Encrypt's by
	// default.
	Directory *url.URL `yaml:"directory"`
	// Roots is a file of certificates that the authority's own TLS is checked
	// with, for one of your own. The system's by default.
	Roots string `yaml:"roots"`
	// Profile is the kind of certificate, of those the authority offers. By
	// default tlsserver (45 days at Let's Encrypt) where it is offered, the
	// authority's own choice elsewhere. shortlived (six days) leaves about two
	// days to notice that renewals fail.
	Profile string `yaml:"profile"`
	// Accounts is the number of accounts that orders are spread over. 1 by
	// default.
	Accounts int `yaml:"accounts"`
	// Orders is how many new orders the authority takes of one account in three
	// hours. 300 by default, as Let's Encrypt's.
	Orders int `yaml:"orders"`
	// Binding ties the accounts to one that the authority knows already.
	Binding Binding `yaml:"binding"`
	// Fallback are further authorities, tried in their order when those before
	// them issue nothing. None by default.
	Fallback []Authority `yaml:"fallback"`
	// Ask is an address that is asked, with domain=NAME&client=ADDRESS, whether a
	// name that stands in no hosts as it is, but fits a wildcard there, deserves a
	// certificate: 200 is yes, 4xx no. Nobody is asked by default.
	Ask *url.URL `yaml:"ask"`
	// NewNames bounds certificates of names that fit a wildcard of hosts only.
	NewNames NewNames `yaml:"new_names"`
	// Storage is the address of a PostgreSQL in which several edges keep the
	// certificates of the same names: postgres://user:password@host/database. One
	// edge issues, all serve. A folder below data by default.
	Storage Secret `yaml:"storage"`
	// StorageKey encrypts private keys in the storage: 32 bytes in base64, as
	// openssl rand -base64 32 makes them. Not encrypted by default.
	StorageKey Secret `yaml:"storage_key"`
	// Addresses are this edge's addresses as the internet sees them: a name that
	// leads to any other gets no certificate. By default none, and where a name
	// leads is not looked at: behind NAT, a load balancer or a CDN the edge can
	// not know.
	Addresses []netip.Prefix `yaml:"addresses"`
	// DNS proves the names of all sites by records, but those of a site that says
	// otherwise, and those that only "*" fits. HTTP and TLS prove them by default.
	DNS DNS `yaml:"dns"`
}

// Authority is a further public authority.
type Authority struct {
	// Directory is its ACME directory; there is no default.
	Directory *url.URL `yaml:"directory"`
	// Roots is a file of certificates that its own TLS is checked with. The
	// system's by default.
	Roots string `yaml:"roots"`
	// Email is the account contact. That of tls by default.
	Email string `yaml:"email"`
	// Profile is the kind of certificate, as in tls. As there by default.
	Profile string `yaml:"profile"`
	// Accounts is the number of accounts that orders are spread over. 1 by
	// default.
	Accounts int `yaml:"accounts"`
	// Orders is how many new orders it takes of one account in three hours. 300
	// by default.
	Orders int `yaml:"orders"`
	// Binding ties the accounts to one that the authority knows already.
	Binding Binding `yaml:"binding"`
}

// Binding is an external account binding (RFC 8555, section 7.3.4), which some
// authorities ask for.
type Binding struct {
	// ID is the key identifier the authority gave you. Empty by default.
	ID string `yaml:"id"`
	// Key is the MAC key it gave you, base64url. Empty by default.
	Key Secret `yaml:"key"`
}

// NewNames bounds the certificates for names that visitors bring.
type NewNames struct {
	// PerDomain is how many new names of one registered domain are ordered for in
	// a week. 40 by default; Let's Encrypt takes 50.
	PerDomain int `yaml:"per_domain"`
	// PerHour is how many are ordered for in an hour, all together; not looked at
	// where ask decides. 100 by default.
	PerHour int `yaml:"per_hour"`
}

// SiteTLS is a certificate of the owner's own. The files are watched, and taken
// when they change and are good.
type SiteTLS struct {
	// Certificate is a file with the certificate and those it was signed with, in
	// PEM. One that is issued by default.
	Certificate string `yaml:"certificate"`
	// Key is the file of its private key, in PEM. None by default.
	Key string `yaml:"key"`
	// DNS proves this site's names by records. As in tls by default.
	DNS DNS `yaml:"dns"`
}

// beside lets relative paths begin at the file they were written in.
func (s *Site) beside(file string) {
	s.TLS.Certificate, s.TLS.Key = beside(file, s.TLS.Certificate), beside(file, s.TLS.Key)
	s.ClientCertificates.CA = beside(file, s.ClientCertificates.CA)
}

// tls checks what is said about certificates and fills what depends on it.
func (k checker) tls() {
	if _, said := k.origin["tls.redirect"]; !said {
		k.TLS.Redirect = k.TLS.Mode == "acme"
	}
	k.email("tls.email", k.TLS.Email)
	k.authority("tls", k.TLS.Directory, k.TLS.Accounts, k.TLS.Orders, k.TLS.Binding)
	k.dns("tls.dns", k.TLS.DNS)
	if k.TLS.DNS.Provider == "off" {
		k.wrong("tls.dns.provider", "no dns at all", "nothing is left to turn off")
	}
	for i, a := range k.TLS.Fallback {
		at := fmt.Sprintf("tls.fallback[%d]", i)
		if a.Directory == nil {
			k.wrong(at, "directory: https://dv.acme-v02.api.pki.goog/directory", "an authority without its directory")
			continue
		}
		k.email(at+".email", a.Email)
		k.authority(at, a.Directory, a.Accounts, a.Orders, a.Binding)
	}
	if ask := k.TLS.Ask; ask != nil && (ask.Scheme != "http" && ask.Scheme != "https" || ask.Host == "" || ask.User != nil) {
		k.wrong("tls.ask", "http://127.0.0.1:8000/may-have-certificate", "%q is no address to ask at", ask)
	}
	for i, p := range k.TLS.Addresses {
		if p.IsValid() && !p.IsSingleIP() {
			k.wrong(fmt.Sprintf("tls.addresses[%d]", i), "each address by itself", "%s is a range, not an address", p)
		}
	}
	k.atLeast("tls.new_names.per_domain", k.TLS.NewNames.PerDomain, 0, "%d is negative", k.TLS.NewNames.PerDomain)
	k.atLeast("tls.new_names.per_hour", k.TLS.NewNames.PerHour, 0, "%d is negative", k.TLS.NewNames.PerHour)
}

func (k checker) email(path, e string) {
	if e != "" && !strings.Contains(e, "@") {
		k.wrong(path, "email: admin@example.kz", "%q is not a mail address", e)
	}
}

// authority checks what is said of one.
func (k checker) authority(at string, directory *url.URL, accounts, orders int, b Binding) {
	if directory != nil && directory.Scheme != "https" && !isLoopback(directory.Hostname()) {
		k.wrong(at+".directory", "https://…", "keys are not asked for over %q", directory.Scheme)
	}
	k.atLeast(at+".accounts", accounts, 0, "%d is negative", accounts)
	k.atLeast(at+".orders", orders, 0, "%d is negative", orders)
	if (b.ID == "") != (b.Key.Reveal() == "") {
		k.wrong(at+".binding", "binding: {id: …, key: file:/etc/qorgan/binding}", "a binding needs an id and a key")
	}
}

// siteTLS checks the certificate of a site's own.
func (k checker) siteTLS(at string, s *Site) {
	if (s.TLS.Certificate == "") != (s.TLS.Key == "") {
		k.wrong(at+".tls", "tls: {certificate: shop.pem, key: shop.key}", "a certificate of your own needs both its files")
	}
	k.dns(at+".tls.dns", s.TLS.DNS)
	if s.TLS.DNS.Set() && slices.Contains(s.Hosts, "*") {
		k.wrong(at+".tls.dns", "the names themselves, or no dns", "nobody can place records for any name")
	}
	if s.TLS.Certificate == "" {
		return
	}
	if k.TLS.Mode == "off" {
		k.wrong(at+".tls", "tls: {mode: internal}, or no certificate", "a certificate while tls.mode is off")
	}
}
