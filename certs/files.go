package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// lookAtFiles is how often files are looked at for a change. They are polled:
// what replaces them is a link, another file system, or a volume that is
// mounted anew, as often as a write.
const lookAtFiles = 5 * time.Second

// Pair names the files of a certificate of the owner's own.
type Pair struct {
	Certificate string   // the leaf and those it was signed with, in PEM
	Key         string   // its key, in PEM
	Hosts       []string // names of the site, "*.example.kz" among them
}

// Files serves certificates of the owner's own, and takes new ones when their
// files change and are good. It is safe for concurrent use.
type Files struct {
	log    zerolog.Logger
	now    func() time.Time
	set    atomic.Pointer[FileSet]
	mu     sync.Mutex // held by Use and a look
	cancel context.CancelFunc
	over   chan struct{}
}

// FileSet is certificates read from files, ready for [Files.Use].
type FileSet struct {
	pairs []*filePair
	names map[string]*tls.Certificate // by name and wildcard
}

type filePair struct {
	Pair
	seen    string // what the files looked like
	cert    *tls.Certificate
	problem string    // of what the files hold now, empty for none
	told    time.Time // when it was told of that it ends
}

// NewFiles begins to watch. Close ends it.
func NewFiles(log zerolog.Logger) *Files { return newFiles(log, lookAtFiles, time.Now) }

func newFiles(log zerolog.Logger, every time.Duration, now func() time.Time) *Files {
	ctx, cancel := context.WithCancel(context.Background())
	f := &Files{log: log, now: now, cancel: cancel, over: make(chan struct{})}
	f.set.Store(&FileSet{})
	go func() {
		defer close(f.over)
		for sleep(ctx, every) == nil {
			f.look()
		}
	}()
	return f
}

// Close ends the watch and waits for it.
func (f *Files) Close() error {
	f.cancel()
	<-f.over
	return nil
}

// FileError is what is wrong with the pair at Index.
type FileError struct {
	Index int
	Err   error
	Hint  string
}

func (e *FileError) Error() string { return e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// Prepare reads pairs. Its error joins a *FileError for each pair that can not
// be used. One that is expired can: the visitor is told by his browser, and the
// other sites go on.
func (f *Files) Prepare(pairs []Pair) (*FileSet, error) {
	s := &FileSet{}
	var errs []error
	for i, p := range pairs {
		seen := looks(p.Certificate, p.Key)
		cert, hint, err := readPair(p)
		if err != nil {
			errs = append(errs, &FileError{Index: i, Err: err, Hint: hint})
			continue
		}
		s.pairs = append(s.pairs, &filePair{Pair: p, seen: seen, cert: cert})
	}
	s.index()
	return s, errors.Join(errs...)
}

// Use serves s from now on.
func (f *Files) Use(s *FileSet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set.Store(s)
	for _, p := range s.pairs {
		f.warn(p)
	}
}

// endsSoon is how long before its end somebody should replace a certificate of
// his own, and at most a quarter of its life: who has a program renew it has had
// time by then.
const endsSoon = 14 * 24 * time.Hour

func (f *Files) ending(leaf *x509.Certificate) bool {
	return leaf.NotAfter.Sub(f.now()) < min(endsSoon, leaf.NotAfter.Sub(leaf.NotBefore)/4)
}

// warn tells once a day of a certificate that is at its end.
func (f *Files) warn(p *filePair) {
	now, leaf := f.now(), p.cert.Leaf
	if !f.ending(leaf) || now.Sub(p.told) < 24*time.Hour {
		return
	}
	p.told = now
	if now.Before(leaf.NotAfter) {
		f.log.Warn().Str("file", p.Certificate).Time("expires", leaf.NotAfter).Str("hint", "replace the file, or take it out of the site: one is then issued").
			Msg("a certificate of your own ends soon")
	} else {
		f.log.Error().Str("file", p.Certificate).Time("expired", p.cert.Leaf.NotAfter).Str("hint", "replace the file, or take it out of the site: one is then issued").
			Msg("a certificate of your own has expired: browsers refuse the site")
	}
}

// Find returns the certificate for a name, nil when there is none.
func (f *Files) Find(name string) *tls.Certificate {
	names := f.set.Load().names
	if len(names) == 0 {
		return nil
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if c := names[name]; c != nil {
		return c
	}
	_, parent, _ := strings.Cut(name, ".")
	if c := names["*."+parent]; c != nil {
		return c
	}
	if c := names["*"]; c != nil && c.Leaf.VerifyHostname(name) == nil {
		return c
	}
	return nil
}

// Status returns the state of every pair.
func (f *Files) Status() []Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []Status
	for _, p := range f.set.Load().pairs {
		s := Status{Name: p.Hosts[0], State: Valid, NotAfter: p.cert.Leaf.NotAfter, Authority: p.cert.Leaf.Issuer.CommonName, File: p.Certificate}
		switch {
		case p.problem != "":
			s.State, s.Cause, s.Error = Late, CauseFile, p.problem
		case f.ending(p.cert.Leaf):
			s.State, s.Cause = Late, CauseEnds
		}
		if f.now().After(s.NotAfter) {
			s.State, s.Cause = Expired, ""
			if p.problem != "" {
				s.Cause = CauseFile
			}
		}
		list = append(list, s)
	}
	return list
}

// look takes files that changed.
func (f *Files) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.set.Load()
	var changed *FileSet
	for i, p := range old.pairs {
		seen := looks(p.Certificate, p.Key)
		if seen == p.seen {
			f.warn(p)
			continue
		}
		if changed == nil {
			changed = &FileSet{pairs: append([]*filePair(nil), old.pairs...)}
		}
		next := &filePair{Pair: p.Pair, seen: seen, cert: p.cert}
		changed.pairs[i] = next
		cert, hint, err := readPair(p.Pair)
		if err == nil && f.now().After(cert.Leaf.NotAfter) && f.now().Before(p.cert.Leaf.NotAfter) {
			err, hint = fmt.Errorf("the new certificate expired on %s", cert.Leaf.NotAfter.Format(time.DateOnly)), "a certificate that still is good"
		}
		if err != nil {
			next.problem = err.Error()
			f.log.Error().Err(err).Str("file", p.Certificate).Str("hint", hint).Msg("a changed certificate is not taken: the one before goes on being shown")
			continue
		}
		next.cert = cert
		f.warn(next)
		f.log.Info().Str("file", p.Certificate).Time("expires", cert.Leaf.NotAfter).Msg("a changed certificate is taken")
	}
	if changed != nil {
		changed.index()
		f.set.Store(changed)
	}
}

