package pebbletest

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/qorgan/qorgan/certs"
	"github.com/qorgan/qorgan/certs/postgres"
	"github.com/qorgan/qorgan/internal/postgrestest"
)

// sharing opens a storage for one edge.
func sharing(t *testing.T, address string) *postgres.Storage {
	t.Helper()
	s, err := postgres.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTwoEdges: two edges with one storage and the same names, asked for at
// once; each name is issued exactly once, and both show it. The authority looks
// at the first edge only, also for what the second one ordered.
func TestTwoEdges(t *testing.T) {
	names := number(t, "QORGAN_SHARED_NAMES", 100)
	database := postgrestest.Start(t)
	plain, secure := listeners(t)
	a := found(t, plan{httpPort: port(plain.Listener), tlsPort: port(secure), life: 90 * 24 * 3600})
	by := a.known()
	by.Orders, by.OrdersIn = 100000, 3*time.Hour
	o := certs.ACMEOptions{Authorities: []certs.Authority{by}, Serves: everything, Written: everything, Shared: true, Patience: 45 * time.Second}
	var edges [2]string
	for i := range edges {
		s := sharing(t, database)
		o.Storage, o.Closed = s, s.Close
		if i == 1 {
			plain, secure = listeners(t)
		}
		edges[i], _ = openWith(t, plain, secure, o)
	}
	var all sync.WaitGroup
	shown := make([][2]string, names)
	for e := range edges {
		all.Go(func() {
			each(names, 8, func(i int) {
				got, err := leaf(t.Context(), edges[e], fmt.Sprintf("n%d.shared.example", i), a.roots)
				if err != nil {
					t.Errorf("edge %d, name %d: %v", e, i, err)
					return
				}
				shown[i][e] = got.SerialNumber.String()
			})
		})
	}
	all.Wait()
	for i, s := range shown {
		if s[0] != s[1] {
			t.Errorf("name %d: the edges show different certificates", i)
		}
	}
	if n := a.issued.Load(); n != int64(names) {
		t.Errorf("%d certificates for %d names", n, names)
	}
	if n := a.accounts.Load(); n != 1 {
		t.Errorf("%d accounts", n)
	}
}

// TestKilledEdge: an edge that is killed while it orders keeps another from
// ordering for some seconds, not more.
func TestKilledEdge(t *testing.T) {
	program, database := build(t), postgrestest.Start(t)
	dir := t.TempDir()
	plain, secure := listeners(t)
	a := found(t, plan{httpPort: port(plain.Listener), tlsPort: port(secure), life: 90 * 24 * 3600})
	ordering := make(chan struct{}, 100)
	stall := fault(func(_ http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/order-plz") {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body) // what is not read keeps the end of the connection from being noticed
		ordering <- struct{}{}
		<-r.Context().Done()
		return true
	})
	a.fault.Store(&stall)
	cms := httptest.NewServer(http.NotFoundHandler())
	defer cms.Close()
	write(t, filepath.Join(dir, "authority.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw}))
	file, tlsPort := filepath.Join(dir, "qorgan.yaml"), closedPort(t)
	write(t, file, fmt.Appendf(nil, `data: data
http: 127.0.0.1:%d
https: 127.0.0.1:%d
console: {listen: "off"}
tls: {mode: acme, directory: %s, roots: authority.pem, storage: %q}
sites: [{hosts: killed.example, upstreams: "%s"}]
`, closedPort(t), tlsPort, a.directory(), database, cms.URL))
	process := run(t, program, filepath.Join(dir, "data", "addresses.json"), "run", "-c", file)
	go func() { _ = shake(t.Context(), fmt.Sprintf("127.0.0.1:%d", tlsPort), "killed.example", a.roots) }()
	<-ordering
	if err := syscall.Kill(process, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	a.fault.Store(nil)
	s := sharing(t, database)
	address, _ := openWith(t, plain, secure, certs.ACMEOptions{Storage: s, Closed: s.Close, Shared: true,
		Authorities: []certs.Authority{a.known()}, Serves: everything, Written: everything, Patience: 45 * time.Second})
	began := time.Now()
	if err := shake(t.Context(), address, "killed.example", a.roots); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	t.Logf("the other edge had it after %s", took.Round(100*time.Millisecond))
	if took > 30*time.Second {
		t.Errorf("the dead edge's lock was free after %s", took)
	}
}
