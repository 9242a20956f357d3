package pebbletest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// selfSigned returns a certificate for names and its key, in PEM.
func selfSigned(t *testing.T, names ...string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// TestOwnCertificate: a site's own certificate is shown for the names it is
// for, an issued one for the site's others; a changed file is taken; a wrong
// one is a mistake with its place.
func TestOwnCertificate(t *testing.T) {
	program := build(t)
	dir := t.TempDir()
	httpPort, tlsPort := closedPort(t), closedPort(t)
	a := found(t, plan{httpPort: httpPort, tlsPort: tlsPort, life: 3600})
	cms := httptest.NewServer(http.NotFoundHandler())
	defer cms.Close()
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, in("authority.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw}))
	cert, key := selfSigned(t, "shop.example", "*.shop.example")
	write(t, in("shop.pem"), cert)
	write(t, in("shop.key"), key)
	config := fmt.Sprintf(`data: data
http: 127.0.0.1:%d
https: 127.0.0.1:%d
console: {listen: "off"}
tls: {mode: acme, directory: %s, roots: authority.pem}
sites: [{hosts: [shop.example, "*.shop.example", shop.kz.example], upstreams: "%s", tls: {certificate: shop.pem, key: shop.key}}]
`, httpPort, tlsPort, a.directory(), cms.URL)
	write(t, in("qorgan.yaml"), []byte(config))
	run(t, program, in("data/addresses.json"), "run", "-c", in("qorgan.yaml"))
	https := fmt.Sprintf("127.0.0.1:%d", tlsPort)
	trust := func(cert []byte) *x509.CertPool {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(cert)
		return pool
	}
	for _, name := range []string{"shop.example", "www.shop.example"} {
		if err := shake(t.Context(), https, name, trust(cert)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := shake(t.Context(), https, "shop.kz.example", a.roots); err != nil {
		t.Errorf("the site's other name: %v", err)
	}
	if n := a.issued.Load(); n != 1 {
		t.Errorf("%d certificates issued", n)
	}
	cert, key = selfSigned(t, "shop.example", "*.shop.example")
	write(t, in("shop.pem"), cert)
	write(t, in("shop.key"), key)
	until(t, "the changed certificate is shown", func() bool { return shake(t.Context(), https, "shop.example", trust(cert)) == nil })

	_, other := selfSigned(t, "shop.example")
	write(t, in("other.key"), other)
	write(t, in("wrong.yaml"), []byte(strings.Replace(config, "shop.key", "other.key", 1)))
	said, err := exec.Command(program, "check", "-c", in("wrong.yaml")).CombinedOutput()
	if want := "wrong.yaml:6:"; err == nil || !strings.Contains(string(said), want) || !strings.Contains(string(said), "other.key is not the key of") {
		t.Errorf("check said %s (%v)", said, err)
	}
	if _, err := os.Stat(in("data/certs/acme")); err != nil {
		t.Error(err)
	}
}