// index lets names be found.
func (s *FileSet) index() {
	s.names = map[string]*tls.Certificate{}
	for _, p := range s.pairs {
		for _, host := range p.Hosts {
			if host == "*" || covers(p.cert.Leaf, host) {
				s.names[host] = p.cert
			}
		}
	}
}

func covers(leaf *x509.Certificate, host string) bool {
	return leaf.VerifyHostname(strings.Replace(host, "*.", "any.", 1)) == nil
}

// looks is what files look like from outside: other when they changed.
func looks(files ...string) string {
	var b strings.Builder
	for _, path := range files {
		if info, err := os.Stat(path); err == nil {
			fmt.Fprintln(&b, info.Size(), info.ModTime().UnixNano(), info.Mode())
		} else {
			fmt.Fprintln(&b, err)
		}
	}
	return b.String()
}

// readPair reads and judges a certificate and its key, and hints at what would
// be right.
func readPair(p Pair) (cert *tls.Certificate, hint string, err error) {
	chain, err := os.ReadFile(p.Certificate)
	if err != nil {
		return nil, "a file this user may read", err
	}
	key, err := os.ReadFile(p.Key)
	if err != nil {
		return nil, "a file this user may read", err
	}
	leaf, err := leafOf(chain)
	if err != nil {
		return nil, "the site's certificate in PEM, it first", fmt.Errorf("%s holds no certificate: %w", p.Certificate, err)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, "the key that the certificate was asked for with, in PEM and without a password", fmt.Errorf("%s is not the key of %s: %w", p.Key, p.Certificate, err)
	}
	pair.Leaf = leaf
	if err := complete(&pair); err != nil {
		return nil, "append what the authority calls chain, bundle or intermediate; for an authority of your own its root too", fmt.Errorf("%s: %w", p.Certificate, err)
	}
	for _, host := range p.Hosts {
		if host == "*" || covers(leaf, host) {
			return &pair, "", nil
		}
	}
	return nil, "a certificate for " + strings.Join(p.Hosts, ", "), fmt.Errorf("%s is for %s, none of which is a host of the site", p.Certificate, strings.Join(leaf.DNSNames, ", "))
}

// complete says whether a chain leads to a root: one that the system knows, or
// one that stands in it.
func complete(pair *tls.Certificate) error {
	chain := []*x509.Certificate{pair.Leaf}
	for i, der := range pair.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("parse certificate %d of the chain: %w", i+2, err)
		}
		if last := chain[len(chain)-1]; last.CheckSignatureFrom(c) != nil {
			return fmt.Errorf("certificate %d of the chain (%s) did not sign the one before it (%s)", i+2, c.Subject, last.Subject)
		}
		chain = append(chain, c)
	}
	last := chain[len(chain)-1]
	if last.Subject.String() == last.Issuer.String() {
		return nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil || roots.Equal(x509.NewCertPool()) {
		return nil // nobody to ask
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	options := x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: pair.Leaf.NotBefore.Add(time.Second)}
	if _, err := pair.Leaf.Verify(options); err != nil {
		return fmt.Errorf("the chain is incomplete: the certificate of %s is missing", last.Issuer)
	}
	return nil
}
