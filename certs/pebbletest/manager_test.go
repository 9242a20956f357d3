package pebbletest

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/certs"
)

// listeners opens what an edge gives its manager, before there is an
// authority, which must know the ports.
func listeners(t *testing.T) (plain *httptest.Server, secure net.Listener) {
	t.Helper()
	return listenersAt(t, 0, 0)
}

func listenersAt(t *testing.T, httpPort, tlsPort int) (*httptest.Server, net.Listener) {
	t.Helper()
	loopback := net.IPv4(127, 0, 0, 1)
	plain, err := net.ListenTCP("tcp", &net.TCPAddr{IP: loopback, Port: httpPort})
	if err != nil {
		t.Fatal(err)
	}
	secure, err := net.ListenTCP("tcp", &net.TCPAddr{IP: loopback, Port: tlsPort})
	if err != nil {
		t.Fatal(err)
	}
	return &httptest.Server{Listener: plain, Config: &http.Server{}}, secure
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// open starts a manager in dir behind both listeners and returns the address
// of the TLS one; served are the names it serves.
func open(t *testing.T, a *authority, dir string, plain *httptest.Server, secure net.Listener, served ...string) string {
	t.Helper()
	isServed := func(name string) bool { return slices.Contains(served, name) }
	address, _ := openWith(t, plain, secure, certs.ACMEOptions{
		Dir: dir, Authorities: []certs.Authority{a.known()}, Serves: isServed, Written: isServed,
	})
	return address
}

// known is the authority as a manager is told of it.
func (a *authority) known() certs.Authority {
	return certs.Authority{Directory: a.directory(), Roots: a.front()}
}

// openWith starts a manager with the options but for its ports, and returns it
// and the address it answers handshakes at. A TLSPort of -1 is none for
// challenges.
func openWith(t *testing.T, plain *httptest.Server, secure net.Listener, o certs.ACMEOptions) (string, *certs.ACME) {
	t.Helper()
	if o.TLSPort == 0 {
		o.TLSPort = port(secure)
	}
	o.TLSPort = max(o.TLSPort, 0)
	o.Email, o.HTTPPort, o.Logger = "owner@shop.example", port(plain.Listener), zerolog.New(testWriter{t}).Level(zerolog.InfoLevel)
	m, err := certs.NewACME(o)
	if err != nil {
		t.Fatal(err)
	}
	plain.Config.Handler = m.Challenges(http.NotFoundHandler())
	plain.Start()
	web := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: log.New(io.Discard, "", 0)}
	over := make(chan struct{})
	go func() { defer close(over); _ = web.Serve(tls.NewListener(secure, m.ServerConfig())) }()
	t.Cleanup(func() {
		plain.Close()
		web.Close()
		<-over
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return secure.Addr().String(), m
}

// testWriter shows what a manager says when the test fails.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// TestRefusedNonces: an authority may refuse a nonce at any time (RFC 8555,
// section 6.5); the order goes through all the same. Names are asked for until
// one nonce at least was refused.
func TestRefusedNonces(t *testing.T) {
	plain, secure := listeners(t)
	a := found(t, plan{httpPort: port(plain.Listener), tlsPort: port(secure), life: 3600, badNonces: 30})
	names := []string{"a.nonce.example", "b.nonce.example", "c.nonce.example", "d.nonce.example"}
	address := open(t, a, t.TempDir(), plain, secure, names...)
	for _, name := range names {
		if err := shake(t.Context(), address, name, a.roots); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if a.nonces.Load() > 0 {
			return
		}
	}
	t.Error("the authority refused no nonce: nothing was tried")
}

// TestUnknownNames: a scan costs no order, no account and no file, and shows
// no certificate.
func TestUnknownNames(t *testing.T) {
	plain, secure := listeners(t)
	a := found(t, plan{httpPort: port(plain.Listener), tlsPort: port(secure), life: 3600})
	dir := t.TempDir()
	address := open(t, a, dir, plain, secure, "known.example")
	for _, name := range []string{"", "localhost", "stranger.example", "www.known.example", "known.example.stranger.example", strings.Repeat("a", 63) + ".example"} {
		if err := shake(t.Context(), address, name, a.roots); err == nil {
			t.Errorf("server name %q was shown a certificate", name)
		}
	}
	if a.orders.Load() != 0 || a.accounts.Load() != 0 {
		t.Errorf("%d orders, %d accounts for names that are not served", a.orders.Load(), a.accounts.Load())
	}
	if files := filesBelow(t, dir); len(files) != 0 {
		t.Errorf("files for names that are not served: %v", files)
	}
	if err := shake(t.Context(), address, "known.example", a.roots); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "stranger.example"} {
		if err := shake(t.Context(), address, name, a.roots); err == nil {
			t.Errorf("server name %q was shown the certificate of known.example", name)
		}
	}
}

// TestAuthorityDown: what was issued is served from the folder by a manager
// that starts while the authority is down, also while a handshake waits for a
// name that has none yet.
func TestAuthorityDown(t *testing.T) {
	plain, secure := listeners(t)
	a := found(t, plan{httpPort: port(plain.Listener), tlsPort: port(secure), life: 90 * 24 * 3600})
	dir := t.TempDir()
	address := open(t, a, dir, plain, secure, "down.example")
	first, err := leaf(t.Context(), address, "down.example", a.roots)
	if err != nil {
		t.Fatal(err)
	}
	a.down.Store(true)
	plain, secure = listeners(t)
	address = open(t, a, dir, plain, secure, "down.example", "late.example")
	ctx, hangUp := context.WithCancel(t.Context())
	late := make(chan error, 1)
	go func() { late <- shake(ctx, address, "late.example", a.roots) }()
	until(t, "the authority was asked for another name", func() bool { return a.refused.Load() > 0 })
	again, err := leaf(t.Context(), address, "down.example", a.roots)
	hangUp()
	if <-late == nil {
		t.Error("a name without a certificate was shown one")
	}
	if err != nil {
		t.Fatal(err)
	}
	if !again.Equal(first) {
		t.Error("another certificate is served")
	}
	if n := a.issued.Load(); n != 1 {
		t.Errorf("%d certificates", n)
	}
}

// TestRenewal: a certificate whose time has come is replaced while handshakes
// go on, and none of them fails. pebble's advice is to renew a certificate of
// less than two days at once; without advice the nearness of the end decides.
func TestRenewal(t *testing.T) {
	for _, c := range []struct {
		by     string
		silent bool
	}{{"advice", false}, {"end", true}} {
		t.Run(c.by, func(t *testing.T) {
			plain, secure := listeners(t)
			a := found(t, plan{httpPort: port(plain.Listener), tlsPort: port(secure), life: 60, silent: c.silent})
			name := c.by + ".renewal.example"
			address := open(t, a, t.TempDir(), plain, secure, name)
			first, err := leaf(t.Context(), address, name, a.roots)
			if err != nil {
				t.Fatal(err)
			}
			until(t, "the certificate is renewed", func() bool {
				now, err := leaf(t.Context(), address, name, a.roots)
				if err != nil {
					t.Fatalf("a handshake during renewal: %v", err)
				}
				return !now.Equal(first)
			})
			if asked := a.advice.Load() > 0; asked == c.silent {
				t.Errorf("advice taken: %v", asked)
			}
		})
	}
}

// TestDamagedStorage: a certificate or key that can not be read is set aside
// and issued anew.
func TestDamagedStorage(t *testing.T) {
	for what, suffix := range map[string]string{"certificate": ".crt", "key": ".key"} {
		t.Run(what, func(t *testing.T) {
			plain, secure := listeners(t)
			httpPort, tlsPort := port(plain.Listener), port(secure)
			a := found(t, plan{httpPort: httpPort, tlsPort: tlsPort, life: 90 * 24 * 3600})
			dir, name := t.TempDir(), what+".damaged.example"
			issued := t.Run("issue", func(t *testing.T) {
				address := open(t, a, dir, plain, secure, name)
				if err := shake(t.Context(), address, name, a.roots); err != nil {
					t.Fatal(err)
				}
			})
			if !issued {
				return
			}
			damaged := filesEnding(t, dir, name+suffix)
			if len(damaged) != 1 {
				t.Fatalf("files to damage: %v", damaged)
			}
			write(t, damaged[0], []byte("-----BEGIN NONSENSE"))
			plain, secure = listenersAt(t, httpPort, tlsPort)
			address := open(t, a, dir, plain, secure, name)
			if err := shake(t.Context(), address, name, a.roots); err != nil {
				t.Error(err)
			}
			if n := a.issued.Load(); n != 2 {
				t.Errorf("%d certificates", n)
			}
			if aside := filesEnding(t, dir, name+suffix+".damaged"); len(aside) != 1 {
				t.Errorf("set aside: %v", aside)
			}
		})
	}
}

func filesEnding(t *testing.T, dir, suffix string) []string {
	t.Helper()
	return slices.DeleteFunc(filesBelow(t, dir), func(f string) bool { return !strings.HasSuffix(f, suffix) })
}

func filesBelow(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
