package proxy

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/exchange"
)

// Certificates of visitors. TLS 1.3 and HTTP/2 can not ask for one when a path
// is known: browsers are asked in the handshake, may have none, and are refused
// at the path. What the handshake proves is that the visitor has the key; whose
// certificate it is, and that it is good, is looked at with each request, so
// that neither a resumed session nor an old connection is believed longer than
// its certificate and its authority are (CVE-2025-23419, CVE-2025-68121).

// proofLife is how long a connection's certificate is believed without another
// look.
const proofLife = 10 * time.Second

// clients is what a site says of its visitors' certificates.
type clients struct {
	site    string
	pool    func() *x509.CertPool // nil: nobody's word is taken
	guarded guarded
	header  string // canonical name of the header with the subject, empty for none
	secured atomic.Pointer[secured]
}

func newClients(s *config.Site, pool func(file string) *x509.CertPool) *clients {
	c := s.ClientCertificates
	if !c.Wanted() {
		return nil
	}
	return &clients{
		site: s.Name, guarded: newGuarded(c.Paths, c.Except), header: http.CanonicalHeaderKey(c.Header),
		pool: func() *x509.CertPool {
			if pool == nil {
				return nil
			}
			return pool(c.CA)
		},
	}
}

// ticketKeys are keys of the site's own, made from everybody's: no session of
// another site is resumed here, nor one of this site elsewhere.
func (c *clients) ticketKeys(keys [][32]byte) [][32]byte {
	own := make([][32]byte, len(keys))
	for i := range keys {
		k, err := hkdf.Key(sha256.New, keys[i][:], nil, "qorgan session tickets\x00"+c.site, 32)
		if err != nil {
			panic(err) // the lengths are right
		}
		own[i] = [32]byte(k)
	}
	return own
}

// proof is what was found out about a connection's certificate.
type proof struct {
	pool  *x509.CertPool
	leaf  *x509.Certificate // nil: it is not good
	until time.Time
}

// proven returns the certificate that the visitor has shown, if it is good by
// the word of pool now.
func (k *conn) proven(state *tls.ConnectionState, pool *x509.CertPool, now time.Time) *x509.Certificate {
	if state == nil || len(state.PeerCertificates) == 0 || pool == nil {
		return nil
	}
	if p := k.proof.Load(); p != nil && p.pool == pool && now.Before(p.until) {
		return p.leaf
	}
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	leaf := state.PeerCertificates[0]
	p := &proof{pool: pool, until: now.Add(proofLife)}
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: pool, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err == nil {
		p.leaf = leaf
		if leaf.NotAfter.Before(p.until) {
			p.until = leaf.NotAfter
		}
	}
	k.proof.Store(p)
	return p.leaf
}

// visitor is the certificate of who asks, nil without a good one.
func (c *call) visitor(r *http.Request) *x509.Certificate {
	if c.site == nil || c.site.clients == nil || !c.x.TLS {
		return nil
	}
	return c.conn.proven(r.TLS, c.site.clients.pool(), c.x.Start)
}

// barred reports whether the request is for a part of the site that wants a
// certificate, and comes without a good one.
func (c *call) barred(r *http.Request) bool {
	s := c.site.clients
	return s != nil && s.guarded.has(c.path) && c.visitor(r) == nil
}

// bar is the refusal of a barred request.
func (c *call) bar(method string) *exchange.Refusal {
	f := c.refusal(method, http.StatusForbidden, "client-certificate")
	f.Certificate = true
	return f
}

// subject is a certificate's subject in one line of visible ASCII (RFC 4514).
func subject(leaf *x509.Certificate) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(leaf.Subject.String()) {
		if c < 0x20 || c > 0x7e {
			b.WriteString(`\` + string(hex[c>>4]) + string(hex[c&15]))
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
