package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/store/storetest"
	"github.com/qorgan/qorgan/event"
)

// desk is an edge as the console sees it.
type desk struct {
	answer  Answer
	decided []Decision
	list    []Standing
	others  []event.Event
}

func (d *desk) exclusions() *Exclusions {
	at := func(id string) int { return slices.IndexFunc(d.list, func(x Standing) bool { return x.ID == id }) }
	return &Exclusions{
		Propose: func(_ context.Context, _ event.Event, others []event.Event) (Answer, error) {
			d.others = others
			return d.answer, nil
		},
		Decide: func(_ context.Context, x Decision) (Standing, error) {
			d.decided = append(d.decided, x)
			s := Standing{ID: "AAAA-0001", Site: x.Event.Site, Incident: x.Event.Code, By: x.By, Why: x.Why, Made: time.Now(), Expires: time.Now().Add(30 * 24 * time.Hour), Exclusions: x.Proposal.Exclusions, Proof: x.Proposal.Proof}
			d.list = append(d.list, s)
			return s, nil
		},
		List: func(context.Context) ([]Standing, error) { return slices.Clone(d.list), nil },
		Confirm: func(_ context.Context, id, by string) (Standing, error) {
			i := at(id)
			if i < 0 {
				return Standing{}, ErrNoExclusion
			}
			d.list[i].ConfirmedBy, d.list[i].Expires = by, time.Now().AddDate(1, 0, 0)
			return d.list[i], nil
		},
		Remove: func(_ context.Context, id string) (Standing, error) {
			i := at(id)
			if i < 0 {
				return Standing{}, ErrNoExclusion
			}
			x := d.list[i]
			d.list = slices.Delete(d.list, i, i+1)
			return x, nil
		},
	}
}

func proposed(alike ...string) Proposal {
	return Proposal{
		Key: "key1", Scope: "path",
		Exclusions: []config.Exclusion{{Rules: []config.RuleRange{{First: 942100, Last: 942100}}, Methods: []string{"GET"}, Path: "/shop/{n}/x", When: []string{"action=save"}, Targets: []string{`ARGS:/^rows\[\d+\]\[a\]$/`, "REQUEST_COOKIES:c"}}},
		Proof:      Proof{Exact: true, Tried: 137, Attacks: []AttackTally{{"xss", 20, 20}}, Others: 3, Stay: 2, Same: []string{"BBBB-0001"}, Alike: alike},
	}
}

func TestMistakeIsProposedAndDecided(t *testing.T) {
	e, other := storetest.Event(1), storetest.Event(2)
	s := newSite(t, e, other).signedIn()
	path := "/incidents/" + e.ID
	if a := s.get(path + "/mistake"); a.StatusCode != http.StatusNotFound {
		t.Errorf("a console without an edge: %s", a.Status)
	}
	d := &desk{answer: Answer{Proposals: []Proposal{proposed()}}}
	s.options.Exclusions = d.exclusions()
	if a := s.get(path); !strings.Contains(a.body, `href="`+path+`/mistake"`) {
		t.Error("the incident does not lead there")
	}
	for language, want := range map[string][]string{
		"en": {"the field “rows[{n}][a]”", "the cookie “c”", "137 attacks were tried in the same place and beside it. All are still refused.", "GET /shop/{n}/x", "{n} is any number", "action=save", "everybody", "942100", "BBBB-0001", "2 other refusals of site1.kz"},
		"ru": {"поле «rows[{n}][a]»", "Испытано 137 атак", "Ещё 2 отказа на site1.kz за последние два дня остаются отказами."},
		"kk": {"«rows[{n}][a]» өрісі", "137 шабуыл сыналды"},
	} {
		seen := text(t, s.get(path+"/mistake", "Accept-Language", language).body)
		for _, w := range want {
			if !strings.Contains(seen, w) {
				t.Errorf("%s: the page lacks %q", language, w)
			}
		}
	}
	if a := s.post(path+"/mistake", url.Values{"proposal": {"another"}}); a.StatusCode != http.StatusUnprocessableEntity || len(d.decided) != 0 || !strings.Contains(text(t, a.body), "Rules have changed since you looked.") {
		t.Errorf("a proposal that is no more: %s, %d decided", a.Status, len(d.decided))
	}
	if a := s.post(path+"/mistake", url.Values{"proposal": {"key1"}}, "Origin", "https://evil.example"); a.StatusCode != http.StatusForbidden || len(d.decided) != 0 {
		t.Errorf("from another site: %s, %d decided", a.Status, len(d.decided))
	}
	a := s.post(path+"/mistake", url.Values{"proposal": {"key1"}, "why": {" a <b>customer</b> "}})
	if a.StatusCode != http.StatusSeeOther || len(d.decided) != 1 || d.decided[0].By != "admin" || d.decided[0].Why != "a <b>customer</b>" || d.decided[0].Event.Code != e.Code {
		t.Fatalf("%s, %+v", a.Status, d.decided)
	}
	seen := text(t, s.get("/exclusions?done=made").body)
	for _, w := range []string{"1 exception is in force", "The exception is in force.", "AAAA-0001", e.Code, "“a <b>customer</b>”", "Ends in 30 days.", "942100"} {
		if !strings.Contains(seen, w) {
			t.Errorf("the list lacks %q: %s", w, seen)
		}
	}
	if a := s.post("/exclusions/AAAA-0001/confirm", nil); a.StatusCode != http.StatusSeeOther || d.list[0].ConfirmedBy != "admin" {
		t.Errorf("confirm: %s", a.Status)
	}
	if a := s.post("/exclusions/AAAA-0001/remove", nil); a.StatusCode != http.StatusSeeOther || len(d.list) != 0 {
		t.Errorf("remove: %s", a.Status)
	}
	if a := s.post("/exclusions/AAAA-0001/remove", nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("remove again: %s", a.Status)
	}
	trail := text(t, s.get("/trail").body)
	for _, w := range []string{"made an exception AAAA-0001 site1.kz " + e.Code, "confirmed an exception", "took an exception back"} {
		if !strings.Contains(trail, w) {
			t.Errorf("the trail lacks %q", w)
		}
	}
}

