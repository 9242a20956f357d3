package console

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/qorgan/qorgan/console/store"
)

// tenantSites is the most sites on a tenant's page; the rest are found by name.
const tenantSites = 200

// tenantName is a tenant as a page calls it.
type tenantName struct {
	ID    int64
	Level int
	Name  string // its own, or what the desk is called
	Full  string // with those above it that the visitor sees
}

type tenantNames []tenantName

// of returns the full name of a tenant; empty where there is only one, so that
// a machine of one owner never speaks of tenants.
func (n tenantNames) of(id int64) string {
	if len(n) < 2 {
		return ""
	}
	for _, t := range n {
		if t.ID == id {
			return t.Full
		}
	}
	return ""
}

// tenantNames returns the tenants that the visitor sees, each above those below
// it.
func (s *Server) tenantNames(r *http.Request, v *visit) (tenantNames, error) {
	tenants, err := s.db.Tenants(r.Context(), v.scope)
	if err != nil {
		return nil, err
	}
	full := map[int64]string{}
	var names tenantNames
	for _, t := range tenants {
		name := t.Name
		if name == "" {
			name = v.words.T("tenants.desk")
		}
		full[t.ID] = name
		if above := full[t.Parent]; above != "" && t.Parent != store.Desk && t.Parent != t.ID {
			full[t.ID] = above + " › " + name
		}
		names = append(names, tenantName{ID: t.ID, Level: t.Level(), Name: name, Full: full[t.ID]})
	}
	return names, nil
}

type tenantsPage struct {
	frame
	Tenants []tenantName
	Parents []tenantName // below which there may be more
	Error   string       // key
	Done    string       // key
	Typed   string
}

func (s *Server) tenants(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &tenantsPage{}
	if done := "tenants.done." + r.FormValue("done"); v.words.has(done) {
		page.Done = done
	}
	return s.renderTenants(w, r, v, http.StatusOK, page)
}

func (s *Server) renderTenants(w http.ResponseWriter, r *http.Request, v *visit, status int, page *tenantsPage) error {
	names, err := s.tenantNames(r, v)
	if err != nil {
		return err
	}
	page.Tenants, page.Section = names, "account"
	for _, n := range names {
		if n.Level < 2 {
			page.Parents = append(page.Parents, n)
		}
	}
	s.render(w, r, v, status, "tenants", page)
	return nil
}

func (s *Server) addTenant(w http.ResponseWriter, r *http.Request, v *visit) error {
	name := strings.TrimSpace(r.PostFormValue("name"))
	parent, err := strconv.ParseInt(r.PostFormValue("parent"), 10, 64)
	if err != nil {
		return errNotFound
	}
	page := &tenantsPage{Typed: name}
	if !goodName(name) {
		page.Error = "tenants.name-bad"
	} else {
		var t store.Tenant
		switch t, err = s.db.AddTenant(r.Context(), v.scope, parent, name, s.now()); {
		case errors.Is(err, store.ErrTaken):
			page.Error = "tenants.name-taken"
		case errors.Is(err, store.ErrTooDeep):
			page.Error = "tenants.too-deep"
		case err != nil:
			return err
		default:
			s.act(r, v.session.Person, actAddTenant, t.Name)
			http.Redirect(w, r, "/tenants/"+strconv.FormatInt(t.ID, 10), http.StatusSeeOther)
			return nil
		}
	}
	return s.renderTenants(w, r, v, http.StatusUnprocessableEntity, page)
}

type tenantPage struct {
	frame
	Tenant tenantName
	Self   bool // the visitor's own: it is not his to remove
	Days   int64
	Sites  []store.Site
	More   bool
	Find   string
	Rules  []ruleLine
	Others []tenantName // to whom a site may be moved
	Error  string       // key
	Done   string       // key
	Typed  string
}

type ruleLine struct {
	Suffix string
	Home   int64
	From   string
}

// tenant returns the tenant whom the address names, and the scope of it alone
// with what is below; errNotFound when the visitor does not see it.
func (s *Server) tenant(r *http.Request, v *visit) (store.Scope, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return store.Scope{}, errNotFound
	}
	return s.db.Narrow(r.Context(), v.scope, id)
}

func (s *Server) tenantPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &tenantPage{Find: strings.TrimSpace(r.FormValue("find"))}
	if done := "tenants.done." + r.FormValue("done"); v.words.has(done) {
		page.Done = done
	}
	return s.renderTenant(w, r, v, http.StatusOK, page)
}

func (s *Server) renderTenant(w http.ResponseWriter, r *http.Request, v *visit, status int, page *tenantPage) error {
	at, err := s.tenant(r, v)
	if err != nil {
		return err
	}
	names, err := s.tenantNames(r, v)
	if err != nil {
		return err
	}
	tenants, err := s.db.Tenants(r.Context(), at)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if t.ID == at.Tenant() {
			page.Days = int64(t.Keep / (24 * time.Hour))
		}
	}
	for _, n := range names {
		if n.ID == at.Tenant() {
			page.Tenant = n
		} else {
			page.Others = append(page.Others, n)
		}
	}
	sites, err := s.db.SitesOf(r.Context(), at.Only(), page.Find, tenantSites+1)
	if err != nil {
		return err
	}
	page.Sites, page.More = sites[:min(len(sites), tenantSites)], len(sites) > tenantSites
	rules, err := s.db.SiteRules(r.Context(), v.scope)
	if err != nil {
		return err
	}
	for _, rule := range rules {
		if rule.Tenant == at.Tenant() {
			page.Rules = append(page.Rules, ruleLine{rule.Suffix, rule.Home, names.of(rule.Home)})
		}
	}
	page.Self, page.Section = at.Tenant() == v.scope.Tenant(), "account"
	s.render(w, r, v, status, "tenant", page)
	return nil
}

