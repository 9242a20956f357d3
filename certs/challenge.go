package certs

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// challenges answers an authority that checks whether a name is served here.
// With a shared storage any edge answers for what another one asked.
type challenges struct {
	storage Storage // nil when it is not shared

	mu      sync.Mutex
	byToken map[string]acme.Challenge
	byName  map[string]acme.Challenge // of TLS-ALPN
}

func newChallenges(storage Storage) *challenges {
	return &challenges{storage: storage, byToken: map[string]acme.Challenge{}, byName: map[string]acme.Challenge{}}
}

// solver presents challenges of one kind.
type solver struct {
	*challenges
	alpn bool
}

var _ acmez.Solver = solver{}

// Present makes the challenge answerable.
func (s solver) Present(ctx context.Context, c acme.Challenge) error {
	s.mu.Lock()
	if s.alpn {
		s.byName[c.Identifier.Value] = c
	} else {
		s.byToken[c.Token] = c
	}
	s.mu.Unlock()
	if s.storage == nil {
		return nil
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := s.storage.Store(ctx, s.key(c), b); err != nil {
		return fmt.Errorf("share challenge: %w", err)
	}
	return nil
}

// CleanUp forgets the challenge.
func (s solver) CleanUp(ctx context.Context, c acme.Challenge) error {
	s.mu.Lock()
	if s.alpn {
		delete(s.byName, c.Identifier.Value)
	} else {
		delete(s.byToken, c.Token)
	}
	s.mu.Unlock()
	if s.storage == nil {
		return nil
	}
	return s.storage.Delete(context.WithoutCancel(ctx), s.key(c))
}

func (s solver) key(c acme.Challenge) string {
	if s.alpn {
		return challengeKey("alpn", c.Identifier.Value)
	}
	return challengeKey("http", c.Token)
}

func challengeKey(kind, what string) string {
	return path.Join("qorgan", "challenges", kind, certmagic.StorageKeys.Safe(what)+".json")
}

// find returns a challenge that this edge or another one waits for.
func (c *challenges) find(ctx context.Context, known map[string]acme.Challenge, kind, what string) (acme.Challenge, bool) {
	c.mu.Lock()
	got, ok := known[what]
	c.mu.Unlock()
	if ok || c.storage == nil {
		return got, ok
	}
	b, err := c.storage.Load(ctx, challengeKey(kind, what))
	if err != nil || json.Unmarshal(b, &got) != nil {
		return acme.Challenge{}, false
	}
	return got, true
}

const challengePath = "/.well-known/acme-challenge/"

// handler answers HTTP-01 challenges and hands every other request on.
func (c *challenges) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.URL.Path, challengePath)
		if !ok || r.Method != http.MethodGet || !isToken(token) {
			next.ServeHTTP(w, r)
			return
		}
		challenge, ok := c.find(r.Context(), c.byToken, "http", token)
		if !ok || !strings.EqualFold(hostOnly(r.Host), challenge.Identifier.Value) {
			next.ServeHTTP(w, r) // perhaps one the site itself waits for
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, challenge.KeyAuthorization)
	})
}

func hostOnly(host string) string {
	host, _, _ = strings.Cut(host, ":")
	return strings.TrimSuffix(host, ".")
}

// isToken reports whether s can be a challenge's token: base64url of 128 bits
// at least (RFC 8555, section 8.3).
func isToken(s string) bool {
	if len(s) < 22 || len(s) > 256 {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) < 0
}

// isALPN reports whether a handshake is an authority's check (RFC 8737).
func isALPN(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acmez.ACMETLS1Protocol
}

// certificate returns the certificate that answers a TLS-ALPN-01 challenge.
func (c *challenges) certificate(ctx context.Context, name string) (*tls.Certificate, error) {
	challenge, ok := c.find(ctx, c.byName, "alpn", name)
	if !ok {
		return nil, fmt.Errorf("no challenge is open for %s", name)
	}
	return acmez.TLSALPN01ChallengeCert(challenge)
}
