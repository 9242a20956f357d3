package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
)

// visit is one request of a person to the console.
type visit struct {
	words   *language
	session *store.Session // nil when nobody is signed in
	scope   store.Scope    // what the person may see; nothing when nobody is signed in
	now     time.Time      // in the zone in which times are shown
}

// problem is an error that the person may be told about.
type problem struct {
	status int
	key    string // words for it
}

func (p *problem) Error() string { return p.key }

var (
	errNotFound  = &problem{http.StatusNotFound, "problem.not-found"}
	errForbidden = &problem{http.StatusForbidden, "problem.forbidden"}
	errBadInput  = &problem{http.StatusBadRequest, "problem.bad-input"}
)

// maxForm is the longest form that is read.
const maxForm = 64 << 10

// page wraps the handler of one route: who is it, in which language, and what
// becomes of an error.
func (s *Server) page(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		v := &visit{now: s.now().In(s.options.Location)}
		session, err := s.currentSession(req)
		v.session = session
		v.words = s.words.choose(req, session)
		if err == nil && session == nil && r.needs != public {
			s.sendToSignIn(w, req)
			return
		}
		if session != nil {
			v.scope = session.Person.Scope()
		}
		if err == nil && !v.may(r.needs) {
			err = errForbidden
		}
		if err == nil && req.Method == http.MethodPost {
			req.Body = http.MaxBytesReader(w, req.Body, maxForm)
			if req.ParseForm() != nil {
				err = errBadInput
			}
		}
		if err == nil {
			err = r.handle(w, req, v)
		}
		if err != nil {
			s.fail(w, req, v, err)
		}
	})
}

// sendToSignIn remembers where somebody wanted to go, when it is a page.
func (s *Server) sendToSignIn(w http.ResponseWriter, r *http.Request) {
	to := "/sign-in"
	if r.Method == http.MethodGet && r.URL.RequestURI() != "/" {
		to += "?to=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// ownPath returns path when it leads into the console, else "/": a link that
// comes with a request must not lead anywhere else.
func ownPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(path, "/") ||
		strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}

// fail renders an error. What nobody foresaw is logged with a reference that
// the person sees too.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	var p *problem
	reference := ""
	switch {
	case errors.As(err, &p):
	case errors.Is(err, store.ErrNotFound):
		p = errNotFound
	case r.Context().Err() != nil:
		return // nobody is there to read it
	default:
		_, reference = event.NewID()
		s.log.Error().Err(err).Str("path", r.URL.Path).Str("reference", reference).Msg("a page failed")
		p = &problem{http.StatusInternalServerError, "problem.internal"}
	}
	s.render(w, r, v, p.status, "problem", &problemPage{Key: p.key, Reference: reference})
}

type problemPage struct {
	frame
	Key       string
	Reference string
}

// nothingHere answers for every path that is no page.
func (s *Server) nothingHere(w http.ResponseWriter, r *http.Request, v *visit) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return &problem{http.StatusMethodNotAllowed, "problem.not-found"}
	}
	return errNotFound
}
