package console

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/qorgan/qorgan/console/store"
)

type signInPage struct {
	frame
	Entered string // the name, as typed
	To      string
	Error   string // key
	First   bool   // nobody has a password yet: a link is needed
}

func (s *Server) signInForm(w http.ResponseWriter, r *http.Request, v *visit) error {
	to := ownPath(r.FormValue("to"))
	if v.session != nil {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	some, err := s.HasPeople(r.Context())
	if err != nil {
		return err
	}
	s.render(w, r, v, http.StatusOK, "sign_in", &signInPage{To: to, First: !some})
	return nil
}

// signIn answers a wrong name and a wrong password alike, after the same
// work.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, v *visit) error {
	name, password := strings.TrimSpace(r.PostFormValue("name")), r.PostFormValue("password")
	page := &signInPage{Entered: name, To: ownPath(r.PostFormValue("to"))}
	if wait := s.throttle.allow(s.now(), peer(r), name); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		page.Error = "sign-in.throttled"
		s.render(w, r, v, http.StatusTooManyRequests, "sign_in", page)
		return nil
	}
	person, err := s.db.Person(r.Context(), name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	right := false
	if len(password) <= 4*maxPassword {
		if right, err = s.hashes.verify(r.Context(), person.Password, password); err != nil {
			return fmt.Errorf("sign in: %w", err)
		}
	}
	if !right {
		s.log.Warn().Str("client", peer(r)).Msg("a sign-in failed")
		page.Error = "sign-in.wrong"
		s.render(w, r, v, http.StatusUnauthorized, "sign_in", page)
		return nil
	}
	second, err := s.hasSecond(r, person)
	if err != nil {
		return err
	}
	if second {
		if err := s.begin(w, r, secondKind, person.ID, ""); err != nil {
			return err
		}
		http.Redirect(w, r, "/sign-in/code?to="+url.QueryEscape(page.To), http.StatusSeeOther)
		return nil
	}
	if err := s.beginSession(w, r, person); err != nil {
		return err
	}
	s.act(r, person, actSignIn, device(r.UserAgent()))
	http.Redirect(w, r, page.To, http.StatusSeeOther)
	return nil
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := s.dropSession(r); err != nil {
		return err
	}
	if v.session != nil {
		s.act(r, v.session.Person, actSignOut, "")
	}
	http.SetCookie(w, s.cookie("", -1))
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}
