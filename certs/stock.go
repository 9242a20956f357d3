package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"github.com/rs/zerolog"
)

// Stock is the certificates of public authorities in a storage, for who looks
// after them beside the running edge. It is safe for concurrent use.
type Stock struct {
	authorities []Authority
	shelf       *shelf
	keys        []string
}

// OpenStock opens the stock of authorities in a storage. It contacts nobody.
func OpenStock(s Storage, authorities []Authority) *Stock {
	stock := &Stock{authorities: authorities, shelf: &shelf{storage: s, log: zerolog.Nop(), reads: true}}
	for _, a := range authorities {
		stock.keys = append(stock.keys, newAuthority(a, s, nil, nil, zerolog.Nop()).key)
	}
	return stock
}

// List returns the state of every name with a certificate or a failure, by
// name.
func (s *Stock) List(ctx context.Context) ([]Status, error) {
	byName, now := map[string]Status{}, time.Now()
	for i, key := range s.keys {
		err := s.shelf.subjects(ctx, s.keys[i:i+1], func(name string, l *x509.Certificate) {
			if have, ok := byName[name]; ok && have.NotAfter.After(l.NotAfter) {
				return
			}
			state := Valid
			if !now.Before(l.NotAfter) {
				state = Expired
			}
			byName[name] = Status{Name: name, State: state, NotAfter: l.NotAfter, Authority: key, Next: byAge(name, l.NotBefore, l.NotAfter)}
		})
		if err != nil {
			return nil, err
		}
	}
	failures, err := s.shelf.storage.List(ctx, "qorgan/failures", false)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list failures: %w", err)
	}
	for _, at := range failures {
		name := strings.Replace(strings.TrimSuffix(path.Base(at), ".json"), "wildcard_", "*", 1)
		if f, ok := s.shelf.failed(ctx, name); ok {
			addFailure(byName, name, f)
		}
	}
	return sorted(byName), nil
}

// Export returns name's certificate with those it was signed with, and its key,
// in PEM.
func (s *Stock) Export(ctx context.Context, name string) (chain, key []byte, err error) {
	got, err := s.shelf.find(ctx, s.keys, name)
	if err != nil {
		return nil, nil, err
	}
	if key, err = certmagic.PEMEncodePrivateKey(got.pair.PrivateKey); err != nil {
		return nil, nil, fmt.Errorf("encode key of %s: %w", name, err)
	}
	return encodeChain(got.pair.Certificate), key, nil
}

// Imported is a certificate that was taken, or why it was not.
type Imported struct {
	File     string
	Names    []string
	NotAfter time.Time
	Err      error
}

// Import takes every certificate that certbot or Caddy keeps below a folder:
// live/NAME/fullchain.pem beside privkey.pem, and NAME.crt beside NAME.key. One
// that is expired, whose key does not fit, or that ends before the one that is
// there, is left.
func (s *Stock) Import(ctx context.Context, folder string) ([]Imported, error) {
	var all []Imported
	err := filepath.WalkDir(folder, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		key := strings.TrimSuffix(file, ".crt") + ".key"
		switch {
		case e.IsDir():
			return ctx.Err()
		case e.Name() == "fullchain.pem":
			key = filepath.Join(filepath.Dir(file), "privkey.pem")
		case filepath.Ext(file) != ".crt":
			return nil
		}
		if _, err := os.Stat(key); err != nil {
			return nil // a root, or an authority's
		}
		all = append(all, s.importPair(ctx, file, key))
		return nil
	})
	return all, err
}

func (s *Stock) importPair(ctx context.Context, file, keyFile string) Imported {
	got := Imported{File: file}
	chain, err := os.ReadFile(file)
	if err != nil {
		got.Err = err
		return got
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		got.Err = err
		return got
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		got.Err = fmt.Errorf("%s is not its key: %w", keyFile, err)
		return got
	}
	got.Names, got.NotAfter = pair.Leaf.DNSNames, pair.Leaf.NotAfter
	if time.Now().After(got.NotAfter) {
		got.Err = errors.New("it has expired")
		return got
	}
	for _, name := range got.Names {
		have, err := s.shelf.load(ctx, s.keys, name)
		if err == nil && !have.leaf().NotAfter.Before(got.NotAfter) {
			got.Err = fmt.Errorf("there is one of %s that ends no sooner", name)
			continue
		}
		about := acme.Certificate{ChainPEM: bytes.TrimSpace(chain), CA: s.authorities[0].Directory}
		if err := s.shelf.save(ctx, s.keys[0], name, key, about); err != nil {
			got.Err = err
		}
	}
	return got
}

// AskRenewal has the edge that serves name replace its certificate, and waits
// for the new one or for the failure.
func (s *Stock) AskRenewal(ctx context.Context, name string) (Status, error) {
	asked := time.Now()
	was, err := s.shelf.load(ctx, s.keys, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Status{}, err
	}
	if err := s.shelf.storage.Store(ctx, requestKey(name), []byte(name)); err != nil {
		return Status{}, fmt.Errorf("ask for renewal: %w", err)
	}
	for {
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			_ = s.shelf.storage.Delete(context.WithoutCancel(ctx), requestKey(name))
			return Status{}, fmt.Errorf("no edge has renewed %s: %w", name, err)
		}
		if got, err := s.shelf.load(ctx, s.keys, name); err == nil && (was == nil || !got.leaf().Equal(was.leaf())) {
			return Status{Name: name, State: Valid, NotAfter: got.leaf().NotAfter, Authority: got.authority}, nil
		}
		if f, ok := s.shelf.failed(ctx, name); ok && f.At.After(asked) {
			return Status{Name: name, State: Failed, Cause: f.Cause, Error: f.Error, Next: f.Next}, nil
		}
	}
}

const requests = "qorgan/requests"

func requestKey(name string) string {
	return path.Join(requests, certmagic.StorageKeys.Safe(name))
}

// Revoke has the authority revoke name's certificate for a reason of RFC 5280,
// and takes it out of storage; the edge that serves the name orders another.
func (s *Stock) Revoke(ctx context.Context, name string, reason int) error {
	cert, err := s.shelf.find(ctx, s.keys, name)
	if err != nil {
		return err
	}
	by := s.authorities[slices.Index(s.keys, cert.authority)]
	ca := newAuthority(by, s.shelf.storage, nil, nil, zerolog.Nop())
	defer ca.plain.CloseIdleConnections()
	if err := ca.revoke(ctx, cert, reason); err != nil {
		return fmt.Errorf("revoke certificate of %s: %w", name, err)
	}
	return s.shelf.storage.Store(ctx, requestKey(name), []byte(name))
}
