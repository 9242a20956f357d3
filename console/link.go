package console

import (
	"errors"
	"net/http"

	"github.com/qorgan/qorgan/console/store"
)

type linkPage struct {
	frame
	Secret      string
	Entered     string // whom it signs in
	First       bool   // the person has no password yet: choose one
	Gone        bool   // spent, expired or never there
	Error       string // key
	MinPassword int
}

// readLink looks a link up without spending it.
func (s *Server) readLink(r *http.Request, secret string) (*linkPage, error) {
	page := &linkPage{Secret: secret, MinPassword: minPassword}
	person, err := s.db.Link(r.Context(), hashToken(secret), s.now())
	if errors.Is(err, store.ErrNotFound) {
		page.Gone = true
		return page, nil
	}
	page.First, page.Entered = person.Password == "", person.Name
	return page, err
}

// linkForm shows a button: programs that look at a link in passing do not
// spend it.
func (s *Server) linkForm(w http.ResponseWriter, r *http.Request, v *visit) error {
	page, err := s.readLink(r, r.PathValue("secret"))
	if err != nil {
		return err
	}
	status := http.StatusOK
	if page.Gone {
		status = http.StatusGone
	}
	s.render(w, r, v, status, "link", page)
	return nil
}

// useLink spends a link, stores the password that came with it and signs in.
// A password that is refused does not spend the link.
func (s *Server) useLink(w http.ResponseWriter, r *http.Request, v *visit) error {
	if s.throttle.allow(s.now(), peer(r), "link "+peer(r)) > 0 {
		return &problem{http.StatusTooManyRequests, "sign-in.throttled"}
	}
	page, err := s.readLink(r, r.PostFormValue("secret"))
	if err != nil {
		return err
	}
	password := r.PostFormValue("password")
	if page.First && !page.Gone {
		if page.Error = weakPassword(page.Entered, password, r.PostFormValue("again")); page.Error != "" {
			s.render(w, r, v, http.StatusUnprocessableEntity, "link", page)
			return nil
		}
	}
	person, err := s.db.UseLink(r.Context(), hashToken(page.Secret), s.now())
	if errors.Is(err, store.ErrNotFound) {
		page.Gone = true
		s.render(w, r, v, http.StatusGone, "link", page)
		return nil
	}
	if err != nil {
		return err
	}
	if page.First {
		hash, err := s.hashes.hash(r.Context(), password)
		if err != nil {
			return err
		}
		if err := s.db.SetPassword(r.Context(), person.ID, hash, nil); err != nil {
			return err
		}
		s.act(r, person, actFirst, "")
	}
	if err := s.beginSession(w, r, person); err != nil {
		return err
	}
	s.act(r, person, actSignInLink, device(r.UserAgent()))
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}
