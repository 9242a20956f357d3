package dns01

import (
	"context"
	"errors"
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

	"github.com/mholt/acmez/v3/acme"

	"github.com/qorgan/qorgan/certs/dns01/dnstest"
)

func challenge(name, token string) acme.Challenge {
	return acme.Challenge{Type: acme.ChallengeTypeDNS01, Token: token, KeyAuthorization: token + ".thumb",
		Identifier: acme.Identifier{Type: "dns", Value: name}}
}

func solver(t *testing.T, s *dnstest.Server, p Provider, wait time.Duration) *Solver {
	t.Helper()
	got, err := New(Options{Provider: p, Name: "test", Call: 500 * time.Millisecond, Wait: wait, Resolvers: []string{s.Address()}, Port: s.Port})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func updates(s *dnstest.Server) *RFC2136 {
	return &RFC2136{Server: s.Address(), KeyName: "update", Key: dnstest.Key}
}

// TestRecord: the record of a name, and of its wildcard at the same time, stands
// where aliases lead; each is shown, and is gone afterwards.
func TestRecord(t *testing.T) {
	for _, c := range []struct{ alias, at string }{
		{"", "_acme-challenge.shop.example."},
		{"_acme-challenge.shop.example. CNAME shop.proof.example.", "shop.proof.example."},
	} {
		t.Run(c.at, func(t *testing.T) {
			names := dnstest.Start(t, "shop.example.", "proof.example.")
			if c.alias != "" {
				names.Add(t, c.alias)
			}
			s := solver(t, names, updates(names), time.Minute)
			var all sync.WaitGroup
			both := []acme.Challenge{challenge("shop.example", "one"), challenge("*.shop.example", "two")}
			for _, ch := range both {
				all.Go(func() {
					if err := errors.Join(s.Present(t.Context(), ch), s.Wait(t.Context(), ch)); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			got := names.TXT(c.at)
			slices.Sort(got)
			want := []string{both[0].DNS01KeyAuthorization(), both[1].DNS01KeyAuthorization()}
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s holds %v, not %v", c.at, got, want)
			}
			over, cancel := context.WithCancel(t.Context())
			cancel() // the order was given up
			for _, ch := range both {
				if err := s.CleanUp(over, ch); err != nil {
					t.Error(err)
				}
			}
			if got := names.TXT(c.at); len(got) != 0 {
				t.Errorf("left behind: %v", got)
			}
		})
	}
}

// TestFailures names in plain words what is wrong.
func TestFailures(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // what is not read keeps the end of the connection from being noticed
		<-r.Context().Done()
	}))
	defer silent.Close()
	sour := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the token\nhas expired", http.StatusForbidden)
	}))
	defer sour.Close()
	program := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho no such zone >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	names := dnstest.Start(t, "shop.example.")
	names.Add(t, "_acme-challenge.round.shop.example. CNAME a.shop.example.")
	names.Add(t, "a.shop.example. CNAME _acme-challenge.round.shop.example.")
	wrongKey := updates(names)
	wrongKey.Key = "b3RoZXI="
	for what, c := range map[string]struct {
		provider Provider
		name     string
		want     string
	}{
		"answer":     {&Webhook{URL: sour.URL}, "shop.example", "answers 403: the token has expired"},
		"silence":    {&Webhook{URL: silent.URL}, "shop.example", "context deadline exceeded"},
		"program":    {&Exec{Program: program}, "shop.example", "exit status 3: no such zone"},
		"no program": {&Exec{Program: program + "x"}, "shop.example", "no such file"},
		"no alias":   {&ACMEDNS{URL: sour.URL, Subdomain: "d420"}, "shop.example", "let _acme-challenge.shop.example be one to d420."},
		"key":        {wrongKey, "shop.example", "does not know the key"},
		"circle":     {updates(names), "round.shop.example", "in a circle"},
		"no zone":    {updates(names), "other.example", "no zone holds _acme-challenge.other.example"},
	} {
		t.Run(what, func(t *testing.T) {
			s := solver(t, names, c.provider, time.Second)
			err := s.Present(t.Context(), challenge(c.name, "token"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("said %v, not %q", err, c.want)
			}
		})
	}
}

// nothing places no record.
type nothing struct{}

func (nothing) Present(context.Context, Record) error { return nil }
func (nothing) CleanUp(context.Context, Record) error { return nil }

// TestNotShown: waiting ends, and says which server does not show the record.
func TestNotShown(t *testing.T) {
	names := dnstest.Start(t, "shop.example.")
	s := solver(t, names, nothing{}, 300*time.Millisecond)
	c := challenge("shop.example", "token")
	if err := s.Present(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	err := s.Wait(t.Context(), c)
	var record *RecordError
	if want := fmt.Sprintf("name server %s does not show it", names.Address()); !errors.As(err, &record) || !strings.Contains(err.Error(), want) {
		t.Errorf("said %v, not %q", err, want)
	}
	if err := s.CleanUp(t.Context(), c); err != nil {
		t.Error(err)
	}
}
