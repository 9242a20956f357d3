package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/certs"
	"github.com/qorgan/qorgan/certs/dns01"
	"github.com/qorgan/qorgan/certs/postgres"
	"github.com/qorgan/qorgan/config"
)

// buildTLS returns the source of certificates for sites, nil without TLS, and
// opens that of public ones if sites or the console in this process want any.
func (e *edge) buildTLS(c *config.Config, at state) (*tls.Config, error) {
	folder := at.certs
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
		if e.acme, err = newACME(c, folder, portOf(c.HTTP), tlsPort, serves, written, e.provers, e.log); err != nil {
			return nil, err
		}
	}
	if c.TLS.Mode == "off" {
		return nil, nil
	}
	e.files = certs.NewFiles(component(e.log, "certs"))
	e.people = certs.NewClientCAs(component(e.log, "certs"))
	use, err := e.prepareTLS(c)
	if err != nil {
		return nil, err
	}
	use()
	if err := e.openTickets(c, at); err != nil {
		return nil, err
	}
	if sites {
		return e.ownFirst(e.acme.ServerConfig()), nil
	}
	local, err := newLocal(c, folder, e.names.serves)
	if err != nil {
		return nil, err
	}
	return e.ownFirst(certs.ServerConfig(local.Certificate)), nil
}

// ownFirst has the owners' own certificates shown in place of others.
func (e *edge) ownFirst(t *tls.Config) *tls.Config {
	otherwise := t.GetCertificate
	t.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if own := e.files.Find(hello.ServerName); own != nil {
			return own, nil
		}
		return otherwise(hello)
	}
	return t
}

// prepareTLS reads the files that sites name, and returns what puts them into
// force.
func (e *edge) prepareTLS(c *config.Config) (use func(), err error) {
	if e.files == nil {
		return func() {}, nil
	}
	own, err := prepareFiles(e.files, c)
	people, peopleErr := prepareClientCAs(e.people, c)
	var records map[string]*dns01.Solver
	var recordsErr error
	if e.acme != nil {
		records, recordsErr = prepareDNS(c, e.acme.Storage(), e.log)
	}
	return func() {
		e.files.Use(own)
		e.people.Use(people)
		e.provers.use(records)
	}, errors.Join(err, peopleErr, recordsErr)
}

// openTickets opens the keys of session tickets, where certificates are kept.
func (e *edge) openTickets(c *config.Config, at state) error {
	var s certs.Storage
	end := func() error { return nil }
	switch {
	case !at.shares:
	case e.acme != nil:
		s = e.acme.Storage()
	default:
		var err error
		if s, _, end, err = openStorage(context.Background(), c, at.certs); err != nil {
			return err
		}
	}
	e.tickets, e.ticketsEnd = certs.NewTickets(s, component(e.log, "certs")), end
	return nil
}

// prepareClientCAs reads the authorities of visitors' certificates.
func prepareClientCAs(people *certs.ClientCAs, c *config.Config) (*certs.ClientCASet, error) {
	var files, at []string
	for i, s := range c.Sites {
		if s.ClientCertificates.Wanted() {
			files = append(files, s.ClientCertificates.CA)
			at = append(at, fmt.Sprintf("sites[%d].client_certificates.ca", i))
		}
	}
	set, err := people.Prepare(files)
	return set, fileMistakes(c, at, err)
}

// prepareFiles reads the sites' own certificates.
func prepareFiles(files *certs.Files, c *config.Config) (*certs.FileSet, error) {
	var pairs []certs.Pair
	var at []string
	for i, s := range c.Sites {
		if s.TLS.Certificate != "" {
			pairs = append(pairs, certs.Pair{Certificate: s.TLS.Certificate, Key: s.TLS.Key, Hosts: s.Hosts})
			at = append(at, fmt.Sprintf("sites[%d].tls.certificate", i))
		}
	}
	set, err := files.Prepare(pairs)
	return set, fileMistakes(c, at, err)
}

// fileMistakes says where the files were written that can not be used.
func fileMistakes(c *config.Config, at []string, err error) error {
	var mistakes []error
	for _, cause := range causes(err) {
		var wrong *certs.FileError
		if errors.As(cause, &wrong) {
			cause = c.Mistake(at[wrong.Index], wrong.Error(), wrong.Hint)
		}
		mistakes = append(mistakes, cause)
	}
	return errors.Join(mistakes...)
}

