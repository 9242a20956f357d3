package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
)

// sitesMove gives a site, with what was seen of it, from one to another.
func sitesMove(t *testing.T, db *store.DB) {
	ctx := t.Context()
	all := grow(t, db)
	if err := db.Insert(ctx, []event.Event{Event(0), Event(3)}); err != nil { // site0.kz, of the desk
		t.Fatal(err)
	}
	tally := event.Tally{First: start, Last: start, Count: 5, Site: "site0.kz", Action: event.Blocked, Class: event.ClassSQL}
	tally.ID, _ = event.NewID()
	if err := db.InsertTallies(ctx, []event.Tally{tally}); err != nil {
		t.Fatal(err)
	}
	count := func(s store.Scope) (n int64) {
		t.Helper()
		events, err1 := db.Count(ctx, s, store.Query{}, 100)
		hours, err2 := db.Hours(ctx, s, start, start.Add(time.Hour), "")
		tallies, err3 := db.Tallies(ctx, s, start, "", 10)
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		for _, h := range hours {
			n += h.Blocked + h.Detected
		}
		if want := 5*int64(len(tallies)) + int64(events); n != want {
			t.Errorf("by the hour %d, one by one %d", n, want)
		}
		return n
	}
	move := func(s store.Scope, from, to store.Scope, want error) {
		t.Helper()
		if err := db.MoveSite(ctx, s, "site0.kz", from.Tenant(), to.Tenant()); !errors.Is(err, want) {
			t.Errorf("move: %v; want %v", err, want)
		}
	}
	move(all.hoster, all.desk, all.hoster, store.ErrNotFound) // what is not his he cannot take
	move(all.desk, all.rival, all.hoster, store.ErrNotFound)
	move(all.desk, all.desk, all.hoster, nil)
	move(all.hoster, all.hoster, all.rival, store.ErrNotFound) // nor give to whom he does not see
	move(all.hoster, all.hoster, all.owner, nil)
	for name, want := range map[string]struct {
		scope store.Scope
		n     int64
	}{"desk": {all.desk, 7}, "hoster": {all.hoster, 7}, "owner": {all.owner, 7}, "rival": {all.rival, 0}} {
		if n := count(want.scope); n != want.n {
			t.Errorf("%s counts %d; want %d", name, n, want.n)
		}
	}
	if err := db.Insert(ctx, []event.Event{Event(6)}); err != nil { // what comes later goes there too
		t.Fatal(err)
	}
	if n := count(all.owner); n != 8 {
		t.Errorf("after the move the owner counts %d; want 8", n)
	}
	move(all.desk, all.owner, all.desk, nil)
	if n := count(all.owner); n != 0 {
		t.Errorf("after the way back the owner counts %d", n)
	}

	// What a hoster's edge reports can be nobody else's.
	enrolFor(t, db, all.hoster, "edge")
	report(t, db, "edge", "site0.kz", 1)
	move(all.desk, all.hoster, all.rival, store.ErrElsewhere)
	if err := db.AddSite(ctx, all.hoster, all.hoster.Tenant(), "new.kz", all.rival.Tenant()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a site for a rival: %v", err)
	}
	if err := db.AddSite(ctx, all.hoster, all.hoster.Tenant(), "new.kz", all.owner.Tenant()); err != nil {
		t.Error(err)
	}
	if err := db.AddSite(ctx, all.hoster, all.hoster.Tenant(), "new.kz", all.owner.Tenant()); !errors.Is(err, store.ErrTaken) {
		t.Errorf("a site twice: %v", err)
	}
	report(t, db, "edge", "new.kz", 2)
	if page, err := db.Events(ctx, all.owner, store.Query{}); err != nil || len(page.Events) != 1 || page.Events[0].Site != "new.kz" {
		t.Errorf("a site that was said beforehand: %+v, %v", page.Events, err)
	}
	if err := db.SetSiteRule(ctx, all.rival, all.hoster.Tenant(), ".kz", all.owner.Tenant()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a rule for somebody else: %v", err)
	}
	sites, err := db.SitesOf(ctx, all.hoster, "KZ", 10)
	if err != nil || len(sites) != 2 {
		t.Errorf("sites of the hoster: %+v, %v", sites, err)
	}
	if sites, err := db.SitesOf(ctx, all.hoster, "%", 10); err != nil || len(sites) != 0 {
		t.Errorf("a sign of the pattern is a pattern: %+v, %v", sites, err)
	}
}

