package proxy

import (
	"crypto/tls"
	"errors"
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
	// or GetConfigForClient must be set, or Certificates be filled. The proxy
	// sets NextProtos on its own copy, keeping protocols it does not know.
	TLS *tls.Config

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
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	return nil
}
