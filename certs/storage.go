package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"github.com/rs/zerolog"
)

// Storage keeps accounts, keys and certificates under names with slashes; its
// contract is certmagic's. Several edges may share one.
type Storage = certmagic.Storage

// Folder returns the storage in a folder of this machine.
func Folder(dir string) Storage { return &certmagic.FileStorage{Path: dir} }

// damagedSuffix is added to the name of what was set aside.
const damagedSuffix = ".damaged"

// shelf is where certificates lie, in the layout of certmagic and Caddy:
// certificates/AUTHORITY/NAME/NAME.crt, .key and .json. What can not be used is
// set aside there, so that it is obtained anew.
type shelf struct {
	storage Storage
	log     zerolog.Logger
	reads   bool // only: what can not be used is left where it is
}

// pairAgain is how long after a key and a certificate that do not belong
// together they are read again, and how often: another edge may be replacing
// them, one after the other.
const pairAgain, pairTries = 250 * time.Millisecond, 4

// stored is a certificate from the shelf. Leaf of pair is set.
type stored struct {
	pair      *tls.Certificate
	authority string // key of who issued it
	account   string // address of the account, empty when it is not known
	unsaved   error  // why it is not on the shelf, nil when it is
}

func (s *stored) leaf() *x509.Certificate { return s.pair.Leaf }

// metadata is the file beside a certificate.
type metadata struct {
	SANs   []string         `json:"sans,omitempty"`
	Issuer acme.Certificate `json:"issuer_data"`
}

// load returns the newest certificate for subject of any of the authorities, or
// an error that is fs.ErrNotExist. Of what is there without being usable the
// log tells.
func (s *shelf) load(ctx context.Context, authorities []string, subject string) (*stored, error) {
	var best *stored
	var errs []error
	for _, by := range authorities {
		got, err := s.loadFrom(ctx, by, subject)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			errs = append(errs, err)
		case best == nil || got.leaf().NotBefore.After(best.leaf().NotBefore):
			best = got
		}
	}
	switch {
	case best != nil:
		return best, nil
	case len(errs) > 0:
		return nil, errors.Join(errs...)
	}
	return nil, fs.ErrNotExist
}

// find is load for somebody who asked for the name: that there is nothing is an
// error in words.
func (s *shelf) find(ctx context.Context, authorities []string, name string) (*stored, error) {
	got, err := s.load(ctx, authorities, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no certificate of %s", name)
	}
	return got, err
}

func (s *shelf) loadFrom(ctx context.Context, authority, subject string) (got *stored, err error) {
	for try := 1; ; try++ {
		got, err = s.loadPair(ctx, authority, subject, try == pairTries)
		if !errors.Is(err, errNoPair) {
			return got, err
		}
		if err := sleep(ctx, pairAgain); err != nil {
			return nil, err
		}
	}
}

var errNoPair = errors.New("key and certificate do not belong together")

// loadPair reads a certificate and its key. last says that nobody is replacing
// them any more.
func (s *shelf) loadPair(ctx context.Context, authority, subject string, last bool) (*stored, error) {
	keys := certmagic.StorageKeys
	crtName, keyName := keys.SiteCert(authority, subject), keys.SitePrivateKey(authority, subject)
	crt, err := s.storage.Load(ctx, crtName)
	if err != nil {
		return nil, readError(crtName, err)
	}
	key, err := s.storage.Load(ctx, keyName)
	if err != nil {
		return nil, readError(keyName, err)
	}
	leaf, err := leafOf(crt)
	switch {
	case err != nil:
		return nil, s.setAside(ctx, err, crtName)
	case leaf.VerifyHostname(strings.Replace(subject, "*.", "any.", 1)) != nil:
		return nil, s.setAside(ctx, fmt.Errorf("it is for %s", strings.Join(leaf.DNSNames, ", ")), crtName)
	}
	switch block, _ := pem.Decode(key); {
	case block == nil:
		return nil, s.setAside(ctx, errors.New("it is no PEM"), keyName)
	case block.Type == sealedType:
		return nil, fmt.Errorf("read %s: %w", keyName, errSealed)
	}
	pair, err := tls.X509KeyPair(crt, key)
	if err != nil && !last {
		return nil, errNoPair
	}
	if err != nil {
		return nil, s.setAside(ctx, fmt.Errorf("they do not belong together: %w", err), crtName, keyName)
	}
	pair.Leaf = leaf
	got := &stored{pair: &pair, authority: authority}
	var about metadata
	if b, err := s.storage.Load(ctx, keys.SiteMeta(authority, subject)); err == nil && json.Unmarshal(b, &about) == nil {
		got.account = about.Issuer.Account
	}
	return got, nil
}

