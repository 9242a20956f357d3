package pebbletest

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qorgan/qorgan/certs"
)

// TestShortLives: certificates of some seconds are renewed in time, again and
// again, while handshakes go on: with advice, without, and with an authority
// that offers advice and has none. No certificate is shown after its end.
func TestShortLives(t *testing.T) {
	for _, how := range []string{"advice", "no advice", "advice is missing", "advice hangs"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			plain, secure := listeners(t)
			a := foundQuietly(t, plan{httpPort: port(plain.Listener), tlsPort: port(secure), life: 12, silent: how == "no advice"})
			over := make(chan struct{})
			f := fault(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, "/renewalInfo/") {
					return false
				}
				switch how {
				case "advice is missing":
					w.WriteHeader(http.StatusNotFound)
					return true
				case "advice hangs":
					<-over
					return true
				}
				return false
			})
			a.fault.Store(&f)
			address := open(t, a, t.TempDir(), plain, secure, "short.example")
			t.Cleanup(func() { close(over) })
			shown := map[string]bool{}
			until(t, "five certificates", func() bool {
				now, err := leaf(t.Context(), address, "short.example", a.roots) // checks the time
				if err != nil {
					t.Fatal(err)
				}
				shown[now.SerialNumber.String()] = true
				return len(shown) == 5
			})
		})
	}
}

// TestClock: where the edge's clock jumps ahead of everything, what it has goes
// on being shown, and is renewed; where it jumps back, nothing changes.
func TestClock(t *testing.T) {
	plain, secure := listeners(t)
	a := found(t, plan{httpPort: port(plain.Listener), tlsPort: port(secure), life: 90 * 24 * 3600, silent: true})
	var ahead atomic.Int64
	address, _ := openWith(t, plain, secure, certs.ACMEOptions{Dir: t.TempDir(), Authorities: []certs.Authority{a.known()},
		Serves: everything, Written: everything, Patience: time.Second,
		Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	show := func() *x509.Certificate {
		t.Helper()
		got, err := leaf(t.Context(), address, "clock.example", a.roots)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := show()
	ahead.Store(int64(-200 * 24 * time.Hour))
	if !show().Equal(first) {
		t.Error("a clock that fell back changed the certificate")
	}
	a.down.Store(true)
	ahead.Store(int64(200 * 24 * time.Hour))
	if !show().Equal(first) {
		t.Error("a clock that ran ahead changed the certificate")
	}
	a.down.Store(false)
	ahead.Store(int64(80 * 24 * time.Hour))
	if !show().Equal(first) {
		t.Error("a renewal is due, and another certificate is shown at once")
	}
}

// TestForced: a renewal an owner wants, and a revocation.
func TestForced(t *testing.T) {
	plain, secure := listeners(t)
	a := found(t, plan{httpPort: port(plain.Listener), tlsPort: port(secure), life: 90 * 24 * 3600})
	address, m := openWith(t, plain, secure, certs.ACMEOptions{Dir: t.TempDir(), Authorities: []certs.Authority{a.known()}, Serves: everything, Written: everything})
	seen := map[string]bool{}
	show := func(what string) {
		t.Helper()
		got, err := leaf(t.Context(), address, "forced.example", a.roots)
		if err != nil {
			t.Fatal(err)
		}
		if serial := fmt.Sprint(got.SerialNumber); seen[serial] {
			t.Errorf("%s: the same certificate is shown", what)
		} else {
			seen[serial] = true
		}
	}
	show("first")
	if err := m.Renew(t.Context(), "forced.example"); err != nil {
		t.Fatal(err)
	}
	show("renewed")
	if err := m.Revoke(t.Context(), "forced.example", 4); err != nil {
		t.Fatal(err)
	}
	if n := a.revoked.Load(); n != 1 {
		t.Errorf("%d revocations", n)
	}
	show("revoked")
	if err := m.Revoke(t.Context(), "stranger.example", 4); err == nil {
		t.Error("what is not there was revoked")
	}
}
