package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/qorgan/qorgan/config"
)

// people is an authority that gives people certificates.
type people struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newPeople(t *testing.T, name string) *people {
	p := &people{t: t}
	p.cert, p.key = p.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour)})
	p.pool = x509.NewCertPool()
	p.pool.AddCert(p.cert)
	return p
}

// sign makes a certificate from a template, of itself when there is no
// authority yet.
func (p *people) sign(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	parent, signer := p.cert, p.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		p.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	return cert, key
}

// give makes somebody's certificate, good until a time, for a use.
func (p *people) give(name string, until time.Time, use x509.ExtKeyUsage) *tls.Certificate {
	cert, key := p.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name, Organization: []string{"Дүкен"}}, NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{use}})
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// authorities are the pools of files, which a test changes.
type authorities map[string]*atomic.Pointer[x509.CertPool]

func (a authorities) set(file string, pool *x509.CertPool) {
	if a[file] == nil {
		a[file] = new(atomic.Pointer[x509.CertPool])
	}
	a[file].Store(pool)
}

func (a authorities) pool(file string) *x509.CertPool { return a[file].Load() }

// clientEdge serves three sites: shop and other want certificates of different
// authorities for their admin areas, open wants none.
func clientEdge(t *testing.T, keys func() [][32]byte) (*edge, *tls.Config, authorities, *people) {
	t.Helper()
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.RequestURI+" "+strings.Join(r.Header["X-Subject"], "|"))
	})
	conf := oneSite(up)
	conf.HTTPS, conf.HTTP3 = []string{"127.0.0.1:0"}, true
	conf.Sites = nil
	for _, name := range []string{"shop", "other", "open"} {
		s := newSite(name, []string{name + ".example.com"}, up)
		if name != "open" {
			s.ClientCertificates = config.ClientCertificates{CA: name + ".pem", Paths: []string{"/wp-admin", "/wp-login.php"},
				Except: []string{"/wp-admin/admin-ajax.php"}, Header: "X-Subject"}
		}
		conf.Sites = append(conf.Sites, s)
	}
	ours := newPeople(t, "people of the shop")
	known := authorities{}
	known.set("shop.pem", ours.pool)
	known.set("other.pem", newPeople(t, "other people").pool)
	e := newEdge(t, Options{Config: conf, TLS: serverCert(t), ClientCAs: known.pool, TicketKeys: keys})
	return e, &tls.Config{ServerName: "shop.example.com", InsecureSkipVerify: true}, known, ours
}

// with is a client's settings with a certificate, whatever the server asks for.
func with(c *tls.Config, cert *tls.Certificate) *tls.Config {
	c = c.Clone()
	if cert != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	return c
}

// roundTrippers are clients of each version of HTTP.
func roundTrippers(t *testing.T, c *tls.Config) map[string]http.RoundTripper {
	one := &http.Transport{TLSClientConfig: c.Clone(), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	two := &http.Transport{TLSClientConfig: c.Clone(), ForceAttemptHTTP2: true}
	three := &http3.Transport{TLSClientConfig: c.Clone()}
	t.Cleanup(func() {
		one.CloseIdleConnections()
		two.CloseIdleConnections()
		_ = three.Close()
	})
	return map[string]http.RoundTripper{"HTTP/1.1": one, "HTTP/2.0": two, "HTTP/3.0": three}
}

func fetch(t *testing.T, e *edge, rt http.RoundTripper, site, path string, header ...string) (int, string, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "https://"+e.secure, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Opaque = "//" + e.secure + path
	if i := strings.IndexByte(path, '?'); i < 0 {
		r.URL.Opaque, r.URL.Path, r.URL.RawPath = "", decode(path), path
	}
	r.Host = site + ".example.com"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header[header[i]] = append(r.Header[header[i]], header[i+1])
	}
	resp, err := rt.RoundTrip(r.WithContext(t.Context()))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Proto, string(b)
}

