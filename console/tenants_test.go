package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/fleet"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/report/wire"
)

// town is a console of a desk with two hosters who have an owner each. What is
// the second one's has "foreign" in its name, or is listed in foreign.
type town struct {
	*site
	desk, hoster, owner, rival, tenant store.Scope
	foreign                            map[string][]string // ids of what is not the first hoster's, by the path that takes them
	own                                map[string]string   // ids of what is the first owner's
	secrets                            []string            // texts that nobody of the first hoster may read
	decided                            []string            // exclusions that were confirmed or removed
}

func newTown(t *testing.T) *town {
	t.Helper()
	c := &town{site: newSite(t), desk: store.Whole(), foreign: map[string][]string{}, own: map[string]string{}}
	now := time.Now()
	c.now = func() time.Time { return now }
	ctx := t.Context()
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	add := func(parent store.Scope, name string) store.Scope {
		tenant, err := c.db.AddTenant(ctx, c.desk, parent.Tenant(), name, now)
		must(err)
		scope, err := c.db.Narrow(ctx, c.desk, tenant.ID)
		must(err)
		return scope
	}
	c.hoster, c.rival = add(c.desk, "first"), add(c.desk, "foreign-hoster")
	c.owner, c.tenant = add(c.hoster, "first-owner"), add(c.rival, "foreign-owner")
	_, err := c.db.EnsurePerson(ctx, "foreign-admin")
	must(err)

	everywhere := map[string]string{"own": "everywhere-1", "foreign": "everywhere-2"} // decisions of the desk: all may know that they hold
	for _, who := range []struct {
		scope store.Scope
		name  string
	}{{c.owner, "own"}, {c.tenant, "foreign"}} {
		must(c.db.AddSite(ctx, c.desk, store.Desk, who.name+".kz", who.scope.Tenant()))
		e := storyEvent(t, now, who.name+".kz")
		must(c.db.Insert(ctx, []event.Event{e}))
		edge := "edge-" + who.name
		must(c.db.InsertInvitation(ctx, who.scope, []byte(edge), who.name+"-inviter", now.Add(time.Hour)))
		must(c.db.Enroll(ctx, []byte(edge), store.Edge{ID: edge, Name: edge, Key: []byte(edge), Enrolled: now}))
		must(c.db.SetSiteRule(ctx, c.desk, store.Desk, who.name+"-suffix.kz", who.scope.Tenant()))
		handle := who.name + "-handle"
		must(c.db.InvitePerson(ctx, c.desk, []byte(handle), store.PersonInvitation{
			Handle: handle, Tenant: who.scope.Tenant(), Role: store.Owner, Note: who.name + "-note", Created: now, Expires: now.Add(time.Hour),
		}))
		must(c.db.InsertAct(ctx, store.Act{Time: now, Person: who.name + "-actor", Act: actExport, Tenant: who.scope.Tenant()}))
		p := c.person(who.scope, store.Owner, who.name+"-person")
		channel, err := c.db.InsertChannel(ctx, who.scope, store.Channel{Kind: store.BySyslog, Address: "tls://" + who.name + ".kz:6514", Made: now})
		must(err)
		must(c.db.InsertAlertRule(ctx, who.scope, store.AlertRule{Kind: store.OnSite, Site: who.name + ".kz", Count: 1, Within: time.Minute, Made: now}))
		alert, err := c.db.AlertRules(ctx, who.scope)
		must(err)
		for audience, id := range map[string]string{store.TenantAudience(who.scope.Tenant()): who.name + "-decision", "": everywhere[who.name]} {
			d := store.Decision{Decision: wire.Decision{ID: id, Kind: wire.DecisionBan, Network: netip.MustParsePrefix("203.0.113.7/32"), Made: now, Until: now.Add(time.Hour)},
				Audience: audience, Stage: store.StageFleet, Person: who.name + "-decider", Reason: who.name + "-reason", Incident: e.Code}
			if audience != "" {
				_, d.Tenant, d.Branch = who.scope.Audience()
			}
			_, err := c.db.InsertDecision(ctx, d)
			must(err)
		}
		ids := map[string]string{
			"decisions": who.name + "-decision", "channels": fmt.Sprint(channel), "rules": fmt.Sprint(alert[0].ID),
			"incidents": e.ID, "edges": edge, "exclusions": who.name + "-exclusion", "people": fmt.Sprint(p.ID), "invitations": handle,
			"tenants": fmt.Sprint(who.scope.Tenant()),
		}
		if who.name == "own" {
			c.own = ids
			continue
		}
		for kind, id := range ids {
			c.foreign[kind] = append(c.foreign[kind], id)
		}
		c.secrets = append(c.secrets, e.ID, e.Code, "foreign", "foreign-", edge)
	}
	admin, err := c.db.Person(ctx, "foreign-admin")
	must(err)
	c.foreign["people"] = append(c.foreign["people"], fmt.Sprint(admin.ID))
	c.foreign["decisions"] = append(c.foreign["decisions"], everywhere["own"], everywhere["foreign"])
	c.foreign["tenants"] = append(c.foreign["tenants"], fmt.Sprint(c.rival.Tenant()), fmt.Sprint(store.Desk))
	c.options.Fleet, err = fleet.New(ctx, fleet.Options{Store: c.db, Logger: zerolog.Nop()})
	must(err)
	c.furnish()
	return c
}

