package console

import (
	"net/http"
	"strings"
	"time"

	"github.com/qorgan/qorgan/console/store"
)

type accountPage struct {
	frame
	Sessions    []accountSession
	Error       string // key
	Done        string // key
	NoPassword  bool
	Second      bool  // there is an authenticator
	Codes       int64 // recovery codes left
	Passkeys    []store.Passkey
	MinPassword int
}

type accountSession struct {
	Handle  string
	Device  string
	Client  string
	Seen    time.Time
	Created time.Time
	Current bool
}

func (s *Server) account(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &accountPage{}
	switch r.FormValue("done") {
	case "password":
		page.Done = "account.password-changed"
	case "passkey":
		page.Done = "passkey.added"
	case "second-removed":
		page.Done = "account.second-removed"
	}
	return s.renderAccount(w, r, v, http.StatusOK, page)
}

func (s *Server) renderAccount(w http.ResponseWriter, r *http.Request, v *visit, status int, page *accountPage) error {
	sessions, err := s.db.Sessions(r.Context(), v.session.Person.ID)
	if err != nil {
		return err
	}
	for _, one := range sessions {
		page.Sessions = append(page.Sessions, accountSession{
			Handle: one.Handle, Device: device(one.Agent), Client: one.Client, Seen: one.Seen, Created: one.Created,
			Current: one.Handle == v.session.Handle,
		})
	}
	if page.Second, err = s.hasSecond(r, v.session.Person); err != nil {
		return err
	}
	codes, err := s.db.RecoveryCodes(r.Context(), v.session.Person.ID)
	if err != nil {
		return err
	}
	page.Codes = int64(codes)
	if page.Passkeys, err = s.db.Passkeys(r.Context(), v.session.Person.ID); err != nil {
		return err
	}
	page.NoPassword = v.session.Person.Password == ""
	page.MinPassword = minPassword
	s.render(w, r, v, status, "account", page)
	return nil
}

// changePassword asks for the old password again and ends every other
// session.
func (s *Server) changePassword(w http.ResponseWriter, r *http.Request, v *visit) error {
	person := v.session.Person
	page := &accountPage{}
	refuse := func(status int, key string) error {
		page.Error = key
		return s.renderAccount(w, r, v, status, page)
	}
	if person.Password != "" {
		if s.throttle.allow(s.now(), peer(r), person.Name) > 0 {
			return refuse(http.StatusTooManyRequests, "sign-in.throttled")
		}
		right, err := s.hashes.verify(r.Context(), person.Password, r.PostFormValue("old"))
		if err != nil {
			return err
		}
		if !right {
			return refuse(http.StatusUnprocessableEntity, "password.old-wrong")
		}
	}
	password := r.PostFormValue("password")
	if key := weakPassword(person.Name, password, r.PostFormValue("again")); key != "" {
		return refuse(http.StatusUnprocessableEntity, key)
	}
	hash, err := s.hashes.hash(r.Context(), password)
	if err != nil {
		return err
	}
	if err := s.db.SetPassword(r.Context(), person.ID, hash, v.session.Token); err != nil {
		return err
	}
	s.act(r, person, actPassword, "")
	http.Redirect(w, r, "/account?done=password", http.StatusSeeOther)
	return nil
}

// endSession ends one of the person's own sessions.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := s.db.EndSessionOf(r.Context(), v.session.Person.ID, r.PostFormValue("handle")); err != nil {
		return err
	}
	s.act(r, v.session.Person, actEndSession, "")
	http.Redirect(w, r, "/account", http.StatusSeeOther)
	return nil
}

// chooseLanguage remembers a language for the browser, and for the person who
// is signed in.
func (s *Server) chooseLanguage(w http.ResponseWriter, r *http.Request, v *visit) error {
	tag := r.PostFormValue("language")
	if s.words.byTag(tag) == nil {
		return errBadInput
	}
	if v.session != nil {
		if err := s.db.SetLanguage(r.Context(), v.session.Person.ID, tag); err != nil {
			return err
		}
	}
	http.SetCookie(w, &http.Cookie{
		Name: languageCookie, Value: tag, Path: "/", MaxAge: int(365 * 24 * time.Hour / time.Second),
		Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	http.Redirect(w, r, ownPath(r.PostFormValue("back")), http.StatusSeeOther)
	return nil
}

// device returns browser and system out of a User-Agent, as far as a person
// needs to tell his own devices apart.
func device(agent string) string {
	pick := func(names ...string) string {
		for i := 0; i < len(names); i += 2 {
			if strings.Contains(agent, names[i]) {
				return names[i+1]
			}
		}
		return ""
	}
	browser := pick("YaBrowser", "Yandex", "OPR/", "Opera", "SamsungBrowser", "Samsung Internet", "Edg", "Edge",
		"Firefox", "Firefox", "FxiOS", "Firefox", "CriOS", "Chrome", "Chrome", "Chrome", "Safari", "Safari")
	system := pick("Android", "Android", "iPhone", "iPhone", "iPad", "iPad", "Windows", "Windows", "Mac OS", "macOS", "Linux", "Linux")
	return strings.Trim(browser+" · "+system, " ·")
}
