package console

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"rsc.io/qr"

	"github.com/qorgan/qorgan/console/store"
)

const authenticatorKind = "authenticator"

type authenticatorPage struct {
	frame
	Picture picture
	Secret  string   // as one types it
	Codes   []string // recovery codes, shown once
	Error   string   // key
}

// picture is a QR code of Size by Size modules, the quiet zone around it
// included.
type picture struct {
	Size int
	Path string // of the dark ones
}

func newPicture(text string) (picture, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return picture{}, fmt.Errorf("draw code: %w", err)
	}
	const quiet = 4
	var b strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
			}
		}
	}
	return picture{code.Size + 2*quiet, b.String()}, nil
}

// confirmed asks for the password again before a way to sign in changes. Who
// has none has shown a passkey or a link.
func (s *Server) confirmed(w http.ResponseWriter, r *http.Request, v *visit) (bool, error) {
	person := v.session.Person
	if person.Password == "" {
		return true, nil
	}
	refuse := func(status int, key string) (bool, error) {
		return false, s.renderAccount(w, r, v, status, &accountPage{Error: key})
	}
	if s.throttle.allow(s.now(), peer(r), person.Name) > 0 {
		return refuse(http.StatusTooManyRequests, "sign-in.throttled")
	}
	right, err := s.hashes.verify(r.Context(), person.Password, r.PostFormValue("old"))
	if err == nil && !right {
		return refuse(http.StatusUnprocessableEntity, "password.old-wrong")
	}
	return right, err
}

// beginAuthenticator shows a new secret, which counts once a code of it came
// back.
func (s *Server) beginAuthenticator(w http.ResponseWriter, r *http.Request, v *visit) error {
	if ok, err := s.confirmed(w, r, v); !ok {
		return err
	}
	secret := newTOTPSecret()
	if err := s.begin(w, r, authenticatorKind, v.session.Person.ID, base64.StdEncoding.EncodeToString(secret)); err != nil {
		return err
	}
	return s.renderAuthenticator(w, r, v, http.StatusOK, secret, "")
}

func (s *Server) renderAuthenticator(w http.ResponseWriter, r *http.Request, v *visit, status int, secret []byte, failure string) error {
	host := "console"
	if u, err := url.Parse(s.URL()); err == nil {
		host = u.Hostname()
	}
	drawn, err := newPicture(totpAddress(secret, v.session.Person.Name, host))
	if err != nil {
		return err
	}
	page := &authenticatorPage{Picture: drawn, Secret: totpText(secret), Error: failure}
	page.Section = "account"
	s.render(w, r, v, status, "authenticator", page)
	return nil
}

// addAuthenticator takes the first code and shows the recovery codes.
func (s *Server) addAuthenticator(w http.ResponseWriter, r *http.Request, v *visit) error {
	person := v.session.Person
	began, err := s.ceremony(r, authenticatorKind, false)
	if err == nil && began.Person.ID != person.ID {
		err = store.ErrNotFound
	}
	if errors.Is(err, store.ErrNotFound) {
		http.Redirect(w, r, "/account", http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	secret, err := base64.StdEncoding.DecodeString(began.Data)
	if err != nil {
		return err
	}
	step, ok := totpMatch(secret, r.PostFormValue("code"), s.now())
	if !ok {
		return s.renderAuthenticator(w, r, v, http.StatusUnprocessableEntity, secret, "second.wrong")
	}
	if _, err := s.ceremony(r, authenticatorKind, true); err != nil {
		return err
	}
	http.SetCookie(w, s.ceremonyCookie("", -1))
	codes, hashes := newRecoveryCodes()
	if err := s.db.SetAuthenticator(r.Context(), person.ID, secret, step, hashes, s.now()); err != nil {
		return err
	}
	s.act(r, person, actAuthenticator, "")
	return s.renderCodes(w, r, v, codes)
}

func (s *Server) renderCodes(w http.ResponseWriter, r *http.Request, v *visit, codes []string) error {
	page := &authenticatorPage{Codes: codes}
	page.Section = "account"
	s.render(w, r, v, http.StatusOK, "authenticator", page)
	return nil
}

func (s *Server) newCodes(w http.ResponseWriter, r *http.Request, v *visit) error {
	if ok, err := s.confirmed(w, r, v); !ok {
		return err
	}
	if has, err := s.hasSecond(r, v.session.Person); err != nil || !has {
		return errors.Join(err, errNotFound)
	}
	codes, hashes := newRecoveryCodes()
	if err := s.db.SetRecoveryCodes(r.Context(), v.session.Person.ID, hashes); err != nil {
		return err
	}
	s.act(r, v.session.Person, actNewCodes, "")
	return s.renderCodes(w, r, v, codes)
}

func (s *Server) removeAuthenticator(w http.ResponseWriter, r *http.Request, v *visit) error {
	if ok, err := s.confirmed(w, r, v); !ok {
		return err
	}
	if err := s.db.RemoveAuthenticator(r.Context(), v.session.Person.ID); err != nil {
		return err
	}
	s.act(r, v.session.Person, actNoAuthenticator, "")
	http.Redirect(w, r, "/account?done=second-removed", http.StatusSeeOther)
	return nil
}