// tenantsKeepTheirTime: a tenant's days shorten what is kept of his, and of
// nobody else's.
func tenantsKeepTheirTime(t *testing.T, db *store.DB) {
	ctx := t.Context()
	all := grow(t, db)
	if err := db.AddSite(ctx, all.desk, store.Desk, "site0.kz", all.owner.Tenant()); err != nil {
		t.Fatal(err)
	}
	if err := db.AddSite(ctx, all.desk, store.Desk, "site1.kz", all.hoster.Tenant()); err != nil {
		t.Fatal(err)
	}
	fill(t, db, 1800) // of thirty hours, a third each of the owner, the hoster and the desk
	if err := db.ChangeTenant(ctx, all.desk, all.owner.Tenant(), "owner", 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	now := start.Add(30 * time.Hour)
	removed, err := db.TrimTenants(ctx, now)
	if err != nil || removed != 120 { // of six hours
		t.Errorf("TrimTenants = %d, %v; want 120", removed, err)
	}
	for name, want := range map[string]struct {
		scope store.Scope
		n     int
	}{"owner": {all.owner, 480}, "hoster": {all.hoster.Only(), 600}, "desk": {all.desk.Only(), 600}} {
		for _, q := range []store.Query{{}, {Text: "page"}} {
			if n, err := db.Count(ctx, want.scope, q, 5000); err != nil || q.Text == "" && n != want.n {
				t.Errorf("%s has %d, %v; want %d", name, n, err, want.n)
			}
		}
	}
	if n, err := db.Count(ctx, all.owner, store.Query{Rule: 942100, To: now.Add(-24 * time.Hour)}, 5000); err != nil || n != 0 {
		t.Errorf("by their rule %d are left, %v", n, err)
	}
	if err := db.ChangeTenant(ctx, all.desk, all.hoster.Tenant(), "hoster", 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if removed, err := db.TrimTenants(ctx, now); err != nil || removed != 120 {
		t.Errorf("TrimTenants of a hoster = %d, %v; want 120", removed, err)
	}
}

// tenantsGrowAndGo: the tree has three levels, names are one's own, and what
// is in use stays.
func tenantsGrowAndGo(t *testing.T, db *store.DB) {
	ctx := t.Context()
	all := grow(t, db)
	for name, tc := range map[string]struct {
		scope  store.Scope
		parent store.Scope
		name   string
		want   error
	}{
		"below an owner":        {all.desk, all.owner, "deeper", store.ErrTooDeep},
		"below somebody else":   {all.hoster, all.rival, "mine", store.ErrNotFound},
		"below the desk":        {all.hoster, all.desk, "mine", store.ErrNotFound},
		"of a name that is had": {all.desk, all.desk, "rival", store.ErrTaken},
		"of another's name":     {all.desk, all.hoster, "rival", nil},
	} {
		if _, err := db.AddTenant(ctx, tc.scope, tc.parent.Tenant(), tc.name, start); !errors.Is(err, tc.want) {
			t.Errorf("a tenant %s: %v; want %v", name, err, tc.want)
		}
	}
	if err := db.ChangeTenant(ctx, all.hoster, all.hoster.Tenant(), "rival", 0); !errors.Is(err, store.ErrTaken) {
		t.Errorf("a name that is had: %v", err)
	}
	if err := db.ChangeTenant(ctx, all.hoster, all.owner.Tenant(), "Кітап", 30*24*time.Hour); err != nil {
		t.Error(err)
	}
	if err := db.ChangeTenant(ctx, all.rival, all.owner.Tenant(), "x", 0); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another's: %v", err)
	}
	var names []string
	tenants, err := db.Tenants(ctx, all.desk)
	for _, tenant := range tenants {
		names = append(names, tenant.Name)
	}
	if err != nil || len(tenants) != 5 || names[0] != "" || names[1] != "hoster" || names[2] != "rival" || names[3] != "Кітап" || tenants[3].Keep != 30*24*time.Hour {
		t.Errorf("%q, %v", names, err)
	}
	if own, err := db.Tenants(ctx, all.owner); err != nil || len(own) != 1 || own[0].ID != all.owner.Tenant() || own[0].Level() != 2 {
		t.Errorf("an owner sees %+v, %v", own, err)
	}
	if err := db.RemoveTenant(ctx, all.desk, all.hoster.Tenant()); !errors.Is(err, store.ErrInUse) {
		t.Errorf("a hoster with owners: %v", err)
	}
	if err := db.RemoveTenant(ctx, all.rival, all.owner.Tenant()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another's owner: %v", err)
	}
	if err := db.RemoveTenant(ctx, all.desk, store.Desk); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the desk: %v", err)
	}
	if err := db.RemoveTenant(ctx, all.hoster, all.owner.Tenant()); err != nil {
		t.Error(err)
	}
}

