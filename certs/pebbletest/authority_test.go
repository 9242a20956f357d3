package pebbletest

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"github.com/qorgan/qorgan/internal/freeport"
)

// authority is a pebble of one test's own.
type authority struct {
	server   *httptest.Server
	one      sync.Mutex     // held by the request that is answered
	roots    *x509.CertPool // of the certificates it issues
	orders   atomic.Int64   // new orders asked for
	issued   atomic.Int64   // orders that reached their certificate's request
	accounts atomic.Int64
	nonces   atomic.Int64 // answers that refused a nonce
	advice   atomic.Int64 // questions for the time of renewal (RFC 9773)
	refused  atomic.Int64 // requests while down
	down     atomic.Bool  // every request is answered 503
	revoked  atomic.Int64
	profile  atomic.Value          // of the last order
	fault    atomic.Pointer[fault] // nil for none
}

// fault is what goes wrong with a request; it returns whether it has answered.
type fault func(w http.ResponseWriter, r *http.Request) bool

// plan is what an authority of a test is like.
type plan struct {
	httpPort, tlsPort int    // where it looks for challenges; see closedPort
	life              uint64 // of its certificates, in seconds
	badNonces         int    // of 100 requests
	silent            bool   // gives no advice on the time of renewal
	binding           bool   // knows the account bindingID and no others
	profiles          []string
	names             string // the name server it asks; one that says every name is 127.0.0.1 when empty
}

// What an account is bound to.
const bindingID, bindingKey = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"

// found starts an authority that ends with the test.
func found(t *testing.T, p plan) *authority {
	t.Helper()
	t.Setenv("PEBBLE_WFE_NONCEREJECT", fmt.Sprint(p.badNonces))
	return foundQuietly(t, p)
}

// TestMain sets what every pebble of the tests is like.
func TestMain(m *testing.M) {
	for _, v := range []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0", "PEBBLE_WFE_NONCEREJECT=0"} {
		name, value, _ := strings.Cut(v, "=")
		if err := os.Setenv(name, value); err != nil {
			log.Fatal(err)
		}
	}
	os.Exit(m.Run())
}

// foundQuietly is found for parallel tests: its authority refuses no nonces.
func foundQuietly(t *testing.T, p plan) *authority {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	if p.names == "" {
		p.names = nameServer(t)
	}
	if p.profiles == nil {
		p.profiles = []string{"default"}
	}
	profiles := map[string]ca.Profile{}
	for _, name := range p.profiles {
		profiles[name] = ca.Profile{Description: "of a test", ValidityPeriod: p.life}
	}
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, profiles)
	if p.binding {
		if err := store.AddExternalAccountKeyByID(bindingID, bindingKey); err != nil {
			t.Fatal(err)
		}
	}
	front := wfe.New(quiet, store, va.New(quiet, p.httpPort, p.tlsPort, false, p.names, store), issuer,
		[]string{"pebble.test"}, false, p.binding, 0, 0)
	a := &authority{roots: x509.NewCertPool()}
	a.roots.AddCert(issuer.GetRootCert(0).Cert)
	a.server = httptest.NewTLSServer(a.watched(front.Handler(), p.silent))
	t.Cleanup(a.server.Close)
	return a
}

// watched counts what the tests ask about and is down when it should be.
func (a *authority) watched(next http.Handler, silent bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.down.Load() {
			a.refused.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if f := a.fault.Load(); f != nil && (*f)(w, r) {
			return
		}
		switch {
		case r.URL.Path == wfe.DirectoryPath && silent:
			withoutAdvice(w, r, next)
			return
		case strings.Contains(r.URL.Path, "/renewalInfo/"):
			a.advice.Add(1)
		case strings.HasPrefix(r.URL.Path, "/finalize-order/"):
			a.issued.Add(1)
		case r.URL.Path == "/order-plz":
			a.orders.Add(1)
			a.profile.Store(profileOf(r))
		case r.URL.Path == "/revoke-cert":
			a.revoked.Add(1)
		case r.URL.Path == "/sign-me-up":
			a.accounts.Add(1)
		}
		// pebble locks authorizations and orders in either order: two requests at
		// once can wait for each other for ever.
		a.one.Lock()
		defer a.one.Unlock()
		next.ServeHTTP(&nonceWatcher{ResponseWriter: w, seen: &a.nonces}, r)
	})
}

// profileOf reads what a new order asks for, and leaves its body as it was.
func profileOf(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	var signed struct{ Payload string }
	var order struct{ Profile string }
	if json.Unmarshal(body, &signed) == nil {
		payload, _ := base64.RawURLEncoding.DecodeString(signed.Payload)
		_ = json.Unmarshal(payload, &order)
	}
	return order.Profile
}

// withoutAdvice answers with the directory of an authority that knows no RFC 9773.
func withoutAdvice(w http.ResponseWriter, r *http.Request, next http.Handler) {
	whole := httptest.NewRecorder()
	next.ServeHTTP(whole, r)
	var directory map[string]any
	if err := json.Unmarshal(whole.Body.Bytes(), &directory); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	delete(directory, "renewalInfo")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(directory)
}

// nonceWatcher counts answers that refuse a nonce.
type nonceWatcher struct {
	http.ResponseWriter
	seen *atomic.Int64
}

func (w *nonceWatcher) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "urn:ietf:params:acme:error:badNonce") {
		w.seen.Add(1)
	}
	return w.ResponseWriter.Write(b)
}

func (a *authority) directory() string { return a.server.URL + wfe.DirectoryPath }

// front are the roots that the authority's own TLS is checked with.
func (a *authority) front() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.server.Certificate())
	return pool
}

// nameServer says every name is 127.0.0.1 and returns where it can be asked.
func nameServer(t *testing.T) string {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", closedPort(t))
	names, err := challtestsrv.New(challtestsrv.Config{DNSAddrs: []string{address}, Log: log.New(io.Discard, "", 0)})
	if err != nil {
		t.Fatal(err)
	}
	names.SetDefaultDNSIPv4("127.0.0.1")
	names.SetDefaultDNSIPv6("")
	go names.Run()
	t.Cleanup(names.Shutdown)
	return address
}

// closedPort returns a port of this machine on which nothing listens.
func closedPort(t *testing.T) int {
	t.Helper()
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
