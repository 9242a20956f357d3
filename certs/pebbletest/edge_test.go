package pebbletest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestEdge runs the program with `tls: {mode: acme}` and asks it for pages as
// a browser does.
func TestEdge(t *testing.T) {
	program := build(t)
	for _, by := range []string{"http-01", "tls-alpn-01"} {
		t.Run(by, func(t *testing.T) { testEdge(t, program, by) })
	}
}

// build builds the program and returns its path.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "qorgan")
	build := exec.Command("go", "build", "-o", program, "./cmd/qorgan")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

func testEdge(t *testing.T, program, by string) {
	dir := t.TempDir()
	httpPort, tlsPort := closedPort(t), closedPort(t)
	p := plan{httpPort: httpPort, tlsPort: closedPort(t), life: 3600}
	if by == "tls-alpn-01" {
		p.httpPort, p.tlsPort = closedPort(t), tlsPort
	}
	a := found(t, p)
	cms := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "shop at ", r.Host) }))
	defer cms.Close()

	roots := filepath.Join(dir, "authority.pem")
	write(t, roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw}))
	file := filepath.Join(dir, "qorgan.yaml")
	write(t, file, fmt.Appendf(nil, `data: %s
http: 127.0.0.1:%d
https: 127.0.0.1:%d
admin: "off"
console: {listen: "off"}
tls: {mode: acme, email: owner@shop.example, directory: %s, roots: %s, redirect: true}
sites:
  - hosts: [shop.example, "*.blogs.example"]
    upstreams: %s
`, filepath.Join(dir, "data"), httpPort, tlsPort, a.directory(), roots, cms.URL))
	run(t, program, filepath.Join(dir, "data", "addresses.json"), "run", "--config", file)

	https := fmt.Sprintf("127.0.0.1:%d", tlsPort)
	if err := shake(t.Context(), https, "stranger.example", a.roots); err == nil {
		t.Error("a name that is not served got a certificate")
	}
	if n := a.orders.Load(); n != 0 {
		t.Errorf("%d orders for a name that is not served", n)
	}
	for _, name := range []string{"shop.example", "one.blogs.example"} {
		if got := page(t, "https://"+name+"/", https, a.roots); got != "shop at "+name {
			t.Errorf("%s over TLS: %q", name, got)
		}
	}
	if got := page(t, "http://shop.example/", fmt.Sprintf("127.0.0.1:%d", httpPort), nil); got != fmt.Sprintf("308 https://shop.example:%d/", tlsPort) {
		t.Errorf("without TLS: %q", got)
	}
	for _, name := range []string{"", "stranger.example"} {
		if err := shake(t.Context(), https, name, a.roots); err == nil {
			t.Errorf("server name %q was shown a certificate of another's", name)
		}
	}
	// A challenge that can not be met costs an order, not a certificate.
	if n := a.issued.Load(); n != 2 {
		t.Errorf("%d certificates for two names", n)
	}
}

// run starts the program and waits until the file serving says that it does.
func run(t *testing.T, program, serving string, args ...string) (pid int) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	said, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		stop()
		<-ended
		said.Close()
		if t.Failed() {
			b, _ := os.ReadFile(said.Name())
			t.Logf("it said:\n%s", b)
		}
	})
	until(t, "the edge serves", func() bool {
		select {
		case <-ended:
			t.Fatal("the edge ended")
		default:
		}
		_, err := os.Stat(serving)
		return err == nil
	})
	return cmd.Process.Pid
}

// until asks again and again for what another process or goroutine does.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited a minute: %s", what)
		}
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// shake does one handshake at address.
func shake(ctx context.Context, address, name string, roots *x509.CertPool) error {
	_, err := leaf(ctx, address, name, roots)
	return err
}

// leaf returns the certificate shown at address for name. Without a name it
// takes whatever is shown.
func leaf(ctx context.Context, address, name string, roots *x509.CertPool) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{ServerName: name, RootCAs: roots, InsecureSkipVerify: name == ""}}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// page fetches url from address and returns its text, or its status and
// Location when it is no page.
func page(t *testing.T, url, address string, roots *x509.CertPool) string {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return strings.TrimSpace(fmt.Sprint(res.StatusCode, " ", res.Header.Get("Location")))
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