func (s *Server) changeTenant(w http.ResponseWriter, r *http.Request, v *visit) error {
	at, err := s.tenant(r, v)
	if err != nil {
		return err
	}
	name := strings.TrimSpace(r.PostFormValue("name"))
	days, err := strconv.ParseInt(strings.TrimSpace(r.PostFormValue("days")), 10, 64)
	if r.PostFormValue("days") == "" {
		days, err = 0, nil
	}
	page := &tenantPage{}
	switch {
	case err != nil || days < 0 || days > 3650:
		page.Error = "tenants.days-bad"
	case !goodName(name):
		page.Error = "tenants.name-bad"
	default:
		err := s.db.ChangeTenant(r.Context(), v.scope, at.Tenant(), name, time.Duration(days)*24*time.Hour)
		if err == nil {
			s.act(r, v.session.Person, actChangeTenant, name)
			s.backToTenant(w, r, "changed")
			return nil
		}
		if !errors.Is(err, store.ErrTaken) {
			return err
		}
		page.Error = "tenants.name-taken"
	}
	return s.renderTenant(w, r, v, http.StatusUnprocessableEntity, page)
}

func (s *Server) backToTenant(w http.ResponseWriter, r *http.Request, done string) {
	http.Redirect(w, r, "/tenants/"+r.PathValue("id")+"?done="+done, http.StatusSeeOther)
}

func (s *Server) removeTenant(w http.ResponseWriter, r *http.Request, v *visit) error {
	at, err := s.tenant(r, v)
	if err != nil {
		return err
	}
	if at.Tenant() == v.scope.Tenant() {
		return errForbidden
	}
	names, err := s.tenantNames(r, v)
	if err != nil {
		return err
	}
	switch err := s.db.RemoveTenant(r.Context(), v.scope, at.Tenant()); {
	case errors.Is(err, store.ErrInUse):
		return s.renderTenant(w, r, v, http.StatusConflict, &tenantPage{Error: "tenants.in-use"})
	case err != nil:
		return err
	}
	s.act(r, v.session.Person, actRemoveTenant, names.of(at.Tenant()))
	http.Redirect(w, r, "/tenants?done=removed", http.StatusSeeOther)
	return nil
}

// assignSite gives the tenant whom the address names a site by name, or all
// new ones with a suffix, out of what the visitor's own tenant has.
func (s *Server) assignSite(w http.ResponseWriter, r *http.Request, v *visit) error {
	at, err := s.tenant(r, v)
	if err != nil {
		return err
	}
	typed := strings.ToLower(strings.TrimSpace(r.PostFormValue("site")))
	page := &tenantPage{Typed: typed}
	own := v.scope.Tenant()
	switch suffix, many := strings.CutPrefix(typed, "*."); {
	case typed == "" || len(typed) > 253 || strings.ContainsAny(strings.TrimPrefix(typed, "*."), "*/ \t") || many && suffix == "":
		page.Error = "tenants.site-bad"
	case many && at.Tenant() == own:
		page.Error = "tenants.site-own"
	case many:
		err = s.db.SetSiteRule(r.Context(), v.scope, own, suffix, at.Tenant())
	default:
		err = s.db.AddSite(r.Context(), v.scope, own, typed, at.Tenant())
		if errors.Is(err, store.ErrTaken) {
			err = s.db.MoveSite(r.Context(), v.scope, typed, own, at.Tenant())
		}
		if errors.Is(err, store.ErrNotFound) {
			page.Error, err = "tenants.site-given", nil
		}
	}
	switch {
	case errors.Is(err, store.ErrElsewhere):
		page.Error = "tenants.elsewhere"
	case err != nil:
		return err
	}
	if page.Error != "" {
		return s.renderTenant(w, r, v, http.StatusUnprocessableEntity, page)
	}
	s.act(r, v.session.Person, actAssignSite, typed)
	s.backToTenant(w, r, "assigned")
	return nil
}

func (s *Server) removeSiteRule(w http.ResponseWriter, r *http.Request, v *visit) error {
	if _, err := s.tenant(r, v); err != nil {
		return err
	}
	home, err := strconv.ParseInt(r.PostFormValue("home"), 10, 64)
	if err != nil {
		return errNotFound
	}
	suffix := r.PostFormValue("suffix")
	if err := s.db.RemoveSiteRule(r.Context(), v.scope, home, suffix); err != nil {
		return err
	}
	s.act(r, v.session.Person, actRemoveRule, suffix)
	s.backToTenant(w, r, "rule-removed")
	return nil
}

func (s *Server) moveSite(w http.ResponseWriter, r *http.Request, v *visit) error {
	at, err := s.tenant(r, v)
	if err != nil {
		return err
	}
	to, err := strconv.ParseInt(r.PostFormValue("to"), 10, 64)
	if err != nil {
		return errNotFound
	}
	site := r.PostFormValue("site")
	switch err := s.db.MoveSite(r.Context(), v.scope, site, at.Tenant(), to); {
	case errors.Is(err, store.ErrElsewhere):
		return s.renderTenant(w, r, v, http.StatusConflict, &tenantPage{Error: "tenants.elsewhere"})
	case err != nil:
		return err
	}
	s.act(r, v.session.Person, actMoveSite, site)
	s.backToTenant(w, r, "moved")
	return nil
}
