package certs

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// ClientCAs are the authorities whose word on visitors is taken, read from
// files that are watched. It is safe for concurrent use.
type ClientCAs struct {
	log    zerolog.Logger
	set    atomic.Pointer[ClientCASet]
	mu     sync.Mutex // held by Use and a look
	cancel context.CancelFunc
	over   chan struct{}
}

// ClientCASet is files that were read, ready for [ClientCAs.Use].
type ClientCASet struct{ files map[string]caFile }

type caFile struct {
	seen string
	pool *x509.CertPool
}

// NewClientCAs begins to watch. Close ends it.
func NewClientCAs(log zerolog.Logger) *ClientCAs { return newClientCAs(log, lookAtFiles) }

func newClientCAs(log zerolog.Logger, every time.Duration) *ClientCAs {
	ctx, cancel := context.WithCancel(context.Background())
	c := &ClientCAs{log: log, cancel: cancel, over: make(chan struct{})}
	c.set.Store(&ClientCASet{})
	go func() {
		defer close(c.over)
		for sleep(ctx, every) == nil {
			c.look()
		}
	}()
	return c
}

// Close ends the watch and waits for it.
func (c *ClientCAs) Close() error {
	c.cancel()
	<-c.over
	return nil
}

// Prepare reads files. Its error joins a *FileError for each that can not be
// used.
func (c *ClientCAs) Prepare(files []string) (*ClientCASet, error) {
	set := &ClientCASet{files: map[string]caFile{}}
	var errs []error
	for i, file := range files {
		seen := looks(file)
		pool, err := readCAs(file)
		if err != nil {
			errs = append(errs, &FileError{Index: i, Err: err, Hint: "a file with the certificates, in PEM, of the authority that gave your people theirs"})
			continue
		}
		set.files[file] = caFile{seen, pool}
	}
	return set, errors.Join(errs...)
}

// Use takes the word of the authorities in set from now on.
func (c *ClientCAs) Use(set *ClientCASet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set.Store(set)
}

// Pool returns the authorities of a file, nil for one that is not in use. It is
// the same until the file changes.
func (c *ClientCAs) Pool(file string) *x509.CertPool { return c.set.Load().files[file].pool }

// look takes files that changed.
func (c *ClientCAs) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	files := maps.Clone(c.set.Load().files)
	for name, f := range files {
		seen := looks(name)
		if seen == f.seen {
			continue
		}
		pool, err := readCAs(name)
		if err != nil {
			c.log.Error().Err(err).Str("file", name).Msg("a changed file of client authorities is not taken: those before go on being believed")
			pool = f.pool
		} else {
			c.log.Info().Str("file", name).Msg("a changed file of client authorities is taken")
		}
		files[name] = caFile{seen, pool}
	}
	c.set.Store(&ClientCASet{files: files})
}

// readCAs reads the authorities' certificates in a file.
func readCAs(file string) (*x509.CertPool, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool, n := x509.NewCertPool(), 0
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parse certificate %d of %s: %w", n+1, file, err)
		}
		if cert.Version == 3 && !cert.IsCA {
			return nil, fmt.Errorf("%s holds the certificate of %s, which is no authority", file, cert.Subject)
		}
		pool.AddCert(cert)
		n++
	}
	if n == 0 {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}
