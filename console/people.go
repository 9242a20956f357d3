package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qorgan/qorgan/console/store"
)

const (
	joinLife   = 7 * 24 * time.Hour // how long an invitation works
	maxNote    = 100
	maxName    = 100
	peopleMost = 500 // on the page
)

type peoplePage struct {
	frame
	Members []memberCard
	Rest    int64
	Open    []openInvitation
	Tenants []tenantName // choices for an invitation; nil when there is one
	Roles   []store.Role
	Line    string // the link of an invitation just made; shown once
	Error   string // key
	Done    string // key
	Typed   struct {
		Note, Tenant string
		Role         store.Role
	}
}

// memberCard is a person with whose he is.
type memberCard struct {
	store.Member
	Place string // the tenant's name; empty where there is one tenant
	Self  bool
}

type openInvitation struct {
	store.PersonInvitation
	Place string
}

func (s *Server) people(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &peoplePage{}
	if done := "people.done." + r.FormValue("done"); v.words.has(done) {
		page.Done = done
	}
	return s.renderPeople(w, r, v, http.StatusOK, page)
}

func (s *Server) renderPeople(w http.ResponseWriter, r *http.Request, v *visit, status int, page *peoplePage) error {
	names, err := s.tenantNames(r, v)
	if err != nil {
		return err
	}
	members, err := s.db.Members(r.Context(), v.scope)
	if err != nil {
		return err
	}
	page.Rest = int64(max(0, len(members)-peopleMost))
	for _, m := range members[:min(len(members), peopleMost)] {
		page.Members = append(page.Members, memberCard{Member: m, Place: names.of(m.Tenant), Self: m.ID == v.session.Person.ID})
	}
	open, err := s.db.PersonInvitations(r.Context(), v.scope, s.now())
	if err != nil {
		return err
	}
	for _, i := range open {
		page.Open = append(page.Open, openInvitation{i, names.of(i.Tenant)})
	}
	if len(names) > 1 {
		page.Tenants = names
	}
	if page.Typed.Role == "" {
		page.Typed.Role = store.Operator
	}
	page.Roles, page.Section = store.Roles, "account"
	s.render(w, r, v, status, "people", page)
	return nil
}

// invitePerson shows the link by which somebody may join. Only its hash is
// kept: who loses it makes another.
func (s *Server) invitePerson(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &peoplePage{}
	page.Typed.Note, page.Typed.Role = strings.TrimSpace(r.PostFormValue("note")), store.Role(r.PostFormValue("role"))
	page.Typed.Tenant = r.PostFormValue("tenant")
	if !slices.Contains(store.Roles, page.Typed.Role) {
		return errBadInput
	}
	tenant := v.scope.Tenant()
	if page.Typed.Tenant != "" {
		var err error
		if tenant, err = strconv.ParseInt(page.Typed.Tenant, 10, 64); err != nil {
			return errNotFound
		}
	}
	if page.Typed.Note == "" || len(page.Typed.Note) > maxNote {
		page.Error = "people.note-missing"
		return s.renderPeople(w, r, v, http.StatusUnprocessableEntity, page)
	}
	link, err := invitationLink(r.Context(), s.db, v.scope, s.URL(), store.PersonInvitation{
		Tenant: tenant, Role: page.Typed.Role, Invited: v.session.Person.Name, Note: page.Typed.Note,
	}, s.now())
	if err != nil {
		return err
	}
	s.act(r, v.session.Person, actInvitePerson, string(page.Typed.Role)+" "+page.Typed.Note)
	page.Line = link
	page.Typed.Note = ""
	return s.renderPeople(w, r, v, http.StatusOK, page)
}

// invitationLink makes the link by which somebody may join.
func invitationLink(ctx context.Context, db *store.DB, scope store.Scope, base string, i store.PersonInvitation, now time.Time) (string, error) {
	secret, token := newToken()
	handle, _ := newToken()
	i.Handle, i.Created, i.Expires = handle[:16], now, now.Add(joinLife)
	if err := db.InvitePerson(ctx, scope, token, i); err != nil {
		return "", err
	}
	return strings.TrimRight(base, "/") + "/join/" + secret, nil
}

