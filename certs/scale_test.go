package certs

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/rs/zerolog"
)

// stocked returns options over a folder with certificates of n names.
func stocked(tb testing.TB, n int) ACMEOptions {
	tb.Helper()
	l, err := NewLocal(tb.TempDir(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	l.leaves = nil
	all := func(string) bool { return true }
	o := ACMEOptions{Dir: tb.TempDir(), Authorities: []Authority{{Directory: "https://127.0.0.1:1/dir"}}, Serves: all, Written: all, Logger: zerolog.Nop()}
	by := newAuthority(o.Authorities[0], nil, nil, nil, zerolog.Nop()).key
	for i := range n {
		name := fmt.Sprintf("n%d.example", i)
		c, err := l.sign(name)
		if err != nil {
			tb.Fatal(err)
		}
		// As the shelf does, but for waiting until the disk has it.
		if err := os.MkdirAll(filepath.Join(o.Dir, certmagic.StorageKeys.CertsSitePrefix(by, name)), 0o700); err != nil {
			tb.Fatal(err)
		}
		for file, b := range map[string][]byte{
			certmagic.StorageKeys.SiteCert(by, name): encodeChain(c.Certificate), certmagic.StorageKeys.SitePrivateKey(by, name): encodeKey(tb, c),
		} {
			if err := os.WriteFile(filepath.Join(o.Dir, file), b, 0o600); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return o
}

// TestManyNames: with many names in storage a manager answers at once, and holds
// next to nothing for each that nobody asks for.
func TestManyNames(t *testing.T) {
	n := 10000
	if testing.Short() {
		n = 300
	}
	o := stocked(t, n)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, began := heap(), time.Now()
	a, err := NewACME(o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.load(t.Context(), fmt.Sprintf("n%d.example", n-1)); err != nil {
		t.Fatal(err)
	}
	first := time.Since(began)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * time.Minute); len(a.Status()) < n; <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%d of %d names are known", len(a.Status()), n)
		}
	}
	known := time.Since(began)
	grown := int64(heap()) - int64(before)
	each := grown / int64(n)
	t.Logf("%d names: the first certificate after %s, all known after %s, %d bytes a name", n, first.Round(time.Millisecond), known.Round(time.Millisecond), each)
	const itself = 4 << 20 // what a manager takes with no name at all
	if grown > itself+2048*int64(n) {
		t.Errorf("%d bytes for %d names that nobody asked for", grown, n)
	}
}
