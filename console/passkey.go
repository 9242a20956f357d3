package console

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/qorgan/qorgan/console/store"
)

const (
	addPasskeyKind = "passkey-new"
	usePasskeyKind = "passkey"
	maxPasskeys    = 20
)

// party is the console as the browser knows it: at the address that was
// configured, else at the one it was asked under.
func (s *Server) party(r *http.Request) party {
	base := s.options.BaseURL
	if base == "" {
		base = "http://" + r.Host
		if s.secure {
			base = "https://" + r.Host
		}
	}
	u, err := url.Parse(base)
	if err != nil {
		return party{}
	}
	return party{Origin: u.Scheme + "://" + u.Host, ID: u.Hostname()}
}

// asks is what the script hands to the browser. Bytes are base64url.
type asks struct {
	Challenge string   `json:"challenge"`
	Party     string   `json:"party"`
	Name      string   `json:"name,omitempty"` // of a new passkey
	User      string   `json:"user,omitempty"`
	Known     []string `json:"known,omitempty"` // passkeys there are
}

// ask begins a ceremony with a challenge and tells the script.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, kind string, person int64, a asks) error {
	a.Challenge, _ = newToken()
	a.Party = s.party(r).ID
	if err := s.begin(w, r, kind, person, a.Challenge); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(a)
}

// beginPasskey asks the browser for a new passkey.
func (s *Server) beginPasskey(w http.ResponseWriter, r *http.Request, v *visit) error {
	if ok, err := s.confirmed(w, r, v); !ok {
		return err
	}
	person := v.session.Person
	known, err := s.db.Passkeys(r.Context(), person.ID)
	if err != nil {
		return err
	}
	a := asks{Name: person.Name, User: base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(person.ID, 10)))}
	for _, k := range known {
		a.Known = append(a.Known, base64.RawURLEncoding.EncodeToString(k.ID))
	}
	return s.ask(w, r, addPasskeyKind, person.ID, a)
}

// addPasskey keeps what the browser made.
func (s *Server) addPasskey(w http.ResponseWriter, r *http.Request, v *visit) error {
	person := v.session.Person
	refuse := func() error {
		return s.renderAccount(w, r, v, http.StatusUnprocessableEntity, &accountPage{Error: "passkey.not-added"})
	}
	began, err := s.ceremony(r, addPasskeyKind, true)
	if errors.Is(err, store.ErrNotFound) || err == nil && began.Person.ID != person.ID {
		return refuse()
	}
	if err != nil {
		return err
	}
	http.SetCookie(w, s.ceremonyCookie("", -1))
	known, err := s.db.Passkeys(r.Context(), person.ID)
	if err != nil {
		return err
	}
	id, c, err := s.party(r).register(fromURL64(r.PostFormValue("client")), fromURL64(r.PostFormValue("data")), fromURL64(r.PostFormValue("key")), began.Data)
	if err != nil || len(known) >= maxPasskeys {
		return refuse()
	}
	kept, err := json.Marshal(c)
	if err != nil {
		return err
	}
	handle, _ := newToken()
	err = s.db.AddPasskey(r.Context(), store.Passkey{
		ID: id, Person: person.ID, Handle: handle[:16], Name: device(r.UserAgent()), Credential: string(kept), Created: s.now(),
	})
	if errors.Is(err, store.ErrTaken) {
		return refuse()
	}
	if err != nil {
		return err
	}
	s.act(r, person, actAddPasskey, device(r.UserAgent()))
	http.Redirect(w, r, "/account?done=passkey", http.StatusSeeOther)
	return nil
}

func (s *Server) removePasskey(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := s.db.RemovePasskey(r.Context(), v.session.Person.ID, r.PostFormValue("handle")); err != nil {
		return err
	}
	s.act(r, v.session.Person, actRemovePasskey, "")
	http.Redirect(w, r, "/account", http.StatusSeeOther)
	return nil
}

// beginPasskeySignIn asks the browser for any passkey of this console: who it
// is comes out of the passkey.
func (s *Server) beginPasskeySignIn(w http.ResponseWriter, r *http.Request, v *visit) error {
	if s.throttle.allow(s.now(), peer(r), "passkey "+peer(r)) > 0 {
		return &problem{http.StatusTooManyRequests, "sign-in.throttled"}
	}
	return s.ask(w, r, usePasskeyKind, 0, asks{})
}

// passkeySignIn signs in with what the passkey signed. The device has verified
// its user: no second step is asked for.
func (s *Server) passkeySignIn(w http.ResponseWriter, r *http.Request, v *visit) error {
	to := ownPath(r.PostFormValue("to"))
	person, err := s.checkPasskey(r)
	if errors.Is(err, errPasskey) || errors.Is(err, store.ErrNotFound) {
		s.log.Warn().Str("client", peer(r)).Msg("a sign-in with a passkey failed")
		s.render(w, r, v, http.StatusUnauthorized, "sign_in", &signInPage{To: to, Error: "passkey.wrong"})
		return nil
	}
	if err != nil {
		return err
	}
	http.SetCookie(w, s.ceremonyCookie("", -1))
	if err := s.beginSession(w, r, person); err != nil {
		return err
	}
	s.act(r, person, actSignInPasskey, device(r.UserAgent()))
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func (s *Server) checkPasskey(r *http.Request) (store.Person, error) {
	began, err := s.ceremony(r, usePasskeyKind, true)
	if err != nil {
		return store.Person{}, err
	}
	key, person, err := s.db.Passkey(r.Context(), fromURL64(r.PostFormValue("id")))
	if err != nil {
		return store.Person{}, err
	}
	var c credential
	if err := json.Unmarshal([]byte(key.Credential), &c); err != nil {
		return store.Person{}, err
	}
	c, err = s.party(r).assert(c, fromURL64(r.PostFormValue("client")), fromURL64(r.PostFormValue("data")), fromURL64(r.PostFormValue("signature")), began.Data)
	if err != nil {
		return store.Person{}, err
	}
	kept, err := json.Marshal(c)
	if err != nil {
		return store.Person{}, err
	}
	return person, s.db.UsePasskey(r.Context(), key.ID, string(kept), s.now())
}
