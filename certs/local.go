package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/qorgan/qorgan/internal/replace"
)

const (
	rootLife = 10 * 365 * 24 * time.Hour
	leafLife = 30 * 24 * time.Hour
	// leafSpare is how much of a leaf's life must be left for it to be served.
	leafSpare = leafLife / 3
	// maxLeaves bounds the cache of leaves; beyond it the oldest is dropped.
	maxLeaves = 10000
)

// Local is a certificate authority of this machine's own. Its root lies in a
// folder that survives restarts, so that a browser has to be told once; leaves
// are made at the handshake that first needs them and live in memory only.
type Local struct {
	root   *x509.Certificate
	key    crypto.Signer
	serves func(name string) bool
	now    func() time.Time

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
	order  []string
}

// NewLocal opens the authority in dir, or founds it there. serves reports
// whether a name from a handshake is served here; it must be quick and safe
// for concurrent use.
func NewLocal(dir string, serves func(name string) bool) (*Local, error) {
	l := &Local{serves: serves, now: time.Now, leaves: map[string]*tls.Certificate{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make local authority's folder: %w", err)
	}
	err := l.load(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = l.found(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open local authority in %s: %w", dir, err)
	}
	return l, nil
}

// RootFile returns the path of the root certificate below dir, for people who
// want their browser to trust it.
func RootFile(dir string) string { return filepath.Join(dir, "root.crt") }

func keyFile(dir string) string { return filepath.Join(dir, "root.key") }

func (l *Local) load(dir string) error {
	pair, err := tls.LoadX509KeyPair(RootFile(dir), keyFile(dir))
	if err != nil {
		return err
	}
	root, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return fmt.Errorf("parse root: %w", err)
	}
	if l.now().After(root.NotAfter.Add(-leafLife)) {
		return l.found(dir)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok || !root.IsCA {
		return errors.New("root.crt is not an authority's certificate: move both files away to have new ones made")
	}
	l.root, l.key = root, key
	return nil
}

func (l *Local) found(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make root key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	now := l.now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "Qorgan local authority on " + host, Organization: []string{"Qorgan"}},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(rootLife),
		IsCA:                  true,
		MaxPathLenZero:        true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("sign root: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode root key: %w", err)
	}
	// The key goes first: a certificate without its key would look like damage.
	if err := replace.Bytes(keyFile(dir), 0o600, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})); err != nil {
		return err
	}
	if err := replace.Bytes(RootFile(dir), 0o644, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err != nil {
		return err
	}
	l.key = key
	l.root, err = x509.ParseCertificate(der)
	return err
}

// Certificate returns a leaf for the handshake's server name, or for the
// address it arrived at when the client sent none. It is a
// tls.Config.GetCertificate. A name that is not served ends the handshake with
// an error that names nothing.
func (l *Local) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if name == "" {
		host, _, err := net.SplitHostPort(hello.Conn.LocalAddr().String())
		if err != nil {
			return nil, fmt.Errorf("read local address: %w", err)
		}
		name = host
	} else if !l.serves(name) {
		return nil, errNotServed
	}
	return l.leaf(name)
}

func (l *Local) leaf(name string) (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := l.leaves[name]; ok && l.now().Before(c.Leaf.NotAfter.Add(-leafSpare)) {
		return c, nil
	}
	c, err := l.sign(name)
	if err != nil {
		return nil, fmt.Errorf("sign certificate for %s: %w", name, err)
	}
	if _, ok := l.leaves[name]; !ok {
		if len(l.order) >= maxLeaves {
			delete(l.leaves, l.order[0])
			l.order = l.order[1:]
		}
		l.order = append(l.order, name)
	}
	l.leaves[name] = c
	return c, nil
}

func (l *Local) sign(name string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	now := l.now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, l.root, key.Public(), l.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, l.root.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// ServerConfig returns the TLS settings of every listener of the edge and the
// console: 1.2 and 1.3, forward-secret suites only, HTTP/2 offered first.
func ServerConfig(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			c, err := get(hello)
			if errors.Is(err, errNotServed) {
				return nil, nil // which tells the client unrecognized_name (RFC 6066, section 3)
			}
			return c, err
		},
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		CipherSuites: []uint16{ // 1.2 only; 1.3 chooses for itself
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		CurvePreferences: []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384},
	}
}

func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	return n, nil
}
