package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/qorgan/qorgan/console/store"
)

// How long a session lasts: since it was last used, and since the sign-in.
const (
	sessionIdle = 24 * time.Hour
	sessionLife = 7 * 24 * time.Hour
	linkLife    = time.Hour
	touchEvery  = time.Minute
)

// newToken returns a secret of 256 random bits for a browser or a link, and
// the hash by which the store knows it.
func newToken() (secret string, token []byte) {
	var b [32]byte
	rand.Read(b[:]) // never fails
	secret = base64.RawURLEncoding.EncodeToString(b[:])
	return secret, hashToken(secret)
}

func hashToken(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

// cookieName has the prefix with which browsers enforce Secure, Path=/ and no
// Domain, wherever there is TLS.
func (s *Server) cookieName() string {
	if s.secure {
		return "__Host-qorgan"
	}
	return "qorgan"
}

// currentSession returns the session of a request; nil without an error when
// there is none that is still good.
func (s *Server) currentSession(r *http.Request) (*store.Session, error) {
	cookie, err := r.Cookie(s.cookieName())
	if err != nil {
		return nil, nil
	}
	session, err := s.db.Session(r.Context(), hashToken(cookie.Value))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	now := s.now()
	if now.Sub(session.Created) > sessionLife || now.Sub(session.Seen) > sessionIdle {
		return nil, s.db.EndSession(r.Context(), session.Token)
	}
	if now.Sub(session.Seen) > touchEvery {
		if err := s.db.TouchSession(r.Context(), session.Token, now, peer(r)); err != nil {
			return nil, err
		}
	}
	return &session, nil
}

// beginSession signs person in on this browser, with a fresh secret; whatever
// session the browser had is over.
func (s *Server) beginSession(w http.ResponseWriter, r *http.Request, person store.Person) error {
	if err := s.dropSession(r); err != nil {
		return err
	}
	secret, token := newToken()
	handle, _ := newToken()
	now := s.now()
	agent := r.UserAgent()
	if len(agent) > 256 {
		agent = agent[:256]
	}
	err := s.db.InsertSession(r.Context(), store.Session{
		Token: token, Handle: handle[:16], Person: person, Created: now, Seen: now, Client: peer(r), Agent: agent,
	})
	if err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(secret, int(sessionLife/time.Second)))
	return nil
}

// dropSession ends the session that the request's cookie names.
func (s *Server) dropSession(r *http.Request) error {
	cookie, err := r.Cookie(s.cookieName())
	if err != nil {
		return nil
	}
	return s.db.EndSession(context.WithoutCancel(r.Context()), hashToken(cookie.Value))
}

func (s *Server) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: s.cookieName(), Value: value, Path: "/", MaxAge: age,
		Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// peer returns the address of the socket's other end. No header is believed:
// it throttles sign-ins.
func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
