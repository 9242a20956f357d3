package proxy

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"slices"

	"github.com/quic-go/quic-go/http3"
)

// secured is what handshakes are answered with while the keys of session tickets
// and the authorities of visitors' certificates stay what they are. It is
// immutable.
type secured struct {
	keys [][32]byte
	pool *x509.CertPool
	tcp  *tls.Config
	quic *tls.Config
}

// holds reports whether it still is what it should be.
func (t *secured) holds(keys [][32]byte, pool *x509.CertPool) bool {
	return t != nil && t.pool == pool && &t.keys[0] == &keys[0]
}

// ownTicketKeys are for a server that was given none: they last as long as it.
func ownTicketKeys() func() [][32]byte {
	keys := make([][32]byte, 1)
	_, _ = rand.Read(keys[0][:]) // it does not fail
	return func() [][32]byte { return keys }
}

// tls is what handshakes are answered with at sites that want no certificate of
// visitors.
func (s *Server) tls() *secured {
	keys := s.opts.TicketKeys()
	t := s.secured.Load()
	if !t.holds(keys, nil) {
		t = s.secure(keys, nil, nil)
		t.tcp.GetConfigForClient = s.tcpFor
		s.secured.Store(t)
	}
	return t
}

// secure makes them. clients are those of a site that wants certificates.
func (s *Server) secure(keys [][32]byte, pool *x509.CertPool, clients *clients) *secured {
	c := s.opts.TLS.Clone()
	c.NextProtos = []string{"h2", "http/1.1"}
	for _, p := range s.opts.TLS.NextProtos {
		if !slices.Contains(c.NextProtos, p) {
			c.NextProtos = append(c.NextProtos, p)
		}
	}
	if clients != nil {
		c.ClientAuth, c.ClientCAs = tls.RequestClientCert, pool
		c.SetSessionTicketKeys(clients.ticketKeys(keys))
	} else {
		c.SetSessionTicketKeys(keys)
	}
	q := c.Clone()
	q.MinVersion = tls.VersionTLS13
	return &secured{keys: keys, pool: pool, tcp: c, quic: http3.ConfigureTLSConfig(q)}
}

// siteTLS is what the site of a handshake is answered with; nil where it is what
// all are.
func (s *Server) siteTLS(hello *tls.ClientHelloInfo) *secured {
	if hello.ServerName == "" || len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == "acme-tls/1" {
		return nil // an authority's question (RFC 8737) is nobody's visit
	}
	site := s.table.Load().hosts.find(routingHost(hello.ServerName))
	if site == nil || site.clients == nil {
		return nil
	}
	keys, pool := s.opts.TicketKeys(), site.clients.pool()
	t := site.clients.secured.Load()
	if !t.holds(keys, pool) {
		t = s.secure(keys, pool, site.clients)
		site.clients.secured.Store(t)
	}
	return t
}

// tcpFor is the tls.Config.GetConfigForClient of TCP.
func (s *Server) tcpFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if t := s.siteTLS(hello); t != nil {
		return t.tcp, nil
	}
	return nil, nil
}

// quicFor is that of QUIC, whose listener is given its settings once.
func (s *Server) quicFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if t := s.siteTLS(hello); t != nil {
		return t.quic, nil
	}
	return s.tls().quic, nil
}
