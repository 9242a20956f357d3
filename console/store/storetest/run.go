package storetest

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
)

// Run runs every test against stores that open makes: each call must return
// an empty one, and close it when its test ends.
func Run(t *testing.T, open func(*testing.T) *store.DB) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *store.DB)
	}{
		{"EventsComeBackWhole", eventsComeBackWhole},
		{"InsertAgainChangesNothing", insertAgainChangesNothing},
		{"Filters", filters},
		{"Paging", paging},
		{"Later", later},
		{"Figures", figures},
		{"Losses", losses},
		{"TrimByAge", trimByAge},
		{"TrimBySize", trimBySize},
		{"People", people},
		{"Sessions", sessions},
		{"LinksAreSpentOnce", linksAreSpentOnce},
		{"Settings", settings},
		{"Acts", acts},
		{"Tallies", tallies},
		{"Reports", reports},
		{"Enrolment", enrolment},
		{"ClonedEdge", clonedEdge},
		{"TenantsSeeTheirOwn", tenantsSeeTheirOwn},
		{"SitesMove", sitesMove},
		{"TenantsKeepTheirTime", tenantsKeepTheirTime},
		{"TenantsGrowAndGo", tenantsGrowAndGo},
		{"Members", members},
		{"AlertNews", alertNews},
		{"AlertsOfTenants", alertsOfTenants},
		{"Busy", busy},
		{"Leases", leases},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// start is some days ago, so that what stores keep apart by days is.
var start = time.Now().UTC().Truncate(24 * time.Hour).Add(-6*24*time.Hour + 10*time.Hour + 30*time.Minute)

// Event returns the i-th of an endless sequence of events, a minute apart.
func Event(i int) event.Event {
	id, code := event.NewID()
	e := event.Event{
		ID: id, Code: code, Time: start.Add(time.Duration(i) * time.Minute),
		Site: fmt.Sprintf("site%d.kz", i%3), Kind: event.KindRule, Action: event.Blocked, Mode: "block", Status: 403,
		Client:  event.Client{Addr: netip.AddrFrom4([4]byte{203, 0, 113, byte(i % 50)}), Peer: netip.MustParseAddr("10.0.0.1")},
		Request: event.Request{Method: "GET", Host: "site.kz", Target: fmt.Sprintf("/page-%d?id=1'+UNION+SELECT", i), Proto: "HTTP/1.1"},
		Rules:   []int{942100},
		Matches: []event.Match{{
			Rule: 942100, Message: "SQL Injection", Variable: "ARGS", Key: "id",
			Value: "1' UNION SELECT", Severity: "CRITICAL", Score: 5, Phase: 2, Tags: []string{"attack-sqli"},
		}},
		Score: 5, Threshold: 5, Level: 1, Profile: "generic", Judge: time.Millisecond,
	}
	if i%4 == 0 {
		e.Action, e.Mode, e.Status = event.Detected, "detect", 0
	}
	if i%5 == 0 {
		e.Rules = []int{941100, 941110}
		e.Matches = []event.Match{{Rule: 941100, Variable: "ARGS", Key: "q", Value: "<script>қорған</script>"}, {Rule: 941110}}
		e.Client.Addr = netip.MustParseAddr("2001:db8::7")
	}
	if i%7 == 0 {
		e.Client.Addr = netip.Addr{}
	}
	return e
}

func fill(t *testing.T, db *store.DB, n int) []event.Event {
	t.Helper()
	events := make([]event.Event, n)
	for i := range events {
		events[i] = Event(i)
	}
	if err := db.Insert(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	return events
}

func ids(events []event.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.ID
	}
	return out
}

func eventsComeBackWhole(t *testing.T, db *store.DB) {
	for _, want := range fill(t, db, 8) {
		got, err := db.Event(t.Context(), store.Whole(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v; want %+v", got, want)
		}
		byCode, err := db.EventsByCode(t.Context(), store.Whole(), want.Code)
		if err != nil || len(byCode) != 1 || byCode[0].ID != want.ID {
			t.Errorf("by code %s: %v, %v", want.Code, byCode, err)
		}
	}
	for _, id := range []string{"", "x", "019ab000-0000-7000-8000-000000000000"} {
		if _, err := db.Event(t.Context(), store.Whole(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Event(%q) = %v; want ErrNotFound", id, err)
		}
	}
}

func insertAgainChangesNothing(t *testing.T, db *store.DB) {
	events := fill(t, db, 10)
	if err := db.Insert(t.Context(), append([]event.Event{events[3], events[3]}, events...)); err != nil {
		t.Fatal(err)
	}
	if n, err := db.Count(t.Context(), store.Whole(), store.Query{}, 100); err != nil || n != 10 {
		t.Errorf("Count = %d, %v; want 10", n, err)
	}
	hours, err := db.Hours(t.Context(), store.Whole(), start, start.Add(time.Hour), "")
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, h := range hours {
		sum += h.Blocked + h.Detected
	}
	if sum != 10 {
		t.Errorf("the hours count %d events; want 10", sum)
	}
}

func filters(t *testing.T, db *store.DB) {
	events := fill(t, db, 60)
	for _, tc := range []struct {
		name  string
		query store.Query
		keep  func(event.Event) bool
	}{
		{"everything", store.Query{}, func(e event.Event) bool { return true }},
		{"site", store.Query{Site: "site1.kz"}, func(e event.Event) bool { return e.Site == "site1.kz" }},
		{"rule", store.Query{Rule: 941110}, func(e event.Event) bool { return slices.Contains(e.Rules, 941110) }},
		{"action", store.Query{Action: event.Detected}, func(e event.Event) bool { return e.Action == event.Detected }},
		{"class", store.Query{Class: event.ClassScript}, func(e event.Event) bool { return e.Class() == event.ClassScript }},
		{"kind", store.Query{Kind: event.KindGuard}, func(e event.Event) bool { return false }},
		{"client", store.Query{Client: netip.MustParsePrefix("203.0.113.11/32")}, func(e event.Event) bool {
			return e.Client.Addr == netip.MustParseAddr("203.0.113.11")
		}},
		{"network", store.Query{Client: netip.MustParsePrefix("203.0.113.0/28")}, func(e event.Event) bool {
			return netip.MustParsePrefix("203.0.113.0/28").Contains(e.Client.Addr)
		}},
		{"IPv6 network", store.Query{Client: netip.MustParsePrefix("2001:db8::/64")}, func(e event.Event) bool { return e.Client.Addr.Is6() }},
		{"time", store.Query{From: start.Add(10 * time.Minute), To: start.Add(20 * time.Minute)}, func(e event.Event) bool {
			return !e.Time.Before(start.Add(10*time.Minute)) && e.Time.Before(start.Add(20*time.Minute))
		}},
		{"text", store.Query{Text: "ҚОРҒАН"}, func(e event.Event) bool { return slices.Contains(e.Rules, 941100) }},
		{"the beginning of a word", store.Query{Text: "page-17"}, func(e event.Event) bool { return e.Request.Target == "/page-17?id=1'+UNION+SELECT" }},
		{"text, rule and site", store.Query{Text: "union select", Rule: 942100, Site: "site2.kz"}, func(e event.Event) bool {
			return e.Site == "site2.kz" && slices.Contains(e.Rules, 942100)
		}},
		{"rule, action and network", store.Query{Rule: 942100, Action: event.Blocked, Client: netip.MustParsePrefix("203.0.113.0/24")}, func(e event.Event) bool {
			return slices.Contains(e.Rules, 942100) && e.Action == event.Blocked && e.Client.Addr.Is4()
		}},
		{"text that is syntax", store.Query{Text: `") OR words:* NEAR( `}, func(e event.Event) bool { return false }},
		{"text without a word", store.Query{Text: `' -- `}, func(e event.Event) bool { return true }},
		{"a code in another spelling", store.Query{Code: lower(events[5].Code)}, func(e event.Event) bool { return e.Code == events[5].Code }},
		{"what is no code", store.Query{Code: "' OR 1=1"}, func(e event.Event) bool { return false }},
	} {
		var want []string
		for _, e := range slices.Backward(events) {
			if tc.keep(e) {
				want = append(want, e.ID)
			}
		}
		tc.query.Limit = 1000
		page, err := db.Events(t.Context(), store.Whole(), tc.query)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if got := ids(page.Events); !slices.Equal(got, want) {
			t.Errorf("%s: %d events; want %d", tc.name, len(got), len(want))
		}
		if n, err := db.Count(t.Context(), store.Whole(), tc.query, 1000); err != nil || n != len(want) {
			t.Errorf("%s: Count = %d, %v; want %d", tc.name, n, err, len(want))
		}
	}
	if _, err := db.Events(t.Context(), store.Whole(), store.Query{Before: "no key!"}); err == nil {
		t.Error("a cursor of somebody else's is accepted")
	}
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// paging walks to the end and back, through events of one microsecond.
func paging(t *testing.T, db *store.DB) {
	events := make([]event.Event, 45)
	for i := range events {
		events[i] = Event(i / 10)
	}
	if err := db.Insert(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	var down []string
	q := store.Query{Limit: 10}
	var last store.Page
	for range 10 {
		page, err := db.Events(t.Context(), store.Whole(), q)
		if err != nil {
			t.Fatal(err)
		}
		down = append(down, ids(page.Events)...)
		last = page
		if page.Older == "" {
			break
		}
		q.Before = page.Older
	}
	if len(down) != 45 || len(slices.Compact(slices.Sorted(slices.Values(down)))) != 45 {
		t.Fatalf("walking down saw %d events", len(down))
	}
	up := ids(last.Events)
	q = store.Query{Limit: 10}
	for last.More {
		q.After = last.Newer
		page, err := db.Events(t.Context(), store.Whole(), q)
		if err != nil {
			t.Fatal(err)
		}
		up = append(ids(page.Events), up...)
		last = page
	}
	if !slices.Equal(up, down) {
		t.Errorf("walking up saw %d events, or in another order", len(up))
	}
}

// later looks for what came in since a page was read.
func later(t *testing.T, db *store.DB) {
	fill(t, db, 5)
	page, err := db.Events(t.Context(), store.Whole(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := db.Events(t.Context(), store.Whole(), store.Query{After: page.Newer})
	if err != nil || len(again.Events) != 0 || again.Newer != page.Newer {
		t.Errorf("nothing new: %d events, %v", len(again.Events), err)
	}
	fresh := Event(100)
	if err := db.Insert(t.Context(), []event.Event{fresh}); err != nil {
		t.Fatal(err)
	}
	again, err = db.Events(t.Context(), store.Whole(), store.Query{After: page.Newer})
	if err != nil || len(again.Events) != 1 || again.Events[0].ID != fresh.ID {
		t.Errorf("one new: %v, %v", ids(again.Events), err)
	}
}

func figures(t *testing.T, db *store.DB) {
	events := fill(t, db, 120) // 10:30 to 12:29
	hours, err := db.Hours(t.Context(), store.Whole(), start, start.Add(2*time.Hour), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(hours) != 3 || hours[0].Start != start.Truncate(time.Hour) {
		t.Fatalf("hours = %+v", hours)
	}
	for _, h := range hours {
		var blocked, detected int64
		for _, e := range events {
			if e.Time.Truncate(time.Hour).Equal(h.Start) {
				if e.Action == event.Blocked {
					blocked++
				} else {
					detected++
				}
			}
		}
		if h.Blocked != blocked || h.Detected != detected {
			t.Errorf("%s: %d, %d; want %d, %d", h.Start, h.Blocked, h.Detected, blocked, detected)
		}
	}
	sites, err := db.Sites(t.Context(), store.Whole(), start, start.Add(2*time.Hour))
	if err != nil || len(sites) != 3 || sites[0].Blocked+sites[0].Detected != 40 {
		t.Errorf("sites = %+v, %v", sites, err)
	}
	days, err := db.SiteDays(t.Context(), store.Whole(), start.Truncate(24*time.Hour).AddDate(0, 0, -1), 3)
	if err != nil || len(days) != 3 || !slices.Equal(days["site1.kz"], []int64{0, 40, 0}) {
		t.Errorf("days = %v, %v", days, err)
	}
	classes, err := db.Classes(t.Context(), store.Whole(), start, start.Add(2*time.Hour), "site0.kz")
	if err != nil || len(classes) != 2 || classes[0].Name != string(event.ClassSQL) || classes[0].Blocked+classes[0].Detected != 32 {
		t.Errorf("classes = %+v, %v", classes, err)
	}
}

func losses(t *testing.T, db *store.DB) {
	loss := event.Loss{ID: "a", First: start, Last: start.Add(time.Second), Count: 7, Reason: "queue-full"}
	more := loss
	more.Count = 9
	for _, l := range []event.Loss{loss, loss, more, loss} {
		if err := db.InsertLoss(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.Losses(t.Context(), store.Whole(), start)
	if err != nil || !reflect.DeepEqual(got, []event.Loss{more}) {
		t.Errorf("losses = %+v, %v", got, err)
	}
	if got, err := db.Losses(t.Context(), store.Whole(), start.Add(time.Hour)); err != nil || len(got) != 0 {
		t.Errorf("later losses = %+v, %v", got, err)
	}
}

// trimByAge deletes by days, which all stores can.
func trimByAge(t *testing.T, db *store.DB) {
	events := fill(t, db, 2500) // of three days
	midnight := start.Truncate(24 * time.Hour).Add(24 * time.Hour)
	var old int64
	for _, e := range events {
		if e.Time.Before(midnight) {
			old++
		}
	}
	n, err := db.Trim(t.Context(), midnight, 0)
	if err != nil || n != old || n == 0 {
		t.Fatalf("Trim = %d, %v; want %d", n, err, old)
	}
	for name, q := range map[string]store.Query{"all": {}, "rule": {Rule: 941100}, "text": {Text: "union"}} {
		q.Limit = 1000
		q.After = store.Beginning
		page, err := db.Events(t.Context(), store.Whole(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			if e.Time.Before(midnight) {
				t.Errorf("%s: an old event is still there", name)
			}
		}
		if len(page.Events) == 0 {
			t.Errorf("%s: nothing is left", name)
		}
	}
	if n, err := db.Count(t.Context(), store.Whole(), store.Query{}, 5000); err != nil || int64(n) != 2500-old {
		t.Errorf("%d events are left, %v; want %d", n, err, 2500-old)
	}
}

func trimBySize(t *testing.T, db *store.DB) {
	empty, err := db.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	events := fill(t, db, 4000) // of four days, the first and the last not whole
	before, err := db.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	half := empty + (before-empty)/2
	if _, err := db.Trim(t.Context(), time.Time{}, half); err != nil {
		t.Fatal(err)
	}
	after, err := db.Size(t.Context())
	if err != nil || after > half {
		t.Errorf("%d bytes became %d of %d, %v", before, after, half, err)
	}
	if _, err := db.Event(t.Context(), store.Whole(), events[3999].ID); err != nil {
		t.Errorf("the newest event is gone: %v", err)
	}
	if _, err := db.Event(t.Context(), store.Whole(), events[0].ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the oldest event is still there: %v", err)
	}
}

func settings(t *testing.T, db *store.DB) {
	if _, err := db.Setting(t.Context(), "x"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Setting = %v; want ErrNotFound", err)
	}
	if err := errors.Join(db.SetSetting(t.Context(), "x", "1"), db.SetSetting(t.Context(), "x", "2")); err != nil {
		t.Fatal(err)
	}
	if v, err := db.Setting(t.Context(), "x"); err != nil || v != "2" {
		t.Errorf("Setting = %q, %v", v, err)
	}
}
