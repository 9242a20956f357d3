package pebbletest

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qorgan/qorgan/certs"
	"github.com/qorgan/qorgan/certs/dns01"
	"github.com/qorgan/qorgan/certs/dns01/dnstest"
)

// proving are options of a manager that serves names and wildcards as they are
// given, all proved by records through p.
func proving(t *testing.T, a *authority, names *dnstest.Server, p dns01.Provider, wait time.Duration, hosts ...string) certs.ACMEOptions {
	t.Helper()
	s, err := dns01.New(dns01.Options{Provider: p, Name: "test", Call: max(wait, 2*time.Second), Wait: wait, Resolvers: []string{names.Address()}, Port: names.Port})
	if err != nil {
		t.Fatal(err)
	}
	written := func(name string) bool { return slices.Contains(hosts, name) }
	serves := func(name string) bool {
		_, parent, _ := strings.Cut(name, ".")
		return written(name) || written("*."+parent)
	}
	return certs.ACMEOptions{Dir: t.TempDir(), Authorities: []certs.Authority{a.known()}, Serves: serves, Written: written,
		DNS: func(name string) *dns01.Solver {
			if written(name) {
				return s
			}
			return nil
		}}
}

// unreachable is a plan for an authority that can prove names by records only.
func unreachable(t *testing.T, names *dnstest.Server) plan {
	return plan{httpPort: closedPort(t), tlsPort: closedPort(t), life: 90 * 24 * 3600, names: names.Address()}
}

func updates(s *dnstest.Server) dns01.Provider {
	return &dns01.RFC2136{Server: s.Address(), KeyName: "update", Key: dnstest.Key}
}

// TestWildcard: a name and its wildcard are proved at once by records of one
// name; the wildcard's certificate is shown for every name under it that is not
// written by itself, and nothing is ordered for those.
func TestWildcard(t *testing.T) {
	for _, alias := range []string{"", "_acme-challenge.shop.example. CNAME shop.proof.example."} {
		t.Run("alias "+alias, func(t *testing.T) {
			names := dnstest.Start(t, "shop.example.", "proof.example.")
			at := "_acme-challenge.shop.example."
			if alias != "" {
				names.Add(t, alias)
				at = "shop.proof.example."
			}
			plain, secure := listeners(t)
			a := found(t, unreachable(t, names))
			address, m := openWith(t, plain, secure, proving(t, a, names, updates(names), time.Minute,
				"shop.example", "*.shop.example", "own.shop.example"))
			hosts := map[string]string{"shop.example": "shop.example", "a.shop.example": "*.shop.example", "b.shop.example": "*.shop.example", "own.shop.example": "own.shop.example"}
			var all sync.WaitGroup
			for name, want := range hosts {
				all.Go(func() {
					got, err := leaf(t.Context(), address, name, a.roots)
					if err != nil {
						t.Errorf("%s: %v", name, err)
					} else if !slices.Equal(got.DNSNames, []string{want}) {
						t.Errorf("%s was shown the certificate of %v", name, got.DNSNames)
					}
				})
			}
			all.Wait()
			if n := a.orders.Load(); n != 3 {
				t.Errorf("%d orders", n)
			}
			for _, name := range []string{"deep.a.shop.example", "shop.other.example"} {
				if err := shake(t.Context(), address, name, a.roots); err == nil {
					t.Errorf("%s was shown a certificate", name)
				}
			}
			if left := names.TXT(at); len(left) != 0 {
				t.Errorf("records left: %v", left)
			}
			if placed := placedAt(names, at); placed != 2 {
				t.Errorf("%d records were placed at %s: %v", placed, at, names.Changes())
			}
			before, err := leaf(t.Context(), address, "a.shop.example", a.roots)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Renew(t.Context(), "a.shop.example"); err != nil {
				t.Fatal(err)
			}
			if after, err := leaf(t.Context(), address, "b.shop.example", a.roots); err != nil || after.Equal(before) {
				t.Errorf("the renewed certificate of the wildcard is not shown: %v", err)
			}
		})
	}
}

// placedAt counts the records that ever stood at a name.
func placedAt(s *dnstest.Server, name string) (n int) {
	for _, c := range s.Changes() {
		if strings.HasPrefix(c, "+"+name+" ") {
			n++
		}
	}
	return n
}

