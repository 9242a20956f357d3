package pebbletest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qorgan/qorgan/certs"
)

// below serves the names of one domain, none of which was written.
func below(domain string) func(string) bool {
	return func(name string) bool { return strings.HasSuffix(name, "."+domain) }
}

// TestAsk: the hoster's address decides on names nobody wrote; one that hangs
// or says nonsense costs its own names their certificate and no others.
func TestAsk(t *testing.T) {
	var asked atomic.Int64
	var client atomic.Value
	release := make(chan struct{})
	hoster := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		client.Store(r.FormValue("client"))
		switch name, _, _ := strings.Cut(r.FormValue("domain"), "."); name {
		case "yes":
		case "no":
			w.WriteHeader(http.StatusNotFound)
		case "broken":
			w.WriteHeader(http.StatusBadGateway)
		case "elsewhere":
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		case "hangs":
			<-release
		case "cut":
			panic(http.ErrAbortHandler)
		}
	}))
	defer hoster.Close()
	defer close(release)
	ask, err := url.Parse(hoster.URL + "/may?key=1")
	if err != nil {
		t.Fatal(err)
	}
	plain, secure := listeners(t)
	a := found(t, plan{httpPort: port(plain.Listener), tlsPort: port(secure), life: 3600})
	address, m := openWith(t, plain, secure, certs.ACMEOptions{
		Dir: t.TempDir(), Authorities: []certs.Authority{a.known()}, Ask: ask, Patience: 10 * time.Second,
		Serves:  below("asked.example"),
		Written: func(name string) bool { return name == "written.asked.example" },
	})
	hung := make(chan error, 1)
	go func() { hung <- shake(t.Context(), address, "hangs.asked.example", a.roots) }()
	until(t, "the address was asked", func() bool { return asked.Load() == 1 })
	for _, name := range []string{"yes", "written"} {
		if err := shake(t.Context(), address, name+".asked.example", a.roots); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := client.Load(); got != "127.0.0.1" {
		t.Errorf("the client was said to be %q", got)
	}
	for name, cause := range map[string]certs.Cause{"no": certs.CauseDenied, "broken": certs.CauseAsk, "elsewhere": certs.CauseAsk, "cut": certs.CauseAsk} {
		if err := shake(t.Context(), address, name+".asked.example", a.roots); err == nil {
			t.Errorf("%s was given a certificate", name)
		}
		if got := status(t, m, name+".asked.example"); got.State != certs.Refused || got.Cause != cause {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if <-hung == nil {
		t.Error("an address that hangs was taken for a yes")
	}
	before := asked.Load()
	for range 5 {
		_ = shake(t.Context(), address, "no.asked.example", a.roots)
	}
	if asked.Load() != before {
		t.Error("an answer was asked for again")
	}
	if n := a.orders.Load(); n != 2 {
		t.Errorf("%d orders", n)
	}
}

func status(t *testing.T, m *certs.ACME, name string) certs.Status {
	t.Helper()
	for _, s := range m.Status() {
		if s.Name == name {
			return s
		}
	}
	t.Errorf("nothing is known of %s", name)
	return certs.Status{}
}

// TestInventedNames: names of a wildcard are bounded, by domain and in all,
// over a restart; what is turned away leaves no file.
func TestInventedNames(t *testing.T) {
	plain, secure := listeners(t)
	httpPort, tlsPort := port(plain.Listener), port(secure)
	a := found(t, plan{httpPort: httpPort, tlsPort: tlsPort, life: 3600})
	dir := t.TempDir()
	served := func(name string) bool { return below("one.example")(name) || below("two.example")(name) }
	o := certs.ACMEOptions{Dir: dir, Authorities: []certs.Authority{a.known()}, Serves: served,
		NewNames: certs.NewNames{PerDomain: 2, PerHour: 3}}
	try := func(address string, want map[string]bool) {
		for _, name := range []string{"a.one.example", "b.one.example", "c.one.example", "a.two.example", "b.two.example"} {
			if err := shake(t.Context(), address, name, a.roots); (err == nil) != want[name] {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	want := map[string]bool{"a.one.example": true, "b.one.example": true, "a.two.example": true}
	t.Run("first", func(t *testing.T) {
		address, _ := openWith(t, plain, secure, o)
		try(address, want)
	})
	plain, secure = listenersAt(t, httpPort, tlsPort)
	address, _ := openWith(t, plain, secure, o)
	try(address, want)
	if n := a.orders.Load(); n != 3 {
		t.Errorf("%d orders", n)
	}
	for _, name := range []string{"c.one.example", "b.two.example"} {
		for _, f := range filesBelow(t, dir) {
			if strings.Contains(f, name) {
				t.Errorf("%s left %s", name, f)
			}
		}
	}
}

// TestNamesThatLeadElsewhere: no order for a name whose addresses are not ours.
func TestNamesThatLeadElsewhere(t *testing.T) {
	here, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	plain, secure := listeners(t)
	a := found(t, plan{httpPort: port(plain.Listener), tlsPort: port(secure), life: 3600})
	all := func(string) bool { return true }
	address, m := openWith(t, plain, secure, certs.ACMEOptions{
		Dir: t.TempDir(), Authorities: []certs.Authority{a.known()}, Serves: all, Written: all,
		Addresses: []netip.Addr{here},
		Lookup: func(_ context.Context, name string) ([]netip.Addr, error) {
			switch name {
			case "here.example":
				return []netip.Addr{here}, nil
			case "mapped.example":
				return []netip.Addr{netip.AddrFrom16(here.As16())}, nil
			case "both.example":
				return []netip.Addr{here, other}, nil
			case "nowhere.example":
				return nil, fmt.Errorf("no such host")
			}
			return nil, nil
		},
	})
	for name, ok := range map[string]bool{"here.example": true, "mapped.example": true, "both.example": false, "nowhere.example": false, "empty.example": false} {
		if err := shake(t.Context(), address, name, a.roots); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
		if got := status(t, m, name); !ok && got.Cause != certs.CauseElsewhere {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if n := a.orders.Load(); n != 2 {
		t.Errorf("%d orders", n)
	}
}

// TestFailedName: a name whose order failed is left alone, over a restart, and
// says why.
func TestFailedName(t *testing.T) {
	plain, secure := listeners(t)
	httpPort, tlsPort := port(plain.Listener), port(secure)
	// The authority looks where nobody answers.
	a := found(t, plan{httpPort: closedPort(t), tlsPort: closedPort(t), life: 3600})
	all := func(string) bool { return true }
	o := certs.ACMEOptions{Dir: t.TempDir(), Authorities: []certs.Authority{a.known()}, Serves: all, Written: all}
	for _, run := range []string{"first", "again"} {
		t.Run(run, func(t *testing.T) {
			address, m := openWith(t, plain, secure, o)
			for range 3 {
				if err := shake(t.Context(), address, "unreached.example", a.roots); err == nil {
					t.Error("a certificate")
				}
			}
			got := status(t, m, "unreached.example")
			if reached := got.Cause != certs.CauseUnreached && got.Cause != certs.CauseElsewhere; got.State != certs.Failed || reached || time.Until(got.Next) <= 0 {
				t.Errorf("%+v", got)
			}
		})
		plain, secure = listenersAt(t, httpPort, tlsPort)
	}
	plain.Listener.Close()
	secure.Close()
	if n := a.orders.Load(); n != 2 { // one for each kind of challenge
		t.Errorf("%d orders", n)
	}
}

// TestHangingAuthority: a handshake waits its time and no longer, others do not
// wait, and the end of the manager waits for nobody.
func TestHangingAuthority(t *testing.T) {
	plain, secure := listeners(t)
	a := found(t, plan{httpPort: port(plain.Listener), tlsPort: port(secure), life: 90 * 24 * 3600})
	all := func(string) bool { return true }
	release := make(chan struct{})
	defer close(release)
	address, m := openWith(t, plain, secure, certs.ACMEOptions{Dir: t.TempDir(), Authorities: []certs.Authority{a.known()},
		Serves: all, Written: all, Patience: time.Second})
	if err := shake(t.Context(), address, "there.example", a.roots); err != nil {
		t.Fatal(err)
	}
	hang := fault(func(http.ResponseWriter, *http.Request) bool { <-release; return true })
	a.fault.Store(&hang)
	began := time.Now()
	late := make(chan error, 1)
	go func() { late <- shake(t.Context(), address, "late.example", a.roots) }()
	until(t, "an order waits", func() bool { return status(t, m, "there.example").State == certs.Valid && len(m.Status()) == 2 })
	if err := shake(t.Context(), address, "there.example", a.roots); err != nil {
		t.Error(err)
	}
	if <-late == nil {
		t.Error("a certificate of an authority that hangs")
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the handshake waited %s", took)
	}
	began = time.Now()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the end waited %s", took)
	}
}
