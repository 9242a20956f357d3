package storetest

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/report/wire"
)

// tree is a desk with two hosters and an owner below the first.
type tree struct {
	desk, hoster, owner, rival store.Scope
}

func grow(t *testing.T, db *store.DB) tree {
	t.Helper()
	add := func(parent store.Scope, name string) store.Scope {
		t.Helper()
		tenant, err := db.AddTenant(t.Context(), store.Whole(), parent.Tenant(), name, start)
		if err != nil {
			t.Fatal(err)
		}
		scope, err := db.Narrow(t.Context(), store.Whole(), tenant.ID)
		if err != nil {
			t.Fatal(err)
		}
		return scope
	}
	all := tree{desk: store.Whole()}
	all.hoster, all.rival = add(all.desk, "hoster"), add(all.desk, "rival")
	all.owner = add(all.hoster, "owner")
	return all
}

// enrolFor enrols an edge for the tenant at the top of s.
func enrolFor(t *testing.T, db *store.DB, s store.Scope, id string) {
	t.Helper()
	code := []byte("code of " + id)
	if err := db.InsertInvitation(t.Context(), s, code, "aigerim", start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := db.Enroll(t.Context(), code, store.Edge{ID: id, Name: id, Key: ed25519.PublicKey("key of " + id), Enrolled: start}); err != nil {
		t.Fatal(err)
	}
}

// report has an edge report one event, one count and one loss of a site.
func report(t *testing.T, db *store.DB, edge, site string, n uint64) event.Event {
	t.Helper()
	e := Event(int(n))
	e.Site = site
	tally := event.Tally{First: start, Last: start, Count: 3, Site: site, Action: event.Blocked, Class: event.ClassScript}
	tally.ID, _ = event.NewID()
	loss := event.Loss{ID: fmt.Sprint(edge, "-", n), First: start, Last: start, Count: 2, Reason: "damaged"}
	r := store.Reports{Edge: edge, Epoch: "e", Lane: 1, After: 3 * (n - 1), Frames: []store.Frame{
		{First: 3*n - 2, Last: 3 * n, Items: []wire.Item{{Event: &e}, {Tally: &tally}, {Loss: &loss}}},
	}}
	if _, err := db.InsertReports(t.Context(), r, store.Heard{Edge: edge, At: start}); err != nil {
		t.Fatal(err)
	}
	return e
}

// tenantsSeeTheirOwn asks every reading method, of every tenant.
func tenantsSeeTheirOwn(t *testing.T, db *store.DB) {
	ctx := t.Context()
	all := grow(t, db)
	rules := map[string]store.Scope{".owner.kz": all.owner}
	for suffix, to := range rules {
		if err := db.SetSiteRule(ctx, all.hoster, all.hoster.Tenant(), suffix, to.Tenant()); err != nil {
			t.Fatal(err)
		}
	}
	enrolFor(t, db, all.hoster, "edge-hoster")
	enrolFor(t, db, all.rival, "edge-rival")
	own := Event(1)
	own.Site = "desk.kz"
	if err := db.Insert(ctx, []event.Event{own}); err != nil {
		t.Fatal(err)
	}
	events := map[string]event.Event{
		"desk": own, "hoster": report(t, db, "edge-hoster", "hoster.kz", 1), "owner": report(t, db, "edge-hoster", "shop.owner.kz", 2),
		"rival": report(t, db, "edge-rival", "shop.owner.kz", 1), // of the same name, and none of the owner's business
	}
	for _, p := range []struct{ name, tenant string }{{"h", "hoster"}, {"o", "owner"}, {"r", "rival"}} {
		scope := map[string]store.Scope{"hoster": all.hoster, "owner": all.owner, "rival": all.rival}[p.tenant]
		if err := db.InsertAct(ctx, store.Act{Time: start, Person: p.name, Act: "sign-in", Tenant: scope.Tenant()}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name  string
		scope store.Scope
		sees  []string
		edges int
		acts  int
	}{
		{"desk", all.desk, []string{"desk", "hoster", "owner", "rival"}, 2, 3},
		{"hoster", all.hoster, []string{"hoster", "owner"}, 1, 2},
		{"owner", all.owner, []string{"owner"}, 0, 1},
		{"rival", all.rival, []string{"rival"}, 1, 1},
		{"nobody", store.Scope{}, nil, 0, 0},
	} {
		seen := map[string]bool{}
		for _, name := range tc.sees {
			seen[name] = true
		}
		for name, e := range events {
			_, err := db.Event(ctx, tc.scope, e.ID)
			if seen[name] && err != nil || !seen[name] && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s reads the incident of %s: %v", tc.name, name, err)
			}
			if found, err := db.EventsByCode(ctx, tc.scope, e.Code); err != nil || (len(found) == 1) != seen[name] {
				t.Errorf("%s finds %d by the code of %s: %v", tc.name, len(found), name, err)
			}
		}
		reported := len(tc.sees) // all but the machine's own are counted and lost as well
		if seen["desk"] {
			reported--
		}
		for _, q := range []store.Query{{}, {Text: "union"}, {Rule: 942100}, {From: start, To: start.Add(time.Hour)}} {
			page, err := db.Events(ctx, tc.scope, q)
			n, countErr := db.Count(ctx, tc.scope, q, 100)
			if err != nil || countErr != nil || len(page.Events) != len(tc.sees) || n != len(tc.sees) {
				t.Errorf("%s: %+v: %d incidents, counted %d, %v, %v; want %d", tc.name, q, len(page.Events), n, err, countErr, len(tc.sees))
			}
		}
		want := int64(len(tc.sees) + 3*reported)
		var byHour, bySite, byClass, byDay int64
		hours, err1 := db.Hours(ctx, tc.scope, start, start.Add(time.Hour), "")
		for _, h := range hours {
			byHour += h.Blocked + h.Detected
		}
		sites, err2 := db.Sites(ctx, tc.scope, start, start.Add(time.Hour))
		for _, s := range sites {
			bySite += s.Blocked + s.Detected
		}
		classes, err3 := db.Classes(ctx, tc.scope, start, start.Add(time.Hour), "")
		for _, c := range classes {
			byClass += c.Blocked + c.Detected
		}
		days, err4 := db.SiteDays(ctx, tc.scope, start.Truncate(24*time.Hour), 1)
		for _, d := range days {
			byDay += d[0]
		}
		if err := errors.Join(err1, err2, err3, err4); err != nil || byHour != want || bySite != want || byClass != want || byDay != want {
			t.Errorf("%s counts %d, %d, %d, %d, %v; want %d", tc.name, byHour, bySite, byClass, byDay, err, want)
		}
		tallies, err1 := db.Tallies(ctx, tc.scope, start, "", 100)
		losses, err2 := db.Losses(ctx, tc.scope, start)
		edges, err3 := db.Edges(ctx, tc.scope)
		acts, err4 := db.Acts(ctx, tc.scope, 100)
		wantLosses := reported
		if tc.name == "owner" {
			wantLosses = 0 // whose reports were lost is not known: they are of the edge's tenant
		}
		if err := errors.Join(err1, err2, err3, err4); err != nil || len(tallies) != reported || len(losses) != wantLosses || len(edges) != tc.edges || len(acts) != tc.acts {
			t.Errorf("%s: %d tallies, %d losses, %d edges, %d acts, %v", tc.name, len(tallies), len(losses), len(edges), len(acts), err)
		}
	}
	if err := db.Retire(ctx, all.rival, "edge-hoster", start); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a rival retires an edge: %v", err)
	}
	if bad, err := db.CheckActs(ctx); err != nil || bad != 0 {
		t.Errorf("CheckActs = %d, %v", bad, err)
	}
}
