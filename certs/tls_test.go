package certs

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// serveTLS does handshakes with a server's settings until the test ends.
func serveTLS(t *testing.T, c *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer raw.Close()
				_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
				if s := tls.Server(raw, c); s.Handshake() == nil {
					_, _ = io.Copy(io.Discard, s)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// greet is a handshake of a client that offers what c says.
func greet(t *testing.T, address string, c *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	c = c.Clone()
	if c.ServerName == "" && c.VerifyPeerCertificate == nil {
		c.ServerName = "shop.localhost"
	}
	c.InsecureSkipVerify = true
	raw, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
	client := tls.Client(raw, c)
	err = client.Handshake()
	return client.ConnectionState(), err
}

// TestVersionsSuitesAndCurves: TLS 1.2 and 1.3, forward-secret suites with
// authenticated encryption alone, and a curve that outlives quantum computers
// where the client knows it.
func TestVersionsSuitesAndCurves(t *testing.T) {
	l, err := NewLocal(t.TempDir(), func(name string) bool { return name == "shop.localhost" })
	if err != nil {
		t.Fatal(err)
	}
	ecdsaAt := serveTLS(t, ServerConfig(l.Certificate))
	pair := rsaPair(t)
	rsaAt := serveTLS(t, ServerConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair, nil }))
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if _, err := greet(t, ecdsaAt, &tls.Config{MinVersion: version, MaxVersion: version}); err == nil {
			t.Errorf("%s is spoken", tls.VersionName(version))
		}
	}
	if s, err := greet(t, ecdsaAt, &tls.Config{}); err != nil || s.Version != tls.VersionTLS13 || s.CurveID != tls.X25519MLKEM768 {
		t.Errorf("a client of today: %s, %s, %v", tls.VersionName(s.Version), s.CurveID, err)
	}
	accepted := map[string]bool{}
	every := append(tls.CipherSuites(), tls.InsecureCipherSuites()...)
	for _, suite := range every {
		if suite.ID&0xff00 == 0x1300 { // TLS 1.3 chooses for itself
			continue
		}
		for _, at := range []string{ecdsaAt, rsaAt} {
			s, err := greet(t, at, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
			if err == nil && s.CipherSuite == suite.ID {
				accepted[suite.Name] = true
			}
		}
	}
	for _, suite := range every {
		forward := strings.HasPrefix(suite.Name, "TLS_ECDHE_") && (strings.HasSuffix(suite.Name, "_GCM_SHA256") || strings.HasSuffix(suite.Name, "_GCM_SHA384") || strings.HasSuffix(suite.Name, "_POLY1305_SHA256"))
		if accepted[suite.Name] != forward {
			t.Errorf("%s accepted: %t", suite.Name, accepted[suite.Name])
		}
	}
	if len(accepted) != 6 {
		t.Errorf("accepted %v", accepted)
	}
	for curve, good := range map[tls.CurveID]bool{tls.X25519MLKEM768: true, tls.X25519: true, tls.CurveP256: true, tls.CurveP384: true, tls.CurveP521: false} {
		s, err := greet(t, ecdsaAt, &tls.Config{CurvePreferences: []tls.CurveID{curve}})
		if (err == nil) != good || good && s.CurveID != curve {
			t.Errorf("%s: %s, %v", curve, s.CurveID, err)
		}
	}
}

// rsaPair is a certificate with an RSA key, as owners still bring.
func rsaPair(t *testing.T) *tls.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"shop.localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestUnknownNameSeesNoCertificate: who names a site that is not served here, or
// none, is told so and is shown nobody's certificate.
func TestUnknownNameSeesNoCertificate(t *testing.T) {
	serves := func(name string) bool { return name == "n0.example" }
	o := stocked(t, 1)
	o.Serves, o.Logger = serves, zerolog.Nop()
	a, err := NewACME(o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	l, err := NewLocal(t.TempDir(), serves)
	if err != nil {
		t.Fatal(err)
	}
	for source, c := range map[string]*tls.Config{"public": a.ServerConfig(), "local": ServerConfig(l.Certificate)} {
		at := serveTLS(t, c)
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for _, name := range []string{"n0.example", "n1.example", "example", "xn0.example", "a.n0.example", "n0.example.evil.example", "", "no_name"} {
				if name == "" && source == "local" {
					continue // an address of its own machine has a certificate for itself
				}
				shown := 0
				_, err := greet(t, at, &tls.Config{ServerName: name, MaxVersion: version, VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
					shown += len(raw)
					return nil
				}})
				switch {
				case name == "n0.example" && (err != nil || shown == 0):
					t.Errorf("%s, %s: its own site: %v", source, tls.VersionName(version), err)
				case name != "n0.example" && (err == nil || shown > 0):
					t.Errorf("%s, %s: %q is shown %d certificates, %v", source, tls.VersionName(version), name, shown, err)
				case name != "n0.example":
					if !strings.Contains(err.Error(), "unrecognized name") {
						t.Errorf("%s, %s: %q is told %v", source, tls.VersionName(version), name, err)
					}
				}
			}
		}
	}
}