// furnish gives the console everything that it can show.
func (c *town) furnish() {
	standing := func(name string) Standing {
		return Standing{ID: name + "-exclusion", Site: name + ".kz", Incident: "AAAA-AAAA", By: name + "-by", Made: c.now(), Expires: c.now().Add(time.Hour)}
	}
	decide := func(id string) (Standing, error) {
		c.decided = append(c.decided, id)
		return standing(strings.TrimSuffix(id, "-exclusion")), nil
	}
	c.options.Sites = func() []*config.Site {
		return []*config.Site{{Name: "own.kz", Mode: config.Detect}, {Name: "foreign.kz", Mode: config.Off}}
	}
	c.options.Exclusions = &Exclusions{
		Propose: func(_ context.Context, e event.Event, _ []event.Event) (Answer, error) {
			return Answer{Proposals: []Proposal{{Key: "k", Exclusions: []config.Exclusion{{Path: "/" + e.Site}}}}}, nil
		},
		Decide: func(_ context.Context, d Decision) (Standing, error) { return decide(d.Event.Site) },
		List: func(context.Context) ([]Standing, error) {
			return []Standing{standing("own"), standing("foreign")}, nil
		},
		Confirm: func(_ context.Context, id, _ string) (Standing, error) { return decide(id) },
		Remove:  func(_ context.Context, id string) (Standing, error) { return decide(id) },
	}
	c.options.Certificates = func() Certificates {
		return Certificates{Names: []Certificate{{Name: "foreign.kz", State: "expired", NotAfter: c.now()}}}
	}
	c.options.Disputes = func() []Dispute { return []Dispute{{Profile: "foreign-profile", Times: 1}} }
	c.options.Settle = func() { c.decided = append(c.decided, "settle") }
	c.options.Reload = func(context.Context) error { c.decided = append(c.decided, "reload"); return nil }
}

func storyEvent(t *testing.T, at time.Time, site string) event.Event {
	t.Helper()
	id, code := event.NewID()
	return event.Event{ID: id, Code: code, Time: at.Add(-time.Minute).UTC(), Site: site, Kind: event.KindRule, Action: event.Blocked, Rules: []int{942100},
		Request: event.Request{Method: "GET", Host: site, Target: "/?q=union"}, Matches: []event.Match{{Rule: 942100, Variable: "ARGS", Key: "q", Value: "union"}}}
}

