package upstream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
)

// Error is a request that got no response.
type Error struct {
	Peer string
	Err  error

	// Status is what the visitor is answered: 504 when the server did not
	// answer in time, 502 for everything else.
	Status int
	// Kind is a stable name for metrics: refused, timeout, dial, tls, response.
	Kind string
	// Hint says what the operator may do.
	Hint string
}

// Error implements error.
func (e *Error) Error() string { return "upstream " + e.Peer + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func newError(p *Peer, err error) *Error {
	e := &Error{Peer: p.String(), Err: err, Status: http.StatusBadGateway}
	var timeout interface{ Timeout() bool }
	var op *net.OpError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Kind, e.Hint = "refused", "nothing listens there: start the web server, or correct the upstream's port"
	case errors.As(err, &dns):
		e.Kind, e.Hint = "dial", "the upstream's name does not resolve: correct it, or give an address"
	case errors.As(err, &cert) && len(cert.UnverifiedCertificates) > 0:
		cause, words := inWords(cert.Err, cert.UnverifiedCertificates[0], p.hostname())
		e.Kind, e.Hint, e.Err = "tls", certificateHint(cause), fmt.Errorf("%s: %w", words, err)
	case errors.As(err, &record):
		e.Kind, e.Hint = "tls", "the upstream does not speak TLS on this port: use http://"
	case errors.As(err, &timeout) && timeout.Timeout():
		e.Kind, e.Status = "timeout", http.StatusGatewayTimeout
		e.Hint = "the upstream did not answer in time: look for slow PHP, or raise the site's timeouts"
	case errors.As(err, &op) && op.Op == "dial":
		e.Kind, e.Hint = "dial", "the upstream cannot be reached: check its address and the firewall between"
	default:
		e.Kind, e.Hint = "response", "the upstream closed the connection or sent no valid HTTP: see its error log"
	}
	return e
}