// newACME opens the manager of public certificates below folder. A port of 0
// is no listener. records are filled with what proves names by them.
func newACME(c *config.Config, folder string, httpPort, tlsPort int, serves, written func(name string) bool, records *provers, log zerolog.Logger) (*certs.ACME, error) {
	o := certs.ACMEOptions{
		Email: c.TLS.Email, Serves: serves, Written: written, DNS: records.find,
		HTTPPort: httpPort, TLSPort: tlsPort, Logger: component(log, "certs"),
		Ask: c.TLS.Ask, NewNames: certs.NewNames{PerDomain: c.TLS.NewNames.PerDomain, PerHour: c.TLS.NewNames.PerHour},
	}
	var err error
	if o.Authorities, err = authorities(c); err != nil {
		return nil, err
	}
	for _, p := range c.TLS.Addresses {
		o.Addresses = append(o.Addresses, p.Addr().Unmap())
	}
	var end func() error
	if o.Storage, o.Shared, end, err = openStorage(context.Background(), c, folder); err != nil {
		return nil, err
	}
	o.Closed = end
	hosts, err := prepareDNS(c, o.Storage, log)
	if err != nil {
		return nil, errors.Join(err, end())
	}
	records.use(hosts)
	m, err := certs.NewACME(o)
	if err != nil {
		return nil, errors.Join(err, end())
	}
	return m, nil
}

// openStorage opens where certificates of public authorities are kept, and
// returns what closes it.
func openStorage(ctx context.Context, c *config.Config, folder string) (s certs.Storage, shared bool, end func() error, err error) {
	s, end = certs.Folder(acmeFolder(folder)), func() error { return nil }
	if at := c.TLS.Storage.Reveal(); at != "" {
		db, err := postgres.Open(ctx, at)
		if err != nil {
			return nil, false, nil, c.Mistake("tls.storage", err.Error(), "postgres://user:password@host/database, of a PostgreSQL that runs")
		}
		s, shared, end = db, true, db.Close
	}
	if key := c.TLS.StorageKey.Reveal(); key != "" {
		if s, err = certs.Sealed(s, key); err != nil {
			return nil, false, nil, errors.Join(c.Mistake("tls.storage_key", err.Error(), "the output of openssl rand -base64 32, by file: or env:"), end())
		}
	}
	return s, shared, end, nil
}

// acmeFolder is where the certificates of public authorities lie.
func acmeFolder(folder string) string { return filepath.Join(folder, "acme") }

// authorities are those of c in the order they are tried.
func authorities(c *config.Config) ([]certs.Authority, error) {
	var list []certs.Authority
	for _, a := range append([]config.Authority{{
		Directory: c.TLS.Directory, Roots: c.TLS.Roots, Profile: c.TLS.Profile,
		Accounts: c.TLS.Accounts, Orders: c.TLS.Orders, Binding: c.TLS.Binding,
	}}, c.TLS.Fallback...) {
		if a.Email == "" {
			a.Email = c.TLS.Email
		}
		by, err := authority(c, a)
		if err != nil {
			return nil, err
		}
		list = append(list, by)
	}
	return list, nil
}

// authority is one as the manager knows it.
func authority(c *config.Config, a config.Authority) (certs.Authority, error) {
	by := certs.Authority{
		Email: a.Email, Profile: a.Profile, Accounts: a.Accounts,
		KeyID: a.Binding.ID, MACKey: a.Binding.Key.Reveal(),
	}
	if a.Directory != nil {
		by.Directory = a.Directory.String()
	}
	if a.Orders > 0 {
		by.Orders, by.OrdersIn = a.Orders, 3*time.Hour
	}
	if a.Roots == "" {
		return by, nil
	}
	pem, err := os.ReadFile(a.Roots)
	if err != nil {
		return by, c.Mistake("tls.roots", err.Error(), "a file this user may read")
	}
	by.Roots = x509.NewCertPool()
	if !by.Roots.AppendCertsFromPEM(pem) {
		return by, c.Mistake("tls.roots", a.Roots+" holds no certificate", "a file of certificates in PEM")
	}
	return by, nil
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
