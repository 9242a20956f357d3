package upstream

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
)

// secure is a server whose certificate a test replaces.
type secure struct {
	t     *testing.T
	root  *x509.Certificate
	key   *ecdsa.PrivateKey
	shows atomic.Pointer[tls.Certificate]
	url   *url.URL
	asked atomic.Int64
}

func newSecure(t *testing.T) *secure {
	s := &secure{t: t}
	s.root, s.key = s.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "the hoster's authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-1000 * time.Hour), NotAfter: time.Now().Add(10000 * time.Hour)})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		_, _ = io.WriteString(w, r.Proto)
	}))
	server.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.shows.Load(), nil }}
	server.EnableHTTP2 = true
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	s.url, _ = url.Parse(server.URL)
	s.url.Host = strings.Replace(s.url.Host, "127.0.0.1", "localhost", 1)
	return s
}

func (s *secure) sign(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	parent, signer := s.root, s.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		s.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		s.t.Fatal(err)
	}
	return cert, key
}

// show replaces the certificate.
func (s *secure) show(name string, begins, ends time.Time) {
	cert, key := s.sign(&x509.Certificate{DNSNames: []string{name}, NotBefore: begins, NotAfter: ends})
	s.shows.Store(&tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert})
}

func (s *secure) pool(known bool, log zerolog.Logger) (*Set, *Pool) {
	s.t.Helper()
	set := NewSet(nil, log)
	set.roots = x509.NewCertPool()
	if known {
		set.roots.AddCert(s.root)
	}
	p, err := set.Pool([]config.Upstream{{URL: s.url, Health: "/"}}, config.Timeouts{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { set.Retire(nil) })
	return set, p
}

const day = 24 * time.Hour

// TestCertificatesOfServers: what a server shows is known from its requests, its
// probes and, where there are none, a greeting; what is wrong with it is said in
// words while there is time, and to who asks when there is none left.
func TestCertificatesOfServers(t *testing.T) {
	now := time.Now()
	for _, tc := range []struct {
		what         string
		name         string
		begins, ends time.Time
		known        bool
		state        CertificateState
		cause, says  string
	}{
		{"good", "localhost", now.Add(-day), now.Add(89 * day), true, CertificateGood, "", ""},
		{"of six days, good for three", "localhost", now.Add(-3 * day), now.Add(3 * day), true, CertificateGood, "", ""},
		{"ends soon", "localhost", now.Add(-80 * day), now.Add(10 * day), true, CertificateLate, "upstream-ends", "ends on " + now.Add(10*day).UTC().Format(time.DateOnly)},
		{"of six days, good for one", "localhost", now.Add(-5 * day), now.Add(day), true, CertificateLate, "upstream-ends", "ends on"},
		{"expired", "localhost", now.Add(-90 * day), now.Add(-day), true, CertificateExpired, "", "expired on " + now.Add(-day).UTC().Format(time.DateOnly)},
		{"not yet good", "localhost", now.Add(day), now.Add(90 * day), true, CertificateBad, "", "begins only on"},
		{"of another name", "shop.example", now.Add(-day), now.Add(89 * day), true, CertificateBad, "upstream-name", "is for shop.example, not for localhost"},
		{"of a strange authority", "localhost", now.Add(-day), now.Add(89 * day), false, CertificateBad, "upstream-authority", "signed by the hoster's authority, which this machine does not believe"},
	} {
		for _, how := range []string{"request", "probe", "greeting"} {
			t.Run(tc.what+", "+how, func(t *testing.T) {
				s := newSecure(t)
				s.show(tc.name, tc.begins, tc.ends)
				set, p := s.pool(tc.known, zerolog.Nop())
				if len(set.Certificates()) != 0 {
					t.Fatal("something is known before anybody asked")
				}
				switch how {
				case "request":
					status, body, err := ask(p, "GET", t.Context(), nil)
					var failure *Error
					if good := tc.state == CertificateGood || tc.state == CertificateLate; good && (status != 200 || body != "HTTP/2.0") {
						t.Errorf("answered %d %s %v", status, body, err)
					} else if !good && (!errors.As(err, &failure) || failure.Kind != "tls" || !strings.Contains(err.Error(), tc.says) || failure.Hint == "") {
						t.Errorf("the request's error: %v", err)
					}
				case "probe":
					set.Probe(t.Context())
				case "greeting":
					set.LookAtCertificates(t.Context())
					if s.asked.Load() != 0 {
						t.Error("a greeting asked for something")
					}
				}
				list := set.Certificates()
				if len(list) != 1 {
					t.Fatalf("known: %+v", list)
				}
				c := list[0]
				if c.Upstream != s.url.String() || c.State != tc.state || c.Cause != tc.cause || !strings.Contains(c.Error, tc.says) || (tc.says == "") != (c.Error == "") ||
					!c.NotAfter.Equal(tc.ends.Truncate(time.Second)) {
					t.Errorf("%+v", c)
				}
			})
		}
	}
}

// TestCertificateIsToldOf: a certificate that needs somebody is told of once
// when that begins, and that it is good again.
func TestCertificateIsToldOf(t *testing.T) {
	s := newSecure(t)
	var said bytes.Buffer
	set, _ := s.pool(true, zerolog.New(&said))
	now := time.Now()
	look := func() string {
		said.Reset()
		set.LookAtCertificates(t.Context())
		return said.String()
	}
	s.show("localhost", now.Add(-day), now.Add(89*day))
	if got := look(); got != "" {
		t.Errorf("a good one: %s", got)
	}
	s.show("localhost", now.Add(-80*day), now.Add(10*day))
	if got := look(); got != "" {
		t.Errorf("greeted again at once: %s", got)
	}
	for _, p := range set.peers { // as after an hour
		was := *p.shown.Load()
		was.seen = was.seen.Add(-lookAgain)
		p.shown.Store(&was)
	}
	if got := look(); !strings.Contains(got, `"level":"warn"`) || !strings.Contains(got, "ends on") || !strings.Contains(got, "renew the certificate on that server") {
		t.Errorf("one that ends soon: %s", got)
	}
	if got := look(); got != "" {
		t.Errorf("told again: %s", got)
	}
	s.show("localhost", now.Add(-90*day), now.Add(-day))
	if got := look(); !strings.Contains(got, `"level":"error"`) || !strings.Contains(got, "expired on") {
		t.Errorf("an expired one: %s", got)
	}
	s.show("localhost", now.Add(-day), now.Add(89*day))
	if got := look(); !strings.Contains(got, "is good again") {
		t.Errorf("a new one: %s", got)
	}
}

// TestSilentServerHasNoCertificate: who does not answer a greeting costs its
// time and says nothing.
func TestSilentServerHasNoCertificate(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	set := NewSet(nil, zerolog.Nop())
	if _, err := set.Pool([]config.Upstream{{URL: &url.URL{Scheme: "https", Host: l.Addr().String()}}}, config.Timeouts{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	set.LookAtCertificates(ctx)
	if got := set.Certificates(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}
