package pebbletest

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConsole runs a console with `tls: acme`: alone, and inside an edge whose
// sites have no certificates of the authority. The first is found at its own
// listener, the second at the edge's plain one.
func TestConsole(t *testing.T) {
	program := build(t)
	const name = "console.example"
	for _, where := range []string{"alone", "in the edge"} {
		t.Run(where, func(t *testing.T) {
			dir := t.TempDir()
			httpPort, consolePort := closedPort(t), closedPort(t)
			p := plan{httpPort: closedPort(t), tlsPort: consolePort, life: 3600}
			if where == "in the edge" {
				p.httpPort, p.tlsPort = httpPort, closedPort(t)
			}
			a := found(t, p)
			data, roots, file := filepath.Join(dir, "data"), filepath.Join(dir, "authority.pem"), filepath.Join(dir, "qorgan.yaml")
			write(t, roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw}))
			listen := fmt.Sprintf("127.0.0.1:%d", consolePort)
			authority := fmt.Sprintf("email: owner@shop.example, directory: %s, roots: authority.pem", a.directory())
			serving := filepath.Join(data, "addresses.json")
			if where == "alone" {
				write(t, file, fmt.Appendf(nil, "tls: {%s}\n", authority))
				run(t, program, serving, "console", "-c", file, "--listen", listen, "--tls", "acme", "--host", name, "--data", data)
			} else {
				cms := httptest.NewServer(http.NotFoundHandler())
				defer cms.Close()
				write(t, file, fmt.Appendf(nil, `data: data
http: 127.0.0.1:%d
tls: {mode: "off", %s}
console: {listen: "%s", tls: acme, url: "https://%s"}
sites: [{hosts: shop.example, upstreams: "%s"}]
`, httpPort, authority, listen, name, cms.URL))
				run(t, program, serving, "run", "-c", file)
			}
			for _, other := range []string{"", "localhost", "shop.example"} {
				if err := shake(t.Context(), listen, other, a.roots); err == nil {
					t.Errorf("server name %q was shown a certificate", other)
				}
			}
			if n := a.orders.Load(); n != 0 {
				t.Errorf("%d orders for names that are not the console's", n)
			}
			got := page(t, "https://"+name+"/sign-in", listen, a.roots)
			if !strings.Contains(got, "<html") {
				t.Errorf("the sign-in page: %q", got)
			}
			if n := a.issued.Load(); n != 1 {
				t.Errorf("%d certificates", n)
			}
			var open struct{ Console string }
			if b, err := os.ReadFile(serving); err != nil || json.Unmarshal(b, &open) != nil || !strings.HasPrefix(open.Console, "https://"+name) {
				t.Errorf("its address: %+v, %v", open, err)
			}
		})
	}
}