// TestClientCertificates: the admin area of a site is open to who shows a good
// certificate and to nobody else, over every version of HTTP and in every
// spelling; the rest of the site is open to all, with a strange certificate too.
func TestClientCertificates(t *testing.T) {
	e, trust, _, ours := clientEdge(t, nil)
	hour := time.Now().Add(time.Hour)
	for _, who := range []struct {
		what string
		cert *tls.Certificate
		good bool
	}{
		{"nobody", nil, false},
		{"a good certificate", ours.give("Aigul", hour, x509.ExtKeyUsageClientAuth), true},
		{"an expired one", ours.give("Aigul", time.Now().Add(-time.Minute), x509.ExtKeyUsageClientAuth), false},
		{"a server's", ours.give("Aigul", hour, x509.ExtKeyUsageServerAuth), false},
		{"a stranger's", newPeople(t, "people of the shop").give("Aigul", hour, x509.ExtKeyUsageClientAuth), false},
	} {
		for version, rt := range roundTrippers(t, with(trust, who.cert)) {
			t.Run(who.what+" "+version, func(t *testing.T) {
				for _, path := range []string{"/", "/wp-admin/admin-ajax.php", "/wp-content/x.css"} {
					if status, proto, body := fetch(t, e, rt, "shop", path); status != 200 || proto != version {
						t.Errorf("%s: %s %d %.80s", path, proto, status, body)
					}
				}
				for _, path := range []string{"/wp-admin/", "/wp-login.php", "/%77p-admin/users.php", "/a/../wp-login.php", "//wp-admin//", "/wp-admin/admin-ajax.php/x"} {
					status, _, body := fetch(t, e, rt, "shop", path)
					switch {
					case who.good && status != 200:
						t.Errorf("%s: %d", path, status)
					case !who.good && (status != 403 || !strings.Contains(body, "asks for a certificate")):
						t.Errorf("%s: %d %.80s", path, status, body)
					}
				}
			})
		}
	}
	for len(e.events) > 0 {
		if ev := <-e.events; ev.Reason != "client-certificate" || ev.Status != 403 {
			t.Fatalf("event %+v", ev)
		}
	}
	if resp, _ := e.get("/wp-admin/", "Host", "shop.example.com"); resp.StatusCode != 403 {
		t.Errorf("without TLS: %d", resp.StatusCode)
	}
}

// TestClientSubject: the upstream is told who showed a good certificate, and by
// nobody else under that name.
func TestClientSubject(t *testing.T) {
	e, trust, _, ours := clientEdge(t, nil)
	forged := []string{"X-Subject", "CN=root", "X_Subject", "CN=root", "x-subject", "CN=root", "X.Subject", "CN=root"}
	good := ours.give("Aigul", time.Now().Add(time.Hour), x509.ExtKeyUsageClientAuth)
	for version, rt := range roundTrippers(t, with(trust, good)) {
		if version == "HTTP/1.1" {
			continue // its client would not send names in lower case
		}
		if _, _, body := fetch(t, e, rt, "shop", "/wp-admin/", forged...); body != `/wp-admin/ CN=Aigul,O=\D0\94\D2\AF\D0\BA\D0\B5\D0\BD` {
			t.Errorf("%s: told %q", version, body)
		}
	}
	for version, rt := range roundTrippers(t, trust) {
		if _, _, body := fetch(t, e, rt, "shop", "/x", forged[:2]...); body != "/x " {
			t.Errorf("%s, without a certificate: told %q", version, body)
		}
	}
	c, r := e.dial()
	_, _ = io.WriteString(c, "POST /x HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Subject\r\nx-SUBJECT: a\r\nX_SUBJECT: b\r\n\r\n0\r\nX-Subject: c\r\n\r\n")
	answer, _ := io.ReadAll(r)
	if !strings.HasSuffix(strings.TrimRight(string(answer), "\r\n0"), "/x ") && !strings.Contains(string(answer), "\r\n\r\n/x ") {
		t.Errorf("raw: %q", answer)
	}
	if _, _, body := fetch(t, e, roundTrippers(t, &tls.Config{ServerName: "open.example.com", InsecureSkipVerify: true})["HTTP/2.0"], "open", "/x", "X-Subject", "mine"); body != "/x mine" {
		t.Errorf("a site that does not ask for it: told %q", body)
	}
}

// TestClientAuthorityIsReplaced: when the authority's file changes, who has a
// certificate of the one before is not let in any more, on no connection and in
// no resumed session.
func TestClientAuthorityIsReplaced(t *testing.T) {
	e, trust, known, ours := clientEdge(t, nil)
	trust.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	good := ours.give("Aigul", time.Now().Add(time.Hour), x509.ExtKeyUsageClientAuth)
	clients := roundTrippers(t, with(trust, good))
	for version, rt := range clients {
		if status, _, _ := fetch(t, e, rt, "shop", "/wp-admin/"); status != 200 {
			t.Fatalf("%s: %d", version, status)
		}
	}
	next := newPeople(t, "the next people")
	known.set("shop.pem", next.pool)
	for version, rt := range clients {
		if status, _, _ := fetch(t, e, rt, "shop", "/wp-admin/"); status != 403 {
			t.Errorf("%s, on the old connection: %d", version, status)
		}
	}
	for version, rt := range roundTrippers(t, with(trust, good)) { // sessions are at hand
		if status, _, _ := fetch(t, e, rt, "shop", "/wp-admin/"); status != 403 {
			t.Errorf("%s, on a new one: %d", version, status)
		}
	}
	trust.ClientSessionCache = nil
	for version, rt := range roundTrippers(t, with(trust, next.give("Aigul", time.Now().Add(time.Hour), x509.ExtKeyUsageClientAuth))) {
		if status, _, _ := fetch(t, e, rt, "shop", "/wp-admin/"); status != 200 {
			t.Errorf("%s, with the new authority's: %d", version, status)
		}
	}
}
