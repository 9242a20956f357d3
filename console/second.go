package console

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/qorgan/qorgan/console/store"
)

// How a second factor may be tried: whoever tries has the password, and six
// digits are few.
const (
	secondLife  = 5 * time.Minute
	secondBurst = 10
	secondEvery = time.Minute

	secondKind = "second"
)

// A ceremony is known by a cookie of its own, which signs nobody in.
func (s *Server) ceremonyCookie(value string, age int) *http.Cookie {
	c := s.cookie(value, age)
	c.Name += "_began"
	c.SameSite = http.SameSiteStrictMode
	return c
}

// begin remembers a ceremony and gives the browser the secret of it.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, kind string, person int64, data string) error {
	secret, token := newToken()
	if err := s.db.BeginCeremony(r.Context(), token, kind, person, data, s.now().Add(secondLife)); err != nil {
		return err
	}
	http.SetCookie(w, s.ceremonyCookie(secret, int(secondLife/time.Second)))
	return nil
}

// ceremony returns what the browser's cookie began; store.ErrNotFound when that
// is nothing, or too long ago.
func (s *Server) ceremony(r *http.Request, kind string, end bool) (store.Ceremony, error) {
	cookie, err := r.Cookie(s.ceremonyCookie("", 0).Name)
	if err != nil {
		return store.Ceremony{}, store.ErrNotFound
	}
	return s.db.Ceremony(r.Context(), hashToken(cookie.Value), kind, s.now(), end)
}

type secondPage struct {
	frame
	To    string
	Error string // key
}

// hasSecond reports whether a password alone does not sign a person in.
func (s *Server) hasSecond(r *http.Request, person store.Person) (bool, error) {
	_, err := s.db.Authenticator(r.Context(), person.ID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (s *Server) secondForm(w http.ResponseWriter, r *http.Request, v *visit) error {
	to := ownPath(r.FormValue("to"))
	if _, err := s.ceremony(r, secondKind, false); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
			return nil
		}
		return err
	}
	s.render(w, r, v, http.StatusOK, "second", &secondPage{To: to})
	return nil
}

// second takes the code of an authenticator, or a recovery code.
func (s *Server) second(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &secondPage{To: ownPath(r.PostFormValue("to"))}
	began, err := s.ceremony(r, secondKind, false)
	if errors.Is(err, store.ErrNotFound) {
		http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	person := began.Person
	if s.throttle.second(s.now(), person.Name) > 0 {
		page.Error = "sign-in.throttled"
		s.render(w, r, v, http.StatusTooManyRequests, "second", page)
		return nil
	}
	act, err := s.checkSecond(r, person, r.PostFormValue("code"))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUsed) {
		s.log.Warn().Str("client", peer(r)).Msg("a second step failed")
		page.Error = "second.wrong"
		s.render(w, r, v, http.StatusUnauthorized, "second", page)
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := s.ceremony(r, secondKind, true); err != nil { // of two at once one signs in
		return err
	}
	http.SetCookie(w, s.ceremonyCookie("", -1))
	if err := s.beginSession(w, r, person); err != nil {
		return err
	}
	s.act(r, person, act, device(r.UserAgent()))
	http.Redirect(w, r, page.To, http.StatusSeeOther)
	return nil
}

// checkSecond fails with store.ErrNotFound for a code that is wrong and with
// store.ErrUsed for one that was used. It returns what the trail calls it.
func (s *Server) checkSecond(r *http.Request, person store.Person, typed string) (act string, err error) {
	if len(typed) > 64 {
		return "", store.ErrNotFound
	}
	secret, err := s.db.Authenticator(r.Context(), person.ID)
	if err != nil {
		return "", err
	}
	if step, ok := totpMatch(secret, typed, s.now()); ok {
		return actSignIn, s.db.UseStep(r.Context(), person.ID, step)
	}
	if strings.TrimSpace(typed) == "" {
		return "", store.ErrNotFound
	}
	return actSignInRecovery, s.db.UseRecoveryCode(r.Context(), person.ID, recoveryHash(typed))
}