// members come by invitation, once, and see no further than they were asked to.
func members(t *testing.T, db *store.DB) {
	ctx := t.Context()
	all := grow(t, db)
	admin, err := db.EnsurePerson(ctx, "admin")
	if err != nil {
		t.Fatal(err)
	}
	invite := func(s store.Scope, tenant store.Scope, token string, role store.Role) error {
		return db.InvitePerson(ctx, s, []byte(token), store.PersonInvitation{
			Handle: "h-" + token, Tenant: tenant.Tenant(), Role: role, Invited: "admin", Note: "Айгерім", Created: start, Expires: start.Add(time.Hour),
		})
	}
	if err := invite(all.hoster, all.rival, "x", store.Owner); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("invited to somebody else: %v", err)
	}
	if err := errors.Join(invite(all.hoster, all.owner, "one", store.Owner), invite(all.desk, all.rival, "two", store.Administrator)); err != nil {
		t.Fatal(err)
	}
	if open, err := db.PersonInvitations(ctx, all.hoster, start); err != nil || len(open) != 1 || open[0].Handle != "h-one" || open[0].Note != "Айгерім" {
		t.Errorf("open: %+v, %v", open, err)
	}
	if _, err := db.Join(ctx, []byte("one"), "late", "hash", start.Add(time.Hour)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after its time: %v", err)
	}
	if _, err := db.Join(ctx, []byte("one"), "ADMIN", "hash", start); !errors.Is(err, store.ErrTaken) {
		t.Errorf("a name that is had: %v", err)
	}
	owner, err := db.Join(ctx, []byte("one"), "aigerim", "hash", start)
	if err != nil || owner.Role != store.Owner || owner.Tenant != all.owner.Tenant() || owner.Scope() != all.owner {
		t.Fatalf("joined as %+v, %v", owner, err)
	}
	if _, err := db.Join(ctx, []byte("one"), "again", "hash", start); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
	if err := db.WithdrawInvitation(ctx, all.hoster, "h-two"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("withdraws another's: %v", err)
	}
	if err := db.WithdrawInvitation(ctx, all.desk, "h-two"); err != nil {
		t.Error(err)
	}
	if admin.Scope() != store.Whole() || (store.Person{}).Scope() != (store.Scope{}) {
		t.Error("a scope is not the person's")
	}

	session := store.Session{Token: []byte("t"), Handle: "h", Person: owner, Created: start, Seen: start}
	if err := db.InsertSession(ctx, session); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Session(ctx, []byte("t")); err != nil || got.Person.Scope() != all.owner || got.Person.Role != store.Owner {
		t.Errorf("a session of %+v, %v", got.Person, err)
	}
	if list, err := db.Members(ctx, all.hoster); err != nil || len(list) != 1 || list[0].Sessions != 1 || !list[0].Seen.Equal(start) {
		t.Errorf("members: %+v, %v", list, err)
	}
	for name, act := range map[string]func(store.Scope, int64) error{
		"role":   func(s store.Scope, id int64) error { return db.SetRole(ctx, s, id, store.Analyst) },
		"end":    func(s store.Scope, id int64) error { return db.EndSessions(ctx, s, id) },
		"reset":  func(s store.Scope, id int64) error { return db.ResetPerson(ctx, s, id) },
		"remove": func(s store.Scope, id int64) error { return db.RemovePerson(ctx, s, id) },
		"read":   func(s store.Scope, id int64) error { _, err := db.Member(ctx, s, id); return err },
	} {
		if err := act(all.rival, owner.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s of another's person: %v", name, err)
		}
		if err := act(all.hoster, admin.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s of somebody above: %v", name, err)
		}
		if err := act(all.desk, 999); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s of nobody: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"removed": db.RemovePerson(ctx, all.desk, admin.ID), "demoted": db.SetRole(ctx, all.desk, admin.ID, store.Owner),
	} {
		if !errors.Is(err, store.ErrLast) {
			t.Errorf("the last administrator was %s: %v", name, err)
		}
	}
	if err := db.ResetPerson(ctx, all.hoster, owner.ID); err != nil {
		t.Error(err)
	}
	if m, err := db.Member(ctx, all.hoster, owner.ID); err != nil || m.Sessions != 0 || m.Password != "" {
		t.Errorf("after a reset: %+v, %v", m, err)
	}
	if err := db.RemovePerson(ctx, all.hoster, owner.ID); err != nil {
		t.Error(err)
	}
}