// person makes a person of a tenant.
func (c *town) person(at store.Scope, role store.Role, name string) store.Person {
	c.t.Helper()
	token := []byte("join " + name)
	err := c.db.InvitePerson(c.t.Context(), c.desk, token, store.PersonInvitation{
		Handle: "h " + name, Tenant: at.Tenant(), Role: role, Created: c.now(), Expires: c.now().Add(time.Hour),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	p, err := c.db.Join(c.t.Context(), token, name, "", c.now())
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// as has the client be a person, with a session of its own.
func (c *town) as(p store.Person) {
	c.t.Helper()
	secret, token := newToken()
	session := store.Session{Token: token, Handle: secret[:16], Person: p, Created: c.now(), Seen: c.now()}
	if err := c.db.InsertSession(c.t.Context(), session); err != nil {
		c.t.Fatal(err)
	}
	c.client = c.browser()
	where, err := url.Parse(c.url)
	if err != nil {
		c.t.Fatal(err)
	}
	c.client.Jar.SetCookies(where, []*http.Cookie{{Name: c.cookieName(), Value: secret, Path: "/"}})
}

// everything is what of the others, and of those above, could have been
// changed.
func (c *town) everything() string {
	c.t.Helper()
	ctx := c.t.Context()
	var all []any
	add := func(v any, err error) {
		if err != nil {
			c.t.Fatal(err)
		}
		all = append(all, v)
	}
	for _, s := range []store.Scope{c.rival, c.desk.Only()} {
		members, err := c.db.Members(ctx, s)
		add(members, err)
		tenants, err := c.db.Tenants(ctx, s)
		add(tenants, err)
		sites, err := c.db.SitesOf(ctx, s, "", 100)
		add(sites, err)
		rules, err := c.db.SiteRules(ctx, s)
		add(rules, err)
		open, err := c.db.PersonInvitations(ctx, s, c.now())
		add(open, err)
		edges, err := c.db.Edges(ctx, s)
		add(edges, err)
		acts, err := c.db.Acts(ctx, s, 1000)
		add(acts, err)
		decisions, err := c.db.Decisions(ctx, store.DecisionQuery{Scope: s}, c.now())
		add(decisions, err)
		events, err := c.db.Events(ctx, s, store.Query{})
		add(events.Events, err)
		channels, err := c.db.Channels(ctx, s)
		add(channels, err)
		alerts, err := c.db.AlertRules(ctx, s)
		add(alerts, err)
	}
	add(c.decidedElsewhere(), nil)
	text, err := json.Marshal(all)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// decidedElsewhere returns what was decided for others than the first owner.
func (c *town) decidedElsewhere() []string {
	return slices.DeleteFunc(slices.Clone(c.decided), func(id string) bool { return strings.HasPrefix(id, "own") })
}

// unknown ids, by the path that takes them.
var unknownIDs = map[string]string{
	"incidents": "019ab000-0000-7000-8000-000000000000", "edges": "no-edge", "exclusions": "no-exclusion", "people": "999999",
	"decisions": "no-decision", "invitations": "no-handle", "tenants": "999999999", "channels": "999999", "rules": "999999",
}

// hostileQuery has in every parameter something of others.
var hostileQuery = url.Values{"site": {"foreign.kz"}, "text": {"foreign"}, "find": {"foreign"}, "after": {"0"}}.Encode()

// kindOf returns what the {id} of a route is an id of; empty when the route
// takes none.
func kindOf(pattern string) string {
	if strings.Contains(pattern, "/invitations/{id}") {
		return "invitations"
	}
	m := regexp.MustCompile(`^[A-Z]* ?/(?:alerts/)?([a-z]+)/\{id\}`).FindStringSubmatch(pattern)
	if m == nil {
		return ""
	}
	return m[1]
}

// hostileForm has in every field that a handler reads something of others.
func (c *town) hostileForm(t *testing.T) url.Values {
	t.Helper()
	rival := fmt.Sprint(c.rival.Tenant())
	form := url.Values{
		"tenant": {rival}, "parent": {rival}, "to": {rival}, "home": {strconv.FormatInt(store.Desk, 10)}, "suffix": {".foreign-suffix.kz"},
		"site": {"foreign.kz"}, "find": {"foreign"}, "handle": {"foreign-handle"}, "role": {"administrator"}, "name": {"taken over"}, "days": {"1"}, "note": {"x"},
		"proposal": {"k"}, "why": {"x"}, "alike": {"yes"}, "secret": {"none"}, "old": {"x"}, "password": {"y"}, "again": {"z"},
		"language": {"en"}, "back": {"/"}, "done": {"removed"}, "code": {"000000"},
		"address": {"tls://203.0.113.1:6514"}, "network": {"198.51.100.1"}, "for": {"1h"}, "quiet": {"22:00"}, "loud": {"07:00"}, "kind": {"loss"}, "urgent": {"1"},
		"id": {"AAAA"}, "client": {"e30"}, "data": {"AAAA"}, "key": {"AAAA"}, "signature": {"AAAA"},
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`FormValue\("([a-z-]+)"`).FindAllStringSubmatch(string(text), -1) {
			if !form.Has(m[1]) && !strings.HasSuffix(f, "_test.go") {
				t.Errorf("%s reads the field %q: give it a hostile value here", f, m[1])
			}
		}
	}
	return form
}

// TestNobodyCrossesTenants walks every route of the table, as every role of a
// hoster and of an owner, with the ids of everybody else: nothing of theirs is
// read or changed, and theirs is answered as what never was.
func TestNobodyCrossesTenants(t *testing.T) {
	c := newTown(t)
	form := c.hostileForm(t)
	before := c.everything()
	asked := 0
	for _, at := range []store.Scope{c.hoster, c.owner} {
		for _, role := range store.Roles {
			p := c.person(at, role, fmt.Sprint(role, " ", at.Tenant()))
			for _, r := range c.table() {
				method, path, _ := strings.Cut(r.pattern, " ")
				if path == "" {
					method, path = http.MethodGet, "/nothing"
				}
				kind := kindOf(r.pattern)
				if strings.Contains(path, "{id}") && (kind == "" || len(c.foreign[kind]) == 0 || unknownIDs[kind] == "") {
					t.Fatalf("%s takes an id of what? Tell kindOf, newTown and unknownIDs.", r.pattern)
				}
				ask := func(id string) answer {
					asked++
					c.as(p)
					path := strings.NewReplacer("{$}", "", "{id}", id, "{secret}", "none").Replace(path)
					if method == http.MethodPost {
						return c.post(path, form)
					}
					return c.get(path + "?" + hostileQuery)
				}
				if kind == "" {
					c.isSilent(t, r, p, ask(""), "foreign")
					if method == http.MethodGet && r.needs != public {
						asked++
						c.as(p)
						c.isSilent(t, r, p, c.get(strings.TrimSuffix(path, "{$}")), "")
					}
					continue
				}
				never := ask(unknownIDs[kind])
				for _, id := range c.foreign[kind] {
					got := ask(id)
					c.isSilent(t, r, p, got, id)
					if got.StatusCode != never.StatusCode || withoutID(got.body, id) != withoutID(never.body, unknownIDs[kind]) {
						t.Errorf("%s, %s: of others it answers %d, of nobody's %d", p.Name, r.pattern, got.StatusCode, never.StatusCode)
					}
					if got.StatusCode != http.StatusNotFound && got.StatusCode != http.StatusForbidden {
						t.Errorf("%s, %s: %d", p.Name, r.pattern, got.StatusCode)
					}
				}
			}
		}
	}
	if after := c.everything(); after != before {
		t.Errorf("what is others' was changed:\n%s\n%s", before, after)
	}
	if asked < 500 {
		t.Errorf("only %d requests were made", asked)
	}
	t.Logf("%d requests, 0 across", asked)
}

// withoutID takes an id out of the addresses in a page.
func withoutID(body, id string) string {
	return regexp.MustCompile("/"+regexp.QuoteMeta(id)+`([/?&"])`).ReplaceAllString(body, "$1")
}

// isSilent fails when an answer has something of others in it that was not
// sent along.
func (c *town) isSilent(t *testing.T, r route, p store.Person, a answer, sent string) {
	t.Helper()
	if !(&visit{session: &store.Session{Person: p}, scope: p.Scope()}).may(r.needs) && a.StatusCode != http.StatusForbidden {
		t.Errorf("%s, %s: %d; his role does not allow it", p.Name, r.pattern, a.StatusCode)
	}
	// What was typed is shown again: in its field, in links that keep it, and in
	// the record of what the person himself did.
	body := strings.ReplaceAll(a.body, html.EscapeString(hostileQuery), "")
	if sent == "foreign" {
		body = regexp.MustCompile(`(?s)<input[^>]*>|href="[^"]*"|<p class="active.*?</p>`).ReplaceAllString(body, "")
	}
	for _, secret := range c.secrets {
		if secret != sent && strings.Contains(body, secret) {
			i := strings.Index(body, secret)
			t.Errorf("%s, %s tells %q: …%s…", p.Name, r.pattern, secret, body[max(0, i-80):min(len(body), i+80)])
		}
	}
}

// TestOwnIsSeenAndChanged is the other half: the walk above finds nothing
// because it is not theirs, and not because nothing is ever found.
func TestOwnIsSeenAndChanged(t *testing.T) {
	c := newTown(t)
	owner, admin := c.person(c.owner, store.Owner, "an owner"), c.person(c.hoster, store.Administrator, "an administrator")
	desk := c.person(c.desk, store.Operator, "of the desk")
	for _, r := range c.table() {
		method, path, _ := strings.Cut(r.pattern, " ")
		kind := kindOf(r.pattern)
		if method != http.MethodGet || kind == "" {
			continue
		}
		c.as(admin)
		if a := c.get(strings.ReplaceAll(path, "{id}", c.own[kind])); a.StatusCode != http.StatusOK {
			t.Errorf("%s of one's own: %s", r.pattern, a.Status)
		}
	}
	c.as(desk)
	for path, want := range map[string]string{
		"/incidents": "foreign.kz", "/edges": "edge-foreign", "/exclusions": "foreign-exclusion", "/sites": "foreign.kz", "/trail": "foreign-actor", "/incidents/export.csv": "foreign.kz",
	} {
		if a := c.get(path); !strings.Contains(a.body, want) {
			t.Errorf("the desk does not see %s on %s: %s", want, path, a.Status)
		}
	}
	c.as(owner)
	for path, want := range map[string]string{"/": "own.kz", "/incidents": "own.kz", "/exclusions": "own-exclusion", "/sites": "own.kz", "/trail": "own-actor", "/edges": "edge-own"} {
		if a := c.get(path); !strings.Contains(a.body, want) {
			t.Errorf("an owner does not see %s on %s: %s", want, path, a.Status)
		}
	}
	if a := c.post("/incidents/"+c.own["incidents"]+"/mistake", url.Values{"proposal": {"k"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("an owner says what was a mistake: %s", a.Status)
	}
	if a := c.post("/exclusions/own-exclusion/remove", nil); a.StatusCode != http.StatusSeeOther {
		t.Errorf("an owner takes an exclusion back: %s", a.Status)
	}
	if !slices.Equal(c.decided, []string{"own.kz", "own-exclusion"}) {
		t.Errorf("decided: %q", c.decided)
	}
	c.as(admin)
	for path, form := range map[string]url.Values{
		"/people/" + c.own["people"] + "/role":                      {"role": {"analyst"}},
		"/people/" + c.own["people"] + "/sessions/end":              nil,
		"/people/invitations/" + c.own["invitations"] + "/withdraw": nil,
		"/decisions/" + c.own["decisions"] + "/remove":              nil,
		"/edges/edge-own/retire":                                    nil,
		"/tenants":                                                  {"name": {"second-owner"}, "parent": {fmt.Sprint(c.hoster.Tenant())}},
		"/tenants/" + c.own["tenants"]:                              {"name": {"renamed"}, "days": {"30"}},
		"/tenants/" + c.own["tenants"] + "/sites":                   {"site": {"*.more.kz"}},
		"/tenants/" + c.own["tenants"] + "/sites/move":              {"site": {"own.kz"}, "to": {fmt.Sprint(c.hoster.Tenant())}},
	} {
		if a := c.post(path, form); a.StatusCode != http.StatusSeeOther {
			t.Errorf("POST %s: %s", path, a.Status)
		}
	}
	if m, err := c.db.Member(t.Context(), c.hoster, mustInt(t, c.own["people"])); err != nil || m.Role != store.Analyst || m.Sessions != 0 {
		t.Errorf("the person is %+v, %v", m, err)
	}
	if sites, err := c.db.SitesOf(t.Context(), c.hoster.Only(), "", 10); err != nil || len(sites) != 1 || sites[0].Name != "own.kz" {
		t.Errorf("the hoster has %+v, %v", sites, err)
	}
}

func mustInt(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestOnlyTheMachineSeesTheWhole: a page gets its scope from its visit. What
// the machine does by itself stands in files of its own.
func TestOnlyTheMachineSeesTheWhole(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "store.Whole(") && !strings.HasSuffix(f, "_test.go") && f != "jobs.go" && f != "server.go" {
			t.Errorf("%s reads without the visitor's scope", f)
		}
	}
}

func TestInvitation(t *testing.T) {
	c := newTown(t)
	c.as(c.person(c.hoster, store.Administrator, "an administrator"))
	a := c.post("/people/invite", url.Values{"note": {"Айгерім"}, "role": {"owner"}, "tenant": {fmt.Sprint(c.owner.Tenant())}})
	m := regexp.MustCompile(`/join/([A-Za-z0-9_-]{43})`).FindStringSubmatch(a.body)
	if a.StatusCode != http.StatusOK || m == nil {
		t.Fatalf("invite: %s", a.Status)
	}
	if a := c.get("/people"); !strings.Contains(a.body, "Айгерім") || strings.Contains(a.body, m[1]) {
		t.Error("an open invitation is not listed, or its secret is shown again")
	}
	c.client = c.browser()
	join := func(name, password string) answer {
		return c.post("/join", url.Values{"secret": {m[1]}, "name": {name}, "password": {password}, "again": {password}})
	}
	for range 2 {
		if a := c.get("/join/" + m[1]); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "an administrator") {
			t.Errorf("look at the invitation: %s", a.Status)
		}
	}
	for _, bad := range [][2]string{{"a", goodPassword}, {"tab\there", goodPassword}, {"un\u200bseen", goodPassword}, {"FOREIGN-person", goodPassword}, {"aigerim", "short"}} {
		if a := join(bad[0], bad[1]); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, `role="alert"`) {
			t.Errorf("join as %q: %s", bad[0], a.Status)
		}
	}
	if a := join("aigerim", goodPassword); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("join: %s", a.Status)
	}
	if a := c.get("/incidents"); !strings.Contains(a.body, "own.kz") || strings.Contains(a.body, "foreign") {
		t.Error("who joined does not see his own, or sees more")
	}
	if a := c.get("/people"); a.StatusCode != http.StatusForbidden {
		t.Errorf("an owner opens the page of people: %s", a.Status)
	}
	c.client = c.browser()
	if a := join("again", goodPassword); a.StatusCode != http.StatusGone {
		t.Errorf("a used invitation: %s", a.Status)
	}
	if a := c.get("/join/" + m[1]); a.StatusCode != http.StatusGone {
		t.Errorf("look at a used invitation: %s", a.Status)
	}
}

// TestOneOwnerNoticesNothing: without tenants no page speaks of them.
func TestOneOwnerNoticesNothing(t *testing.T) {
	s := newSite(t).signedIn()
	for _, path := range append(s.everyPage(), "/people") {
		if a := s.get(path); strings.Contains(a.body, `name="tenant"`) || strings.Contains(a.body, "This desk") {
			t.Errorf("%s speaks of tenants", path)
		}
	}
	if a := s.post("/people/invite", url.Values{"note": {"x"}, "role": {"operator"}}); a.StatusCode != http.StatusOK {
		t.Errorf("invite without a tenant: %s", a.Status)
	}
}
