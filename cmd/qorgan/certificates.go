package main

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/certs"
	"github.com/qorgan/qorgan/config"
)

// buildTLS returns the source of certificates for sites, nil without TLS, and
// opens that of public ones if sites or the console in this process want any.
func (e *edge) buildTLS(c *config.Config, folder string) (*tls.Config, error) {
	sites := c.TLS.Mode == "acme"
	if sites || c.Console.Name() != "" {
		// Without TLS listeners of its own, the console's is where the authority
		// may look beside the plain one.
		tlsPort := portOf(c.HTTPS)
		if !sites {
			tlsPort = portOf([]string{c.Console.Listen})
		}
		serves := func(name string) bool {
			return name != "" && (sites && e.names.serves(name) || name == e.config.Load().Console.Name())
		}
		written := func(name string) bool { return e.names.written(name) || name == e.config.Load().Console.Name() }
		var err error
		if e.acme, err = newACME(c, folder, portOf(c.HTTP), tlsPort, serves, written, e.log); err != nil {
			return nil, err
		}
	}
	switch c.TLS.Mode {
	case "off":
		return nil, nil
	case "acme":
		return e.acme.ServerConfig(), nil
	}
	local, err := newLocal(c, folder, e.names.serves)
	if err != nil {
		return nil, err
	}
	return certs.ServerConfig(local.Certificate), nil
}

// newACME opens the manager of public certificates below folder. A port of 0
// is no listener.
func newACME(c *config.Config, folder string, httpPort, tlsPort int, serves, written func(name string) bool, log zerolog.Logger) (*certs.ACME, error) {
	o := certs.ACMEOptions{
		Dir: filepath.Join(folder, "acme"), Email: c.TLS.Email, Serves: serves, Written: written,
		HTTPPort: httpPort, TLSPort: tlsPort, Logger: component(log, "certs"),
	}
	var first certs.Authority
	if c.TLS.Directory != nil {
		first.Directory = c.TLS.Directory.String()
	}
	if c.TLS.Roots != "" {
		pem, err := os.ReadFile(c.TLS.Roots)
		if err != nil {
			return nil, c.Mistake("tls.roots", err.Error(), "a file this user may read")
		}
		first.Roots = x509.NewCertPool()
		if !first.Roots.AppendCertsFromPEM(pem) {
			return nil, c.Mistake("tls.roots", c.TLS.Roots+" holds no certificate", "a file of certificates in PEM")
		}
	}
	o.Authorities = []certs.Authority{first}
	return certs.NewACME(o)
}

// newLocal opens the local authority in folder.
func newLocal(c *config.Config, folder string, serves func(name string) bool) (*certs.Local, error) {
	local, err := certs.NewLocal(folder, serves)
	if err != nil {
		return nil, c.Mistake("data", err.Error(),
			"another folder, or move root.crt and root.key in "+folder+" away to have new ones made, which browsers must be told to trust anew")
	}
	return local, nil
}

// portOf returns the port of the first listener; 0 when there is none.
func portOf(listen []string) int {
	if len(listen) == 0 {
		return 0
	}
	_, port, err := net.SplitHostPort(listen[0])
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	return n
}
