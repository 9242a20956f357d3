package console

import (
	"errors"
	"net/http"
	"strings"
	"unicode"

	"github.com/qorgan/qorgan/console/store"
)

type joinPage struct {
	frame
	Secret      string
	Role        store.Role
	Invited     string // by whom
	Entered     string // the name, as typed
	Gone        bool   // used, expired or never there
	Error       string // key
	MinPassword int
}

// readInvitation looks an invitation up without spending it.
func (s *Server) readInvitation(r *http.Request, secret string) (*joinPage, error) {
	page := &joinPage{Secret: secret, MinPassword: minPassword}
	i, err := s.db.PersonInvitation(r.Context(), hashToken(secret), s.now())
	if errors.Is(err, store.ErrNotFound) {
		page.Gone = true
		return page, nil
	}
	page.Role, page.Invited = i.Role, i.Invited
	return page, err
}

func (s *Server) joinForm(w http.ResponseWriter, r *http.Request, v *visit) error {
	page, err := s.readInvitation(r, r.PathValue("secret"))
	if err != nil {
		return err
	}
	status := http.StatusOK
	if page.Gone {
		status = http.StatusGone
	}
	s.render(w, r, v, status, "join", page)
	return nil
}

// join spends an invitation, makes the person and signs him in. A name or a
// password that is refused does not spend it.
func (s *Server) join(w http.ResponseWriter, r *http.Request, v *visit) error {
	if s.throttle.allow(s.now(), peer(r), "join "+peer(r)) > 0 {
		return &problem{http.StatusTooManyRequests, "sign-in.throttled"}
	}
	page, err := s.readInvitation(r, r.PostFormValue("secret"))
	if err != nil {
		return err
	}
	page.Entered = strings.TrimSpace(r.PostFormValue("name"))
	password := r.PostFormValue("password")
	status := http.StatusUnprocessableEntity
	switch {
	case page.Gone:
		status = http.StatusGone
	case !goodName(page.Entered):
		page.Error = "join.name-bad"
	default:
		page.Error = weakPassword(page.Entered, password, r.PostFormValue("again"))
	}
	if page.Gone || page.Error != "" {
		s.render(w, r, v, status, "join", page)
		return nil
	}
	hash, err := s.hashes.hash(r.Context(), password)
	if err != nil {
		return err
	}
	person, err := s.db.Join(r.Context(), hashToken(page.Secret), page.Entered, hash, s.now())
	switch {
	case errors.Is(err, store.ErrTaken):
		page.Error = "join.name-taken"
	case errors.Is(err, store.ErrNotFound):
		page.Gone, status = true, http.StatusGone
	case err != nil:
		return err
	default:
		if err := s.beginSession(w, r, person); err != nil {
			return err
		}
		s.act(r, person, actJoined, string(person.Role))
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	s.render(w, r, v, status, "join", page)
	return nil
}

// goodName reports whether somebody may sign in by a name: what is printed and
// read aloud, without spaces around it.
func goodName(name string) bool {
	if len(name) < 2 || len(name) > maxName {
		return false
	}
	for _, r := range name {
		if r != ' ' && !unicode.IsGraphic(r) || unicode.Is(unicode.Zs, r) && r != ' ' || unicode.Is(unicode.Cf, r) {
			return false
		}
	}
	return true
}