// TestProviders: a server of acme-dns, a web address that checks its signature,
// and a program, each real but small, change what the authority sees.
func TestProviders(t *testing.T) {
	for what, make := range map[string]func(*testing.T, *dnstest.Server) dns01.Provider{
		"acme-dns": acmeDNS, "webhook": webhook, "exec": program,
	} {
		t.Run(what, func(t *testing.T) {
			names := dnstest.Start(t, "shop.example.", "auth.example.")
			p := make(t, names)
			plain, secure := listeners(t)
			a := found(t, unreachable(t, names))
			address, _ := openWith(t, plain, secure, proving(t, a, names, p, time.Minute, "shop.example", "*.shop.example"))
			var all sync.WaitGroup
			for _, name := range []string{"shop.example", "www.shop.example"} {
				all.Go(func() {
					if err := shake(t.Context(), address, name, a.roots); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			all.Wait()
			if left := names.TXT("_acme-challenge.shop.example."); len(left) != 0 {
				t.Errorf("records left: %v", left)
			}
		})
	}
}

// acmeDNS is a server that keeps the last two values of its one account.
func acmeDNS(t *testing.T, names *dnstest.Server) dns01.Provider {
	t.Helper()
	names.Add(t, "_acme-challenge.shop.example. CNAME d420.auth.example.")
	var mu sync.Mutex
	last := "none"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Subdomain, TXT string }
		if r.URL.Path != "/update" || r.Header.Get("X-Api-User") != "me" || r.Header.Get("X-Api-Key") != "pass" ||
			json.NewDecoder(r.Body).Decode(&asked) != nil || asked.Subdomain != "d420" {
			http.Error(w, `{"error":"forbidden"}`, http.StatusUnauthorized)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		names.SetTXT("d420.auth.example.", last, asked.TXT)
		last = asked.TXT
		fmt.Fprintf(w, `{"txt":%q}`, asked.TXT)
	}))
	t.Cleanup(s.Close)
	return &dns01.ACMEDNS{URL: s.URL, User: "me", Password: "pass", Subdomain: "d420"}
}

// webhook is an address that believes a signature no older than a minute.
func webhook(t *testing.T, names *dnstest.Server) dns01.Provider {
	t.Helper()
	const key = "a key for signatures"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var asked struct{ FQDN, Value string }
		at := r.Header.Get("X-Qorgan-Timestamp")
		user, password, _ := r.BasicAuth()
		if err != nil || user != "me" || password != "pass" || r.Header.Get("X-Qorgan-Signature") != "sha256="+dns01.Sign(key, at, body) ||
			json.Unmarshal(body, &asked) != nil {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/hook/present":
			names.AddTXT(asked.FQDN, asked.Value)
		case "/hook/cleanup":
			names.RemoveTXT(asked.FQDN, asked.Value)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return &dns01.Webhook{URL: s.URL + "/hook/", User: "me", Password: "pass", Key: key}
}

// program is a script that says what it is called with to an address, with
// curl's words in a shell's own.
func program(t *testing.T, names *dnstest.Server) dns01.Provider {
	t.Helper()
	dir := t.TempDir()
	script := filepath.Join(dir, "hook")
	write(t, script, []byte("#!/bin/sh\nset -e\necho \"$@\" > "+dir+"/.$$\nmv "+dir+"/.$$ "+dir+"/call.$$\nwhile [ -e "+dir+"/call.$$ ]; do sleep 0.05; done\n"))
	if err := os.Chmod(script, 0o700); err != nil {
		t.Fatal(err)
	}
	over, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
			}
			calls, _ := filepath.Glob(filepath.Join(dir, "call.*"))
			for _, c := range calls {
				b, _ := os.ReadFile(c)
				switch f := strings.Fields(string(b)); f[0] {
				case "present":
					names.AddTXT(f[1], f[2])
				case "cleanup":
					names.RemoveTXT(f[1], f[2])
				}
				_ = os.Remove(c)
			}
		}
	}()
	t.Cleanup(func() { close(over); <-stopped })
	return &dns01.Exec{Program: script}
}