// InvitationLink makes a link by which somebody may join once, within a week,
// for a console at base, from outside of its process, see [store.OpenBeside].
// Of i it takes Tenant, Role, Invited and Note.
func InvitationLink(ctx context.Context, db *store.DB, scope store.Scope, base string, i store.PersonInvitation, now time.Time) (string, error) {
	link, err := invitationLink(ctx, db, scope, base, i, now)
	if err == nil {
		err = db.InsertAct(ctx, store.Act{Time: now.UTC().Truncate(time.Microsecond), Person: i.Invited, Act: actInvitePerson, Object: string(i.Role) + " " + i.Note})
	}
	if err != nil {
		return "", fmt.Errorf("invitation: %w", err)
	}
	return link, nil
}

func (s *Server) withdrawInvitation(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := s.db.WithdrawInvitation(r.Context(), v.scope, r.PathValue("id")); err != nil {
		return err
	}
	s.act(r, v.session.Person, actWithdraw, "")
	http.Redirect(w, r, "/people?done=withdrawn", http.StatusSeeOther)
	return nil
}

// member returns the person whom the address names, or errNotFound.
func (s *Server) member(r *http.Request, v *visit) (store.Member, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return store.Member{}, errNotFound
	}
	return s.db.Member(r.Context(), v.scope, id)
}

type memberPage struct {
	frame
	memberCard
	Many  int64 // sessions
	Roles []store.Role
	Error string // key
}

func (s *Server) memberPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	m, err := s.member(r, v)
	if err != nil {
		return err
	}
	return s.renderMember(w, r, v, http.StatusOK, m, "")
}

func (s *Server) renderMember(w http.ResponseWriter, r *http.Request, v *visit, status int, m store.Member, failure string) error {
	names, err := s.tenantNames(r, v)
	if err != nil {
		return err
	}
	page := &memberPage{memberCard: memberCard{Member: m, Place: names.of(m.Tenant), Self: m.ID == v.session.Person.ID}, Many: int64(m.Sessions), Roles: store.Roles, Error: failure}
	page.Section = "account"
	s.render(w, r, v, status, "member", page)
	return nil
}

// changeMember does something to the person whom the address names.
func (s *Server) changeMember(w http.ResponseWriter, r *http.Request, v *visit, act, done string, change func(store.Member) (object string, err error)) error {
	m, err := s.member(r, v)
	if err != nil {
		return err
	}
	object, err := change(m)
	if errors.Is(err, store.ErrLast) {
		return s.renderMember(w, r, v, http.StatusConflict, m, "people.last")
	}
	if err != nil {
		return err
	}
	s.act(r, v.session.Person, act, strings.TrimSpace(m.Name+" "+object))
	http.Redirect(w, r, "/people?done="+done, http.StatusSeeOther)
	return nil
}

func (s *Server) setRole(w http.ResponseWriter, r *http.Request, v *visit) error {
	role := store.Role(r.PostFormValue("role"))
	return s.changeMember(w, r, v, actRole, "role", func(m store.Member) (string, error) {
		if !slices.Contains(store.Roles, role) {
			return "", errBadInput
		}
		return string(role), s.db.SetRole(r.Context(), v.scope, m.ID, role)
	})
}

func (s *Server) endMemberSessions(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.changeMember(w, r, v, actEndSessions, "ended", func(m store.Member) (string, error) {
		return "", s.db.EndSessions(r.Context(), v.scope, m.ID)
	})
}

func (s *Server) removeMember(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.changeMember(w, r, v, actRemovePerson, "removed", func(m store.Member) (string, error) {
		return "", s.db.RemovePerson(r.Context(), v.scope, m.ID)
	})
}
