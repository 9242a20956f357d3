package providers

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"github.com/qorgan/qorgan/certs/dns01"
	"github.com/qorgan/qorgan/certs/dns01/dnstest"
)

// TestOpen: every provider opens with what it needs, says what is missing and
// what it does not know, and nothing it says holds a secret.
func TestOpen(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]string{"program": program, "url": "https://dns.example", "organization": "12", "endpoint": "ovh-eu", "algorithm": "hmac-sha256"}
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			all, secrets := Settings{}, 0
			for _, s := range k.settings {
				all[s.name] = "c2VjcmV0"
				if v, ok := good[s.name]; ok {
					all[s.name] = v
				}
				if s.secret {
					secrets++
				}
			}
			p, hidden, err := Open(k.name, all)
			if err != nil || p == nil || len(hidden) != secrets {
				t.Fatalf("%v, %v, %d secrets: %v", p, err, len(hidden), all)
			}
			for _, s := range k.settings {
				if s.optional {
					continue
				}
				less := Settings{}
				for name, v := range all {
					if name != s.name {
						less[name] = v
					}
				}
				wants(t, k.name, less, s.name, "needs ")
			}
			all["tokn"] = "c2VjcmV0"
			wants(t, k.name, all, "tokn", "has no such key")
		})
	}
}

func wants(t *testing.T, name string, s Settings, setting, text string) {
	t.Helper()
	_, _, err := Open(name, s)
	var wrong *SettingError
	if !errors.As(err, &wrong) || wrong.Setting != setting || !strings.Contains(wrong.Message, text) || wrong.Hint == "" || strings.Contains(wrong.Message+wrong.Hint, "c2VjcmV0") {
		t.Errorf("%s with %v: %v", name, s, err)
	}
}

// TestMistakes are settings with a wrong value.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		name    string
		s       Settings
		setting string
		text    string
	}{
		{"cloudflair", nil, "provider", "is no provider"},
		{"rfc2136", Settings{"server": "10.0.0.1", "key": "c2VjcmV0"}, "key_name", "a name and a secret"},
		{"rfc2136", Settings{"server": "10.0.0.1", "key_name": "k", "key": "(not)"}, "key", "not base64"},
		{"rfc2136", Settings{"server": "10.0.0.1", "key_name": "k", "key": "c2Vj", "algorithm": "rot13"}, "key", "no algorithm"},
		{"exec", Settings{"program": "/nowhere/hook"}, "program", "can not be run: stat /nowhere/hook"},
		{"webhook", Settings{"url": "dns.example"}, "url", "is no address"},
		{"powerdns", Settings{"url": "127.0.0.1:8081", "key": "k"}, "url", "is no address"},
		{"yandex360", Settings{"organization": "ours", "token": "t"}, "organization", "is no number"},
	} {
		wants(t, c.name, c.s, c.setting, c.text)
	}
}

// TestService: a package of lego's places a record next to others and takes it
// away, and its secret is in no error. The server speaks as much of PowerDNS's
// API as that needs.
func TestService(t *testing.T) {
	names := dnstest.Start(t, "shop.example.")
	Resolve([]string{names.Address()})
	const at = "_acme-challenge.shop.example."
	names.AddTXT(at, "another's")
	type record struct {
		Content  string `json:"content"`
		Disabled bool   `json:"disabled"`
	}
	type set struct {
		Name       string   `json:"name"`
		Type       string   `json:"type"`
		ChangeType string   `json:"changetype,omitempty"`
		TTL        int      `json:"ttl"`
		Records    []record `json:"records"`
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if key := r.Header.Get("X-API-Key"); key != "a secret/key" {
			http.Error(w, `{"error":"unknown key `+key+`"}`, http.StatusUnauthorized)
			return
		}
		switch {
		case r.Method == http.MethodPatch:
			var change struct {
				RRSets []set `json:"rrsets"`
			}
			if err := json.NewDecoder(r.Body).Decode(&change); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			for _, s := range change.RRSets {
				var values []string
				for _, v := range s.Records {
					values = append(values, strings.Trim(v.Content, `"`))
				}
				names.SetTXT(s.Name, values...)
			}
			w.WriteHeader(http.StatusNoContent)
		case strings.HasSuffix(r.URL.Path, "/notify"):
		default:
			s := set{Name: at, Type: "TXT", TTL: 60}
			for _, v := range names.TXT(at) {
				s.Records = append(s.Records, record{Content: `"` + v + `"`})
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"id": "shop.example.", "name": "shop.example.", "kind": "Native", "url": "api/v1/servers/localhost/zones/shop.example.", "rrsets": []set{s}})
		}
	}))
	defer api.Close()
	solver := func(key string) *dns01.Solver {
		p, secrets, err := Open("powerdns", Settings{"url": api.URL, "key": key})
		if err != nil {
			t.Fatal(err)
		}
		s, err := dns01.New(dns01.Options{Provider: p, Name: "powerdns", Wait: time.Minute, Resolvers: []string{names.Address()}, Port: names.Port, Secrets: secrets})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	c := acme.Challenge{Token: "token", KeyAuthorization: "token.thumb", Identifier: acme.Identifier{Value: "shop.example"}}
	s := solver("a secret/key")
	if err := errors.Join(s.Present(t.Context(), c), s.Wait(t.Context(), c)); err != nil {
		t.Fatal(err)
	}
	if got := names.TXT(at); !slices.Contains(got, c.DNS01KeyAuthorization()) || !slices.Contains(got, "another's") {
		t.Errorf("%s holds %v", at, got)
	}
	if err := s.CleanUp(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := names.TXT(at); slices.Contains(got, c.DNS01KeyAuthorization()) {
		t.Errorf("%s still holds %v", at, got)
	}
	err := solver("an old/key").Present(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "unknown key (secret)") || strings.Contains(err.Error(), "an old") {
		t.Errorf("with a wrong key: %v", err)
	}
}
