package pebbletest

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommand looks after the certificates of a running edge from the command
// line.
func TestCommand(t *testing.T) {
	program := build(t)
	dir := t.TempDir()
	httpPort, tlsPort := closedPort(t), closedPort(t)
	a := found(t, plan{httpPort: httpPort, tlsPort: tlsPort, life: 90 * 24 * 3600})
	cms := httptest.NewServer(http.NotFoundHandler())
	defer cms.Close()
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, in("authority.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw}))
	write(t, in("qorgan.yaml"), fmt.Appendf(nil, `data: data
http: 127.0.0.1:%d
https: 127.0.0.1:%d
admin: 127.0.0.1:0
console: {listen: "off"}
tls: {mode: acme, directory: %s, roots: authority.pem}
sites: [{hosts: [shop.example, moved.example], upstreams: "%s"}]
`, httpPort, tlsPort, a.directory(), cms.URL))
	run(t, program, in("data/addresses.json"), "run", "-c", in("qorgan.yaml"))
	https := fmt.Sprintf("127.0.0.1:%d", tlsPort)
	qorgan := func(ok bool, args ...string) string {
		t.Helper()
		out, err := exec.Command(program, append(args, "-c", in("qorgan.yaml"))...).CombinedOutput()
		if (err == nil) != ok {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
		return string(out)
	}
	serial := func(name string) string {
		t.Helper()
		got, err := leaf(t.Context(), https, name, a.roots)
		if err != nil {
			t.Fatal(err)
		}
		return got.SerialNumber.String()
	}
	first := serial("shop.example")
	if got := qorgan(true, "certs", "list"); !strings.Contains(got, "shop.example  valid") {
		t.Errorf("list: %s", got)
	}
	var open struct{ Admin string }
	if b, err := os.ReadFile(in("data/addresses.json")); err != nil || json.Unmarshal(b, &open) != nil {
		t.Fatal(err)
	}
	metrics := page(t, "http://"+open.Admin+"/metrics", open.Admin, nil)
	for _, want := range []string{`qorgan_certificates{state="valid"} 1`, `qorgan_certificate_expiry_timestamp_seconds{name="shop.example"}`, "qorgan_certificate_queue 0"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	qorgan(true, "certs", "renew", "shop.example")
	second := serial("shop.example")
	if second == first {
		t.Error("renew renewed nothing")
	}
	qorgan(true, "certs", "revoke", "shop.example", "--reason", "superseded")
	if a.revoked.Load() != 1 {
		t.Error("revoke revoked nothing")
	}
	until(t, "another certificate is shown", func() bool { return serial("shop.example") != second })
	qorgan(false, "certs", "export", "stranger.example")
	qorgan(true, "certs", "export", "shop.example", "--to", dir)
	for name, mode := range map[string]os.FileMode{"shop.example.pem": 0o644, "shop.example.key": 0o600} {
		if info, err := os.Stat(in(name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}

	// What certbot and Caddy keep is taken and shown without an order.
	certbot, key := selfSigned(t, "moved.example", "www.moved.example")
	live := in("letsencrypt/live/moved.example")
	caddy, caddyKey := selfSigned(t, "shop.example")
	for _, folder := range []string{live, in("caddy/local/shop.example"), in("caddy/local/broken.example")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(live, "fullchain.pem"), certbot)
	write(t, filepath.Join(live, "privkey.pem"), key)
	for _, name := range []string{"shop.example", "broken.example"} {
		write(t, in("caddy/local/"+name+"/"+name+".crt"), caddy)
	}
	write(t, in("caddy/local/shop.example/shop.example.key"), caddyKey)
	write(t, in("caddy/local/broken.example/broken.example.key"), key)
	if got := qorgan(true, "certs", "import", in("letsencrypt/live")); !strings.Contains(got, "taken for moved.example, www.moved.example until") {
		t.Errorf("import from certbot: %s", got)
	}
	got := qorgan(false, "certs", "import", in("caddy"))
	for _, want := range []string{"there is one of shop.example that ends no sooner", "broken.example.key is not its key", "none was taken"} {
		if !strings.Contains(got, want) {
			t.Errorf("import from Caddy: %s lacks %q", got, want)
		}
	}
	issued := a.issued.Load()
	shown, err := leaf(t.Context(), https, "moved.example", nil)
	if err == nil {
		t.Fatal("a self-signed certificate was believed", shown)
	}
	if !strings.Contains(err.Error(), "unknown authority") || a.issued.Load() != issued {
		t.Errorf("what was imported is not shown: %v, %d issued", err, a.issued.Load()-issued)
	}
}
