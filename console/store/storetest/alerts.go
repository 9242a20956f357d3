package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
)

func alertNews(t *testing.T, db *store.DB) {
	ctx := t.Context()
	channel := store.Channel{Kind: store.ByWebhook, Address: "https://example.kz/hook", Secret: []byte("s"), Language: "kk", Quiet: 22 * 60, Loud: 7 * 60, Person: "admin", Made: start}
	id, err := db.InsertChannel(ctx, store.Whole(), channel)
	if err != nil {
		t.Fatal(err)
	}
	channel.ID = id
	if all, err := db.Channels(ctx, store.Whole()); err != nil || len(all) != 1 || !slices.Equal(all[0].Secret, channel.Secret) || all[0].Quiet != channel.Quiet || !all[0].Sent.IsZero() {
		t.Fatalf("Channels = %+v, %v", all, err)
	}
	for _, r := range []store.AlertRule{
		{Kind: store.OnClient, Count: 50, Within: time.Minute, Person: "admin", Made: start},
		{Kind: store.OnEdge, Within: 10 * time.Minute, Urgent: true, Person: "admin", Made: start},
	} {
		if err := db.InsertAlertRule(ctx, store.Whole(), r); err != nil {
			t.Fatal(err)
		}
	}
	rules, err := db.AlertRules(ctx, store.Whole())
	if err != nil || len(rules) != 2 || rules[0].Within != time.Minute || !rules[1].Urgent {
		t.Fatalf("AlertRules = %+v, %v", rules, err)
	}
	client, edge := rules[0], rules[1]
	note := func(r store.AlertRule, at time.Time, found ...store.Finding) {
		t.Helper()
		if err := db.Note(ctx, r, found, at); err != nil {
			t.Fatal(err)
		}
	}
	wants := func(want ...string) {
		t.Helper()
		waiting, err := db.Waiting(ctx, id, 10)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range waiting.News {
			text := string(n.Kind) + " " + n.Object
			if n.Over {
				text += " over"
			}
			got = append(got, text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("news = %q, want %q", got, want)
		}
	}
	note(client, start, store.Finding{Object: "203.0.113.1", Count: 60})
	note(client, start.Add(time.Minute), store.Finding{Object: "203.0.113.1", Count: 90}) // not news again
	note(edge, start, store.Finding{Object: "e1"})
	wants("client 203.0.113.1", "edge e1")
	waiting, err := db.Waiting(ctx, id, 1)
	if err != nil || len(waiting.News) != 1 || waiting.More != 1 || waiting.Last <= waiting.News[0].ID {
		t.Fatalf("Waiting = %+v, %v", waiting, err)
	}
	news := waiting.News
	if news[0].Count != 60 || news[0].Within != time.Minute {
		t.Errorf("first of the news = %+v", news)
	}
	if err := db.Undelivered(ctx, id, "refused", start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if all, err := db.Channels(ctx, store.Whole()); err != nil || all[0].Tries != 1 || all[0].Cause != "refused" || !all[0].Next.Equal(start.Add(time.Minute)) {
		t.Errorf("after a failure: %+v, %v", all, err)
	}
	if err := db.Delivered(ctx, id, news[0].ID, start.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	wants("edge e1")
	if all, err := db.Channels(ctx, store.Whole()); err != nil || all[0].Tries != 0 || all[0].Cause != "" || !all[0].Sent.Equal(start.Add(2*time.Minute)) {
		t.Errorf("after a delivery: %+v, %v", all, err)
	}
	// What lasts is news when it ends; a flood is not, and comes again after an hour.
	note(edge, start.Add(3*time.Minute))
	note(client, start.Add(3*time.Minute))
	wants("edge e1", "edge e1 over")
	note(client, start.Add(62*time.Minute))
	note(client, start.Add(63*time.Minute), store.Finding{Object: "203.0.113.1", Count: 51})
	wants("edge e1", "edge e1 over", "client 203.0.113.1")

	if err := errors.Join(db.DeleteAlertRule(ctx, store.Whole(), client.ID), db.DeleteChannel(ctx, store.Whole(), id)); err != nil {
		t.Fatal(err)
	}
	wants()
	if err := db.DeleteChannel(ctx, store.Whole(), id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("DeleteChannel again = %v", err)
	}
}

func busy(t *testing.T, db *store.DB) {
	ctx := t.Context()
	var events []event.Event
	for i := range 60 {
		events = append(events, Event(i))
	}
	if err := db.Insert(ctx, events); err != nil {
		t.Fatal(err)
	}
	tally := event.Tally{First: start, Last: start.Add(59 * time.Minute), Count: 1000, Site: "site2.kz", Action: event.Blocked}
	tally.ID, _ = event.NewID()
	if err := db.InsertTallies(ctx, []event.Tally{tally}); err != nil {
		t.Fatal(err)
	}
	sites, err := db.BusySites(ctx, store.Whole(), start, "", 0)
	if err != nil || len(sites) != 3 || sites[0].Object != "site2.kz" || sites[0].Count != 1015 {
		t.Errorf("BusySites = %+v, %v", sites, err)
	}
	if sites, err = db.BusySites(ctx, store.Whole(), start, "site1.kz", 15); err != nil || len(sites) != 0 {
		t.Errorf("BusySites beyond what there is = %+v, %v", sites, err)
	}
	clients, err := db.BusyClients(ctx, store.Whole(), start, "", 1)
	if err != nil || len(clients) == 0 || clients[0].Object != "2001:db8::7" {
		t.Errorf("BusyClients = %+v, %v", clients, err)
	}
	if clients, err = db.BusyClients(ctx, store.Whole(), start.Add(time.Hour), "", 0); err != nil || len(clients) != 0 {
		t.Errorf("BusyClients of later = %+v, %v", clients, err)
	}
}

func leases(t *testing.T, db *store.DB) {
	take := func(holder string, at time.Duration, want bool) {
		t.Helper()
		got, err := db.Lease(t.Context(), "alerts", holder, start.Add(at), start.Add(at+time.Minute))
		if err != nil || got != want {
			t.Errorf("Lease for %s after %v = %v, %v; want %v", holder, at, got, err, want)
		}
	}
	take("a", 0, true)
	take("b", time.Second, false)
	take("a", 30*time.Second, true)
	take("b", time.Minute, false)
	take("b", 90*time.Second, true)
	take("a", 91*time.Second, false)
}

func alertsOfTenants(t *testing.T, db *store.DB) {
	ctx, all := t.Context(), grow(t, db)
	channels := map[store.Scope]int64{}
	for name, s := range map[string]store.Scope{"desk": all.desk, "hoster": all.hoster, "owner": all.owner, "rival": all.rival} {
		id, err := db.InsertChannel(ctx, s, store.Channel{Kind: store.ByMail, Address: name + "@example.kz", Made: start})
		if err != nil {
			t.Fatal(err)
		}
		channels[s] = id
		if err := db.InsertAlertRule(ctx, s, store.AlertRule{Kind: store.OnSite, Count: 0, Within: time.Hour, Made: start}); err != nil {
			t.Fatal(err)
		}
	}
	enrolFor(t, db, all.owner, "e1")
	report(t, db, "e1", "shop.kz", 1)
	for s, want := range map[store.Scope]int{all.desk: 1, all.hoster: 1, all.owner: 1, all.rival: 0} {
		if found, err := db.BusySites(ctx, s, start.Add(-time.Hour), "", 0); err != nil || len(found) != want {
			t.Errorf("BusySites within %+v = %+v, %v; want %d", s, found, err, want)
		}
		if found, err := db.BusyClients(ctx, s, start.Add(-time.Hour), "", 0); err != nil || len(found) != want {
			t.Errorf("BusyClients within %+v = %+v, %v; want %d", s, found, err, want)
		}
		own, err := db.Channels(ctx, s)
		if err != nil || len(own) != 1 || own[0].ID != channels[s] || own[0].Tenant != s.Tenant() {
			t.Errorf("Channels of %+v = %+v, %v", s, own, err)
		}
		rules, err := db.AlertRules(ctx, s)
		if err != nil || len(rules) != 1 || rules[0].Tenant != s.Tenant() {
			t.Fatalf("AlertRules of %+v = %+v, %v", s, rules, err)
		}
		if err := db.Note(ctx, rules[0], []store.Finding{{Object: "of " + own[0].Address}}, start); err != nil {
			t.Fatal(err)
		}
		if s != all.rival {
			if err := db.DeleteChannel(ctx, all.rival, own[0].ID); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("a rival deletes a channel: %v", err)
			}
			if err := db.DeleteAlertRule(ctx, all.rival, rules[0].ID); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("a rival deletes a rule: %v", err)
			}
		}
	}
	for s, id := range channels {
		own, _ := db.Channels(ctx, s)
		if w, err := db.Waiting(ctx, id, 10); err != nil || len(w.News) != 1 || w.News[0].Object != "of "+own[0].Address {
			t.Errorf("what waits for %s: %+v, %v", own[0].Address, w, err)
		}
	}
	if every, err := db.EveryChannel(ctx); err != nil || len(every) != 4 {
		t.Errorf("EveryChannel = %d, %v", len(every), err)
	}
	if _, err := db.InsertChannel(ctx, store.Scope{}, store.Channel{Made: start}); err == nil {
		t.Error("nobody has a channel")
	}
}
