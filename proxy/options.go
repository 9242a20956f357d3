package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
)

// Options is what a [Server] needs. Config is required, everything else may be
// left at its zero value.
type Options struct {
	Config *config.Config
	Logger zerolog.Logger

	// Middleware stands between the site table and the upstream, the first
	// element outermost. Each request's context carries its exchange.
	Middleware []func(http.Handler) http.Handler

	// Front stands before the site table, the first element outermost. Its
	// requests carry no exchange. It is where an ACME challenge is answered.
	Front []func(http.Handler) http.Handler

	// Record takes the events of requests that the proxy itself refused. Secrets
	// in them are for it to mask. It must not block.
	Record func(event.Event)

	// Redact masks secrets in the targets of the access log, which carries them
	// as they came when it is nil.
	Redact *event.Redactor

	// TLS is the source of certificates for the HTTPS listeners: GetCertificate
	// must be set, or Certificates be filled. The proxy sets NextProtos on its own
	// copies, keeping protocols it does not know, and all about session tickets
	// and visitors' certificates.
	TLS *tls.Config

	// TicketKeys returns the keys of session tickets, the first of which seals:
	// the same slice as long as they do not change. Keys of the server's own when
	// nil. It must be quick and safe for concurrent use.
	TicketKeys func() [][32]byte

	// ClientCAs returns the authorities in a file of a site's client_certificates,
	// nil when there are none: the same pool as long as they do not change. It
	// must be quick and safe for concurrent use.
	ClientCAs func(file string) *x509.CertPool

	// Inherited are sockets that listen already, opened by whoever started the
	// process. A configured address that one of them is bound to is served from it.
	// They stay the caller's; the server closes only its own copies.
	Inherited []net.Listener

	// Registry takes the metrics and is what AdminHandler serves. A registry of
	// its own is made when nil.
	Registry *prometheus.Registry

	// Pressure returns the share of the memory limit in use, 0 to 1. The runtime
	// and the container are asked when nil.
	Pressure func() float64

	// StrictHeaders answers 400 to a header name outside [A-Za-z0-9-] instead
	// of dropping the line.
	StrictHeaders bool
}

func (o *Options) validate() error {
	if o.Config == nil {
		return errors.New("proxy: no configuration given")
	}
	if len(o.Config.HTTPS) > 0 && o.TLS == nil {
		return errors.New("proxy: HTTPS listeners need a source of certificates; try: --tls internal, or leave out --https")
	}
	if o.Record == nil {
		o.Record = func(event.Event) {}
	}
	if o.TicketKeys == nil {
		o.TicketKeys = ownTicketKeys()
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	return nil
}
