package pebbletest

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/wfe"

	"github.com/qorgan/qorgan/certs"
)

func everything(string) bool { return true }

// refusing answers orders with a limit of so many seconds; detail is the
// refusal's text.
func refusing(refused *atomic.Int64, detail string, seconds int) *fault {
	f := fault(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/order-plz" {
			return false
		}
		refused.Add(1)
		w.Header().Set("Retry-After", fmt.Sprint(seconds))
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprintf(w, `{"type":"urn:ietf:params:acme:error:rateLimited","status":429,"detail":%q}`, detail)
		return true
	})
	return &f
}

// TestRateLimit: an authority that asks for a pause of the account gets it for
// all names and over a restart; one that speaks of a name gets it for that one.
func TestRateLimit(t *testing.T) {
	plain, secure := listeners(t)
	httpPort, tlsPort := port(plain.Listener), port(secure)
	a := found(t, plan{httpPort: httpPort, tlsPort: tlsPort, life: 3600})
	o := certs.ACMEOptions{Dir: t.TempDir(), Authorities: []certs.Authority{a.known()}, Serves: everything, Written: everything}
	var refused atomic.Int64
	t.Run("first", func(t *testing.T) {
		address, m := openWith(t, plain, secure, o)
		a.fault.Store(refusing(&refused, `too many certificates already issued for "limited.example"`, 3600))
		for range 2 {
			if err := shake(t.Context(), address, "www.limited.example", a.roots); err == nil {
				t.Error("a certificate beyond the limit")
			}
		}
		got := status(t, m, "www.limited.example")
		if wait := time.Until(got.Next); got.Cause != certs.CauseLimit || wait < 55*time.Minute || wait > time.Hour {
			t.Errorf("%+v", got)
		}
		a.fault.Store(nil)
		if err := shake(t.Context(), address, "free.example", a.roots); err != nil {
			t.Errorf("another name: %v", err)
		}
		a.fault.Store(refusing(&refused, "too many new orders recently", 3600))
		for _, name := range []string{"one.example", "two.example", "three.example"} {
			if err := shake(t.Context(), address, name, a.roots); err == nil {
				t.Errorf("%s has a certificate beyond the limit", name)
			}
		}
	})
	if n := refused.Load(); n != 2 {
		t.Errorf("%d orders refused: the limits were not obeyed", n)
	}
	a.fault.Store(nil)
	plain, secure = listenersAt(t, httpPort, tlsPort)
	address, m := openWith(t, plain, secure, o)
	before := a.orders.Load()
	for _, name := range []string{"one.example", "four.example"} {
		if err := shake(t.Context(), address, name, a.roots); err == nil {
			t.Errorf("%s has a certificate during the pause", name)
		}
	}
	if a.orders.Load() != before {
		t.Error("a restart ended the pause")
	}
	if got := status(t, m, "four.example"); got.Cause != certs.CauseLimit || time.Until(got.Next) < 55*time.Minute {
		t.Errorf("%+v", got)
	}
	if err := shake(t.Context(), address, "free.example", a.roots); err != nil {
		t.Errorf("what was issued: %v", err)
	}
}

// TestSecondAuthority: when the first refuses or is down, the second issues,
// through an account that is bound.
func TestSecondAuthority(t *testing.T) {
	for what, seen := range map[string]func(first *authority){
		"limit": func(first *authority) { first.fault.Store(refusing(new(atomic.Int64), "busy", 60)) },
		"down":  func(first *authority) { first.down.Store(true) },
		"cut": func(first *authority) {
			f := fault(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
			first.fault.Store(&f)
		},
		"fails": func(first *authority) {
			f := fault(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == wfe.DirectoryPath {
					return false
				}
				w.WriteHeader(http.StatusInternalServerError)
				return true
			})
			first.fault.Store(&f)
		},
	} {
		t.Run(what, func(t *testing.T) {
			plain, secure := listeners(t)
			p := plan{httpPort: port(plain.Listener), tlsPort: port(secure), life: 3600}
			first := found(t, p)
			p.binding = true
			second := found(t, p)
			seen(first)
			bound := second.known()
			bound.KeyID, bound.MACKey = bindingID, bindingKey
			address, m := openWith(t, plain, secure, certs.ACMEOptions{Dir: t.TempDir(),
				Authorities: []certs.Authority{first.known(), bound}, Serves: everything, Written: everything})
			if err := shake(t.Context(), address, "second.example", second.roots); err != nil {
				t.Fatal(err)
			}
			if got := status(t, m, "second.example"); "https://"+got.Authority != strings.TrimSuffix(second.server.URL, "/") {
				t.Errorf("issued by %s", got.Authority)
			}
		})
	}
}

// TestPace: orders keep to what the authority takes of an account, over a
// restart; the queue says when its last name will be served.
func TestPace(t *testing.T) {
	plain, secure := listeners(t)
	httpPort, tlsPort := port(plain.Listener), port(secure)
	a := found(t, plan{httpPort: httpPort, tlsPort: tlsPort, life: 3600})
	slow := a.known()
	slow.Orders, slow.OrdersIn, slow.Accounts = 2, 2*time.Hour, 2
	o := certs.ACMEOptions{Dir: t.TempDir(), Authorities: []certs.Authority{slow}, Serves: everything, Written: everything, Patience: 300 * time.Millisecond}
	names := func(address string) (served int) {
		for i := range 30 {
			if shake(t.Context(), address, fmt.Sprintf("%d.pace.example", i), a.roots) == nil {
				served++
			}
		}
		return served
	}
	t.Run("first", func(t *testing.T) {
		address, m := openWith(t, plain, secure, o)
		names(address)
		until(t, "four orders, two of each account", func() bool { return a.issued.Load() == 4 })
		q := m.Queue(t.Context())
		// 26 wait, 16 of them in the hands of those who order; the 10 others go
		// to two accounts that take one an hour.
		if left := time.Until(q.Last); q.Length != 10 || left < 4*time.Hour || left > 6*time.Hour {
			t.Errorf("%d wait until %s", q.Length, left)
		}
	})
	if n := a.accounts.Load(); n != 2 {
		t.Errorf("%d accounts", n)
	}
	plain, secure = listenersAt(t, httpPort, tlsPort)
	address, _ := openWith(t, plain, secure, o)
	if n := names(address); n != 4 {
		t.Errorf("%d names served after a restart", n)
	}
	if n := a.orders.Load(); n != 4 {
		t.Errorf("%d orders: a restart forgot the pace", n)
	}
}

// TestProfile: 45 days where they are offered, a short life by choice only.
func TestProfile(t *testing.T) {
	for choice, want := range map[string]string{"": "tlsserver", "shortlived": "shortlived", "longlived": ""} {
		t.Run("choice "+choice, func(t *testing.T) {
			plain, secure := listeners(t)
			a := found(t, plan{httpPort: port(plain.Listener), tlsPort: port(secure), life: 3600, profiles: []string{"classic", "tlsserver", "shortlived"}})
			by := a.known()
			by.Profile = choice
			address, m := openWith(t, plain, secure, certs.ACMEOptions{Dir: t.TempDir(), Authorities: []certs.Authority{by}, Serves: everything, Written: everything})
			err := shake(t.Context(), address, "profile.example", a.roots)
			if want == "" {
				if got := status(t, m, "profile.example"); err == nil || !strings.Contains(got.Error, "classic, shortlived, tlsserver") {
					t.Errorf("%v, %+v", err, got)
				}
				return
			}
			if got := a.profile.Load(); err != nil || got != want {
				t.Errorf("ordered with %q, %v", got, err)
			}
		})
	}
}