// TestProviderFails: a provider that refuses, that hangs, and a record that no
// name server shows cost their names a certificate, and other names nothing; the
// cause is said in a word and in words, and the name is left alone for a while.
func TestProviderFails(t *testing.T) {
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(hanging.Close)
	deaf := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(deaf.Close)
	names := dnstest.Start(t, "shop.example.")
	for what, c := range map[string]struct {
		provider dns01.Provider
		cause    certs.Cause
		text     string
	}{
		"refuses":   {updates(names), certs.CauseProvider, "answers REFUSED to an update of zone shop.example"},
		"hangs":     {&dns01.Webhook{URL: hanging.URL}, certs.CauseProvider, "deadline exceeded"},
		"not shown": {&dns01.Webhook{URL: deaf.URL}, certs.CauseRecord, "does not show it"},
	} {
		t.Run(what, func(t *testing.T) {
			names.Refuse(true)
			t.Cleanup(func() { names.Refuse(false) })
			plain, secure := listeners(t)
			p := unreachable(t, names)
			p.httpPort, p.tlsPort = port(plain.Listener), port(secure)
			a := found(t, p)
			o := proving(t, a, names, c.provider, time.Second, "*.shop.example", "free.example")
			o.Patience = 2 * time.Second
			records := o.DNS
			o.DNS = func(name string) *dns01.Solver {
				if name == "free.example" {
					return nil
				}
				return records(name)
			}
			address, m := openWith(t, plain, secure, o)
			for range 2 {
				if err := shake(t.Context(), address, "a.shop.example", a.roots); err == nil {
					t.Error("a name that is not proved has a certificate")
				}
			}
			if err := shake(t.Context(), address, "free.example", a.roots); err != nil {
				t.Errorf("another name: %v", err)
			}
			var got certs.Status
			until(t, "the failure", func() bool {
				for _, got = range m.Status() {
					if got.Name == "*.shop.example" {
						return got.State == certs.Failed
					}
				}
				return false
			})
			if wait := time.Until(got.Next); got.Cause != c.cause || !strings.Contains(got.Error, c.text) || wait < 30*time.Second {
				t.Errorf("%+v", got)
			}
			if n := a.orders.Load(); n != 2 {
				t.Errorf("%d orders for two names", n)
			}
			if n := a.issued.Load(); n != 1 {
				t.Errorf("%d certificates", n)
			}
			if left := names.TXT("_acme-challenge.shop.example."); len(left) != 0 {
				t.Errorf("records left: %v", left)
			}
		})
	}
}

// TestEdgeRecords runs the program with `tls: {dns: …}`: a wildcard that stands
// under hosts gets one certificate for all names; a site that says otherwise is
// proved over HTTP and TLS; a reload takes another wildcard.
func TestEdgeRecords(t *testing.T) {
	program := build(t)
	dir := t.TempDir()
	httpPort, tlsPort := closedPort(t), closedPort(t)
	names := dnstest.Start(t, "shop.example.", "other.example.")
	a := found(t, plan{httpPort: httpPort, tlsPort: tlsPort, life: 90 * 24 * 3600, names: names.Address()})
	cms := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "shop at ", r.Host) }))
	defer cms.Close()
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, in("authority.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw}))
	write(t, in("key"), []byte(dnstest.Key+"\n"))
	config := fmt.Sprintf(`data: data
http: 127.0.0.1:%d
https: 127.0.0.1:%d
console: {listen: "off"}
tls:
  mode: acme
  directory: %s
  roots: authority.pem
  dns: {provider: rfc2136, server: "%s", key_name: update, key: "file:%s", resolvers: "%s"}
sites:
  - {hosts: [shop.example, "*.shop.example"], upstreams: "%s"}
  - {hosts: plain.example, upstreams: "%s", tls: {dns: {provider: "off"}}}
`, httpPort, tlsPort, a.directory(), names.Address(), in("key"), names.Address(), cms.URL, cms.URL)
	write(t, in("qorgan.yaml"), []byte(config))
	run(t, program, in("data/addresses.json"), "run", "-c", in("qorgan.yaml"))
	https := fmt.Sprintf("127.0.0.1:%d", tlsPort)
	shown := func(name, want string) {
		t.Helper()
		got, err := leaf(t.Context(), https, name, a.roots)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !slices.Equal(got.DNSNames, []string{want}) {
			t.Errorf("%s was shown the certificate of %v", name, got.DNSNames)
		}
	}
	shown("a.shop.example", "*.shop.example")
	shown("b.shop.example", "*.shop.example")
	shown("shop.example", "shop.example")
	shown("plain.example", "plain.example")
	if got := page(t, "https://c.shop.example/", https, a.roots); got != "shop at c.shop.example" {
		t.Errorf("a page: %q", got)
	}
	if n := a.issued.Load(); n != 3 {
		t.Errorf("%d certificates", n)
	}
	if n := placedAt(names, "_acme-challenge.plain.example."); n != 0 {
		t.Errorf("%d records for a site without", n)
	}
	if left := names.TXT("_acme-challenge.shop.example."); len(left) != 0 {
		t.Errorf("records left: %v", left)
	}
	write(t, in("qorgan.yaml"), []byte(strings.Replace(config, `sites:`, fmt.Sprintf(`sites:
  - {hosts: "*.other.example", upstreams: "%s"}`, cms.URL), 1)))
	until(t, "the changed file is in force", func() bool { return shake(t.Context(), https, "a.other.example", a.roots) == nil })
	shown("b.other.example", "*.other.example")
}