func readError(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fs.ErrNotExist
	}
	return fmt.Errorf("read %s: %w", name, err)
}

// leafOf returns the first certificate of a chain in PEM.
func leafOf(chain []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(chain)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("it is no PEM")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse it: %w", err)
	}
	return leaf, nil
}

// setAside renames what can not be used and returns fs.ErrNotExist, or why it
// could not.
func (s *shelf) setAside(ctx context.Context, why error, names ...string) error {
	if s.reads {
		return fmt.Errorf("use %s: %w", names[0], why)
	}
	for _, name := range names {
		b, err := s.storage.Load(ctx, name)
		if err == nil {
			err = s.storage.Store(ctx, name+damagedSuffix, b)
		}
		if err == nil {
			err = s.storage.Delete(ctx, name)
		}
		if err != nil {
			return fmt.Errorf("set aside damaged %s: %w", name, err)
		}
		s.log.Error().Err(why).Str("file", name+damagedSuffix).
			Msg("a stored certificate or key can not be used: set aside, a new one will be asked for")
	}
	return fs.ErrNotExist
}

// writable says why nothing can be put on the shelf, or nil. It writes as much as
// a certificate takes.
func (s *shelf) writable(ctx context.Context) error {
	const name = "qorgan/writable"
	if err := s.storage.Store(ctx, name, make([]byte, 16<<10)); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// save puts a certificate on the shelf, the key first: a certificate that is
// there has its key.
func (s *shelf) save(ctx context.Context, authority, subject string, key []byte, got acme.Certificate) error {
	about, err := json.MarshalIndent(metadata{SANs: []string{subject}, Issuer: got}, "", "\t")
	if err != nil {
		return err
	}
	keys := certmagic.StorageKeys
	for _, file := range []struct {
		name string
		b    []byte
	}{
		{keys.SitePrivateKey(authority, subject), key},
		{keys.SiteCert(authority, subject), got.ChainPEM},
		{keys.SiteMeta(authority, subject), about},
	} {
		if err := s.storage.Store(ctx, file.name, file.b); err != nil {
			return fmt.Errorf("write %s: %w", file.name, err)
		}
	}
	return nil
}

// remove takes a certificate of one authority off the shelf.
func (s *shelf) remove(ctx context.Context, authority, subject string) error {
	return s.storage.Delete(ctx, certmagic.StorageKeys.CertsSitePrefix(authority, subject))
}

// subjects calls visit for every name on the shelf, with the leaf of its
// certificate, until ctx is done. A name two authorities know comes twice.
func (s *shelf) subjects(ctx context.Context, authorities []string, visit func(subject string, leaf *x509.Certificate)) error {
	for _, by := range authorities {
		names, err := s.storage.List(ctx, certmagic.StorageKeys.CertsPrefix(by), false)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("list certificates: %w", err)
		}
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				return err
			}
			subject := strings.Replace(path.Base(name), "wildcard_", "*", 1)
			chain, err := s.storage.Load(ctx, certmagic.StorageKeys.SiteCert(by, subject))
			if err != nil {
				continue // set aside, or being written
			}
			if leaf, err := leafOf(chain); err == nil {
				visit(subject, leaf)
			}
		}
	}
	return nil
}

// failure is what is remembered of a name whose last order failed.
type failure struct {
	At    time.Time `json:"at"`
	Next  time.Time `json:"next"` // no attempt before
	Count int       `json:"count"`
	Cause Cause     `json:"cause"`
	Error string    `json:"error"`
}

func failureKey(subject string) string {
	return path.Join("qorgan", "failures", certmagic.StorageKeys.Safe(subject)+".json")
}

// failed returns what is remembered of subject's last failure; nothing when
// there was none.
func (s *shelf) failed(ctx context.Context, subject string) (failure, bool) {
	var f failure
	b, err := s.storage.Load(ctx, failureKey(subject))
	if err != nil || json.Unmarshal(b, &f) != nil {
		return failure{}, false
	}
	return f, true
}

func (s *shelf) remember(ctx context.Context, subject string, f failure) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if err := s.storage.Store(ctx, failureKey(subject), b); err != nil {
		return fmt.Errorf("write failure of %s: %w", subject, err)
	}
	return nil
}

func (s *shelf) forgive(ctx context.Context, subject string) {
	if name := failureKey(subject); s.storage.Exists(ctx, name) {
		_ = s.storage.Delete(ctx, name) // read again at worst
	}
}

// encodeChain writes certificates as PEM, the leaf first.
func encodeChain(chain [][]byte) []byte {
	var b []byte
	for _, der := range chain {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return b
}
