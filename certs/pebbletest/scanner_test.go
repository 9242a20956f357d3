package pebbletest

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"net/http"
)

// TestScanner: the program obtains a certificate at the first handshake of each
// of many names while a scanner tries others; every name of a site gets one,
// nothing is tried for the others, and they take no memory and no file.
// QORGAN_NAMES and QORGAN_SCANNED set how many (make acme-scanner: 1,000 and
// 50,000).
func TestScanner(t *testing.T) {
	names, scanned := number(t, "QORGAN_NAMES", 40), number(t, "QORGAN_SCANNED", 2000)
	program := build(t)
	dir := t.TempDir()
	httpPort, tlsPort := closedPort(t), closedPort(t)
	a := found(t, plan{httpPort: httpPort, tlsPort: tlsPort, life: 90 * 24 * 3600})
	cms := httptest.NewServer(http.NotFoundHandler())
	defer cms.Close()
	roots, file, data := filepath.Join(dir, "authority.pem"), filepath.Join(dir, "qorgan.yaml"), filepath.Join(dir, "data")
	write(t, roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw}))
	var config strings.Builder
	fmt.Fprintf(&config, `data: data
http: 127.0.0.1:%d
https: 127.0.0.1:%d
console: {listen: "off"}
log: {access: false, level: error}
capacity: {client_connections: 100000} # they all have one address
tls: {mode: acme, directory: %s, roots: authority.pem, orders: 100000}
sites:
`, httpPort, tlsPort, a.directory())
	for i := range names {
		fmt.Fprintf(&config, "  - {hosts: n%d.example, upstreams: %s}\n", i, cms.URL)
	}
	write(t, file, []byte(config.String()))
	process := run(t, program, filepath.Join(data, "addresses.json"), "run", "-c", file)
	https := fmt.Sprintf("127.0.0.1:%d", tlsPort)

	began := time.Now()
	var failed atomic.Int64
	var shown atomic.Int64
	var all sync.WaitGroup
	all.Go(func() {
		each(names, 24, func(i int) {
			name := fmt.Sprintf("n%d.example", i)
			for try := 0; shake(t.Context(), https, name, a.roots) != nil; try++ {
				if try == 3 {
					failed.Add(1)
					return
				}
			}
		})
	})
	all.Go(func() {
		each(scanned, 8, func(i int) {
			if shake(t.Context(), https, fmt.Sprintf("s%d.n%d.example", i, i%names), a.roots) == nil {
				shown.Add(1)
			}
		})
	})
	all.Wait()
	took := time.Since(began)
	before := resident(t, process)
	each(scanned, 8, func(i int) { _ = shake(t.Context(), https, fmt.Sprintf("again%d.example", i), a.roots) })
	after := resident(t, process)
	t.Logf("%d names in %s while %d others were tried; resident %d KiB, after as many others again %d KiB", names, took.Round(time.Second), scanned, before, after)
	if failed.Load() != 0 || shown.Load() != 0 {
		t.Errorf("%d names have no certificate, %d strangers were shown one", failed.Load(), shown.Load())
	}
	if n := a.orders.Load(); n > int64(names)+int64(names)/10 {
		t.Errorf("%d orders for %d names", n, names)
	}
	if n := a.issued.Load(); n != int64(names) {
		t.Errorf("%d certificates for %d names", n, names)
	}
	for _, f := range filesBelow(t, data) {
		if strings.Contains(f, "again") || strings.Contains(f, "/s1.") {
			t.Errorf("a stranger left %s", f)
		}
	}
	if after > before+before/4+16<<10 {
		t.Errorf("memory grew from %d to %d KiB", before, after)
	}
}

func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	s := os.Getenv(variable)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// each calls f with 0 to n-1, some at a time.
func each(n, atOnce int, f func(int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	all.Wait()
}

// resident returns what a process holds of the machine's memory, in KiB.
func resident(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip("memory is measured on Linux only")
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