// What would pass from elsewhere too is looked at before it passes.
func TestMistakeOfOthers(t *testing.T) {
	e := storetest.Event(1)
	s := newSite(t, e).signedIn()
	d := &desk{answer: Answer{Proposals: []Proposal{proposed("CCCC-0001")}}}
	s.options.Exclusions = d.exclusions()
	path := "/incidents/" + e.ID + "/mistake"
	if a := s.get(path); !strings.Contains(a.body, `href="/incidents?text=CCCC-0001"`) || !strings.Contains(a.body, "required") {
		t.Error("the other incident is not shown")
	}
	if a := s.post(path, url.Values{"proposal": {"key1"}}); a.StatusCode != http.StatusUnprocessableEntity || len(d.decided) != 0 {
		t.Errorf("unseen: %s", a.Status)
	}
	if a := s.post(path, url.Values{"proposal": {"key1"}, "alike": {"yes"}}); a.StatusCode != http.StatusSeeOther || len(d.decided) != 1 {
		t.Errorf("seen: %s", a.Status)
	}
	if a := s.post(path, url.Values{"proposal": {"key1"}, "alike": {"yes"}, "why": {strings.Repeat("x", maxWhy+1)}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a long reason: %s", a.Status)
	}
}

func TestNoProposalSaysWhy(t *testing.T) {
	e := storetest.Event(1)
	s := newSite(t, e).signedIn()
	d := &desk{}
	s.options.Exclusions = d.exclusions()
	for _, reason := range []string{"passes-now", "not-rules", "protocol", "surface", "not-kept", "patch", "no-place", "lets-attacks-in", "no-site"} {
		d.answer = Answer{Reason: reason, Rejected: []Proposal{{Proof: Proof{Opened: []OpenedAttack{{"xss", "<script>alert(1)</script>"}}}}}}
		a := s.get("/incidents/" + e.ID + "/mistake")
		want := s.words.languages[0].T("mistake.why."+reason, "site", e.Site)
		if seen := text(t, a.body); !strings.Contains(seen, want) || !strings.Contains(seen, "<script>alert(1)</script>") {
			t.Errorf("%s: %s", reason, seen)
		}
		if strings.Contains(a.body, "<script>alert(1)") || strings.Contains(a.body, `name="proposal"`) {
			t.Errorf("%s: an attack runs, or something is offered", reason)
		}
	}
}

func TestExclusionsThatNeedSomeone(t *testing.T) {
	s := newSite(t).signedIn()
	day := 24 * time.Hour
	d := &desk{list: []Standing{
		{ID: "A", Site: "fine.kz", Expires: time.Now().Add(20 * day)},
		{ID: "B", Site: "soon.kz", Expires: time.Now().Add(3 * day)},
		{ID: "C", Site: "bad.kz", Expires: time.Now().Add(20 * day), Failed: "lets-attacks-in"},
		{ID: "D", Site: "gone.kz", Expires: time.Now().Add(-day), Failed: "does-not-help"},
	}}
	s.options.Exclusions = d.exclusions()
	seen := text(t, s.get("/").body)
	for _, w := range []string{"An exception for soon.kz ends in 3 days.", "An exception for bad.kz is not proved by the rules of today."} {
		if !strings.Contains(seen, w) {
			t.Errorf("the overview lacks %q", w)
		}
	}
	if strings.Contains(seen, "fine.kz") || strings.Contains(seen, "gone.kz") {
		t.Error("the overview names one that needs nobody")
	}
	seen = text(t, s.get("/exclusions").body)
	for _, w := range []string{"3 exceptions are in force", "it would let attacks pass", "ended"} {
		if !strings.Contains(seen, w) {
			t.Errorf("the list lacks %q", w)
		}
	}
}

func TestHostileStringsInExclusions(t *testing.T) {
	events := hostileEvents(len(hostile))
	s := newSite(t, events...).signedIn()
	d := &desk{}
	s.options.Exclusions = d.exclusions()
	for i, h := range hostile {
		e := events[i]
		p := proposed(h)
		p.Key, p.Proof.Same = h, []string{h}
		p.Exclusions = []config.Exclusion{{Rules: []config.RuleRange{{First: 942100, Last: 942100}}, Methods: []string{h}, Path: "/" + h, When: []string{h}, Targets: []string{"ARGS:" + h, h}}}
		d.list = append(d.list, Standing{ID: h, Site: h, Incident: e.Code, By: h, Why: h, Expires: time.Now().Add(time.Hour), Exclusions: p.Exclusions, Failed: h})
		for _, answer := range []Answer{{Proposals: []Proposal{p}}, {Reason: h, Detail: h, Rejected: []Proposal{{Proof: Proof{Opened: []OpenedAttack{{h, h}}}}}}} {
			d.answer = answer
			a := s.get("/incidents/" + e.ID + "/mistake")
			if a.StatusCode != http.StatusOK {
				t.Errorf("%q: %s", h, a.Status)
			}
			nothingOfOthers(t, h, a.body)
		}
	}
	for _, path := range []string{"/exclusions", "/", "/sites"} {
		nothingOfOthers(t, path, s.get(path).body)
	}
}
