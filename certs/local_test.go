package certs

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// dial completes a handshake with l and returns what the client verified.
func dial(t *testing.T, l *Local, name string, roots *x509.CertPool) (tls.ConnectionState, error) {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", ServerConfig(l.Certificate))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		c.(*tls.Conn).Handshake()
		c.Close()
	}()
	raw, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	cfg := &tls.Config{ServerName: name, RootCAs: roots, NextProtos: []string{"h2"}}
	c := tls.Client(raw, cfg)
	err = c.Handshake()
	return c.ConnectionState(), err
}

func TestLocalServesTrustedLeaves(t *testing.T) {
	dir := t.TempDir()
	l, err := NewLocal(dir, func(name string) bool { return name == "shop.localhost" })
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(RootFile(dir))
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("root file: %v", err)
	}
	for _, tc := range []struct {
		name string
		ok   bool
	}{
		{"shop.localhost", true},
		{"SHOP.localhost", true},
		{"127.0.0.1", true}, // clients send no server name for an address
		{"other.localhost", false},
	} {
		state, err := dial(t, l, tc.name, roots)
		if (err == nil) != tc.ok {
			t.Errorf("handshake for %s: %v", tc.name, err)
			continue
		}
		if tc.ok && (state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "h2" || state.CurveID != tls.X25519MLKEM768) {
			t.Errorf("%s: version %x, protocol %q, curve %v", tc.name, state.Version, state.NegotiatedProtocol, state.CurveID)
		}
		if !tc.ok && !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%s: the alert says more than it should: %v", tc.name, err)
		}
	}
}

func TestLocalKeepsItsRootAndRenewsLeaves(t *testing.T) {
	dir := t.TempDir()
	any := func(string) bool { return true }
	first, err := NewLocal(dir, any)
	if err != nil {
		t.Fatal(err)
	}
	second, err := NewLocal(dir, any)
	if err != nil {
		t.Fatal(err)
	}
	if !first.root.Equal(second.root) {
		t.Error("a restart changed the root")
	}
	if st, err := os.Stat(keyFile(dir)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("root key: %v, %v", st.Mode(), err)
	}
	a, err := second.leaf("a.localhost")
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := second.leaf("a.localhost"); b != a {
		t.Error("a fresh leaf was made twice")
	}
	second.now = func() time.Time { return time.Now().Add(leafLife - leafSpare + time.Hour) }
	if b, _ := second.leaf("a.localhost"); b == a {
		t.Error("an ageing leaf was not replaced")
	}
}

func TestLocalRefusesDamage(t *testing.T) {
	dir := t.TempDir()
	if _, err := NewLocal(dir, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(RootFile(dir), []byte("not a certificate"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := NewLocal(dir, nil); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("damaged root: %v", err)
	}
}
