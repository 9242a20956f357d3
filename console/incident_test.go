package console

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/console/store/storetest"
	"github.com/qorgan/qorgan/event"
)

// hostile are texts that must come out as text, wherever they stand.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `javascript:alert(1)`,
	`{{.Name}}`, `</title><script>alert(1)</script>`, `-->`, `]]>`, "\u202ereversed", "a\x00b", `</textarea><svg onload=alert(1)>`,
	`<style>*{display:none}</style>`, `&lt;script&gt;`, `%3Cscript%3E`, "`${alert(1)}`", `<iframe srcdoc="<script>alert(1)</script>">`,
}

func hostileEvents(n int) []event.Event {
	var events []event.Event
	for i, h := range hostile[:n] {
		e := storetest.Event(i)
		e.Time = time.Now().Add(-time.Duration(i) * time.Minute)
		e.Site, e.Reason, e.Mode, e.Profile, e.Author = h, h, h, h, h
		e.Client.Addr = netip.MustParseAddr("203.0.113.5")
		e.Request = event.Request{Method: h, Host: h, Target: "/" + h, Proto: h, Headers: []event.Field{{Name: h, Value: h}}}
		e.Matches = []event.Match{{
			Rule: 942100, Message: h, Variable: "ARGS", Key: h, Value: h, Data: "Matched Data: " + h + " found within ARGS:" + h + ": " + h,
			Severity: h, Score: 5, Tags: []string{h, "attack-sqli"},
			Hole: &event.Hole{CVE: h, Product: "plugin/" + h, Affected: h, Seen: h},
		}}
		if i%2 == 0 {
			e.Matches = append(e.Matches, event.Match{Rule: 1, Variable: h, Key: h, Value: h})
		}
		events = append(events, e)
	}
	return events
}

// TestHostileStringsAreText renders incidents made of attacks and walks the
// resulting documents: no element and no attribute may be there that the
// same pages do not have without them.
func TestHostileStringsAreText(t *testing.T) {
	s := newSite(t, hostileEvents(len(hostile))...).signedIn()
	paths := s.everyPage()
	for _, e := range hostileEvents(len(hostile)) {
		paths = append(paths, "/incidents?site="+url.QueryEscape(e.Site), "/incidents?text="+url.QueryEscape(e.Site)+"&client="+url.QueryEscape(e.Site)+"&rule="+url.QueryEscape(e.Site))
	}
	page, err := s.db.Events(t.Context(), store.Whole(), readAll)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Events {
		paths = append(paths, "/incidents/"+e.ID)
	}
	for _, path := range paths {
		a := s.get(path)
		if a.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, a.Status)
			continue
		}
		nothingOfOthers(t, path, a.body)
	}
}

// nothingOfOthers walks a document: no element and no attribute may be there
// that somebody else's text could have made.
func nothingOfOthers(t *testing.T, path, body string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script":
			if n.FirstChild != nil || !strings.HasPrefix(attribute(n, "src"), "/assets/") {
				t.Errorf("%s has a script of somebody else's", path)
			}
		case "img":
			if !strings.HasPrefix(attribute(n, "src"), "/assets/") {
				t.Errorf("%s has a picture of somebody else's", path)
			}
		case "style", "iframe", "object", "embed", "base", "textarea":
			t.Errorf("%s has an element %s", path, n.Data)
		}
		for _, at := range n.Attr {
			if strings.HasPrefix(at.Key, "on") || at.Key == "style" || at.Key == "srcdoc" {
				t.Errorf("%s has an attribute %s", path, at.Key)
			}
			if at.Key == "href" && !strings.HasPrefix(at.Val, "/") && !strings.HasPrefix(at.Val, "#") {
				t.Errorf("%s leads to %q", path, at.Val)
			}
		}
	}
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// text returns what a reader sees of a page.
func text(t *testing.T, body string) string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range doc.Descendants() {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func TestIncidentIsExplainedInEveryLanguage(t *testing.T) {
	e := storetest.Event(1)
	s := newSite(t, e).signedIn()
	for language, want := range map[string][]string{
		"en": {"Attempt to get at the database through the field “id”", "Stopped. site1.kz never saw this request.", "What to do"},
		"ru": {"Попытка добраться до базы данных через поле «id»", "Остановлено. До site1.kz этот запрос не дошёл.", "Что делать"},
		"kk": {"«id» өрісі арқылы дерекқорға жету әрекеті", "Тоқтатылды. Бұл сұрау site1.kz сайтына жеткен жоқ.", "Не істеу керек"},
	} {
		a := s.get("/incidents/"+e.ID, "Accept-Language", language)
		seen := text(t, a.body)
		for _, w := range append(want, e.Code, "942100", "+5", "203.0.113.1", "qorgan explain "+e.Code) {
			if !strings.Contains(seen, w) {
				t.Errorf("%s: the page lacks %q", language, w)
			}
		}
		if !strings.Contains(a.body, "<mark>1&#39;&#43;UNION&#43;SELECT</mark>") {
			t.Errorf("%s: the match is not marked in the request", language)
		}
	}
}

// TestIncidentNamesTheHole shows what a virtual patch closed, the versions that
// have the hole, and the version that the site answered as, where it is known.
func TestIncidentNamesTheHole(t *testing.T) {
	for _, tc := range []struct{ seen, want string }{
		{"3.1", "This site answered as 3.1."},
		{"", "Which version this site runs is not known"},
	} {
		e := storetest.Event(1)
		e.Matches = []event.Match{{Rule: 2100001, Message: "Any file deleted", Variable: "ARGS", Key: "a", Value: "x", Tags: []string{"virtual-patch", "CVE-2026-99999"},
			Hole: &event.Hole{CVE: "CVE-2026-99999", Product: "plugin/example-gallery", Affected: "before 3.2", Seen: tc.seen}}}
		s := newSite(t, e).signedIn()
		said := text(t, s.get("/incidents/"+e.ID).body)
		for _, want := range []string{"CVE-2026-99999", "A known hole in example-gallery; the versions that have it: before 3.2.", tc.want} {
			if !strings.Contains(said, want) {
				t.Errorf("seen %q: the page does not say %q", tc.seen, want)
			}
		}
	}
}

func TestIncidentThatWasOnlyNoted(t *testing.T) {
	e := storetest.Event(4)
	s := newSite(t, e).signedIn()
	seen := text(t, s.get("/incidents/"+e.ID).body)
	for _, w := range []string{"Let through and noted, because site1.kz only watches.", "mode: block"} {
		if !strings.Contains(seen, w) {
			t.Errorf("the page lacks %q", w)
		}
	}
	if seen := text(t, s.get("/").body); !strings.Contains(seen, "site1.kz only watches: 1 attack was let through.") && e.Time.After(time.Now().AddDate(0, 0, -6)) {
		t.Error("the overview does not say that a site only watches")
	}
}

func TestIncidentIsFoundByItsCode(t *testing.T) {
	e, other := storetest.Event(1), storetest.Event(2)
	s := newSite(t, e, other).signedIn()
	for _, typed := range []string{e.Code, strings.ToLower(e.Code), strings.ReplaceAll(e.Code, "-", " "), "  " + e.Code + " "} {
		a := s.get("/incidents?text=" + url.QueryEscape(typed))
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/incidents/"+e.ID {
			t.Errorf("%q: %s to %q", typed, a.Status, a.Header.Get("Location"))
		}
	}
	if a := s.get("/incidents?text=0000-0000"); a.StatusCode != http.StatusOK || !strings.Contains(text(t, a.body), "No incident is like that.") {
		t.Errorf("an unknown code: %s", a.Status)
	}
	for _, path := range []string{"/incidents/x", "/incidents/019ab000-0000-7000-8000-000000000000", "/incidents/" + strings.Repeat("a", 5000)} {
		if a := s.get(path); a.StatusCode != http.StatusNotFound {
			t.Errorf("%.40s: %s", path, a.Status)
		}
	}
}

func TestListFiltersAndPages(t *testing.T) {
	var events []event.Event
	for i := range 120 {
		events = append(events, storetest.Event(i))
	}
	s := newSite(t, events...).signedIn()
	seen := map[string]bool{}
	path := "/incidents?rule=942100"
	pages := 0
	for path != "" {
		a := s.get(path)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", path, a.Status)
		}
		doc, err := html.Parse(strings.NewReader(a.body))
		if err != nil {
			t.Fatal(err)
		}
		path = ""
		for n := range doc.Descendants() {
			if n.Type == html.ElementNode && n.Data == "a" {
				href := attribute(n, "href")
				if id, ok := strings.CutPrefix(href, "/incidents/"); ok && len(id) == 36 {
					seen[id] = true
				}
				if attribute(n, "rel") == "next" {
					path = href
				}
			}
		}
		pages++
	}
	want := 0
	for _, e := range events {
		if slices.Contains(e.Rules, 942100) {
			want++
			if !seen[e.ID] {
				t.Errorf("%s is missing", e.ID)
			}
		}
	}
	if len(seen) != want || pages != 2 {
		t.Errorf("%d incidents on %d pages; want %d", len(seen), pages, want)
	}
	for _, bad := range []string{"rule=x", "rule=-1", "client=x", "class=x", "action=x", "span=x", "from=2026-13-01"} {
		if a := s.get("/incidents?" + bad); a.StatusCode != http.StatusOK || !strings.Contains(text(t, a.body), "This cannot be looked for.") {
			t.Errorf("%s: %s", bad, a.Status)
		}
	}
	if a := s.get("/incidents?before=!!"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a broken cursor: %s", a.Status)
	}
}

func TestLaterRows(t *testing.T) {
	s := newSite(t, storetest.Event(1)).signedIn()
	doc, err := html.Parse(strings.NewReader(s.get("/incidents?site=site1.kz").body))
	if err != nil {
		t.Fatal(err)
	}
	later := ""
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && attribute(n, "id") == "live" {
			later = attribute(n, "data-later")
		}
	}
	if a := s.get(later); a.StatusCode != http.StatusOK || a.Header.Get("Qorgan-Count") != "0" || strings.TrimSpace(a.body) != "" {
		t.Fatalf("nothing new: %s, %q", a.Status, a.body)
	}
	fresh, elsewhere := storetest.Event(4), storetest.Event(5)
	if err := s.db.Insert(t.Context(), []event.Event{fresh, elsewhere}); err != nil {
		t.Fatal(err)
	}
	a := s.get(later)
	if a.Header.Get("Qorgan-Count") != "1" || !strings.Contains(a.body, fresh.ID) || strings.Contains(a.body, elsewhere.ID) {
		t.Errorf("one new: count %s", a.Header.Get("Qorgan-Count"))
	}
	if a := s.get(a.Header.Get("Qorgan-Later")); a.Header.Get("Qorgan-Count") != "0" {
		t.Error("what was shown comes again")
	}
}

func TestExports(t *testing.T) {
	events := append(hostileEvents(8), storetest.Event(1))
	for i, cell := range []string{"=1+1", "@SUM(A1)", "+7", "-2", "\t=cmd|' /C calc'!A0", "|x"} {
		events[i].Site = cell
	}
	s := newSite(t, events...).signedIn()
	a := s.get("/incidents/export.csv")
	if a.StatusCode != http.StatusOK || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") {
		t.Fatalf("csv: %s", a.Status)
	}
	table, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	if err != nil || len(table) != len(events)+1 {
		t.Fatalf("csv has %d lines, %v", len(table), err)
	}
	for _, line := range table[1:] {
		for _, cell := range line {
			if cell != "" && strings.ContainsAny(strings.TrimSpace(cell)[:1], "=+-@|") {
				t.Errorf("a cell begins like a formula: %q", cell)
			}
		}
	}
	a = s.get("/incidents/export.jsonl?site=site1.kz")
	var got event.Event
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.ID != events[8].ID {
		t.Errorf("filtered lines: %v, %.80q", err, a.body)
	}
	if a := s.get("/incidents/export.csv?rule=x"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a wrong filter: %s", a.Status)
	}
}

// What leaves for other systems is one document a line, in their names, with
// nothing added and nothing lost of what the list shows.
func TestExportsForOtherSystems(t *testing.T) {
	stopped, noted, patched := storetest.Event(1), storetest.Event(4), storetest.Event(7)
	patched.Matches = slices.Clone(patched.Matches)
	patched.Matches[0].Hole = &event.Hole{CVE: "CVE-2020-25213", Product: "plugin/wp-file-manager", Affected: "up to 6.8"}
	events := append(hostileEvents(6), stopped, noted, patched)
	s := newSite(t, events...).signedIn()
	read := func(path string) map[string]map[string]any {
		a := s.get(path)
		if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "application/x-ndjson; charset=utf-8" {
			t.Fatalf("%s: %s", path, a.Status)
		}
		byID := map[string]map[string]any{}
		for line := range strings.Lines(a.body) {
			var doc map[string]any
			if err := json.Unmarshal([]byte(line), &doc); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			id := at(doc, "event.id")
			if id == nil {
				id = at(doc, "metadata.uid")
			}
			byID[id.(string)] = doc
		}
		return byID
	}
	check := func(doc map[string]any, want map[string]any) {
		t.Helper()
		for path, w := range want {
			if got := at(doc, path); fmt.Sprint(got) != fmt.Sprint(w) {
				t.Errorf("%s is %v, want %v", path, got, w)
			}
		}
	}
	ecs := read("/incidents/export.ecs.jsonl")
	if len(ecs) != len(events) {
		t.Errorf("%d of %d events", len(ecs), len(events))
	}
	check(ecs[stopped.ID], map[string]any{
		"@timestamp": stopped.Time.UTC().Format(time.RFC3339Nano), "event.kind": "alert", "event.type": "[denied]", "event.category": "[intrusion_detection web]",
		"source.ip": stopped.Client.Addr, "url.original": stopped.Request.Target, "url.domain": stopped.Request.Host, "http.request.method": stopped.Request.Method,
		"rule.id": "[942100]", "qorgan.code": stopped.Code, "qorgan.site": stopped.Site, "ecs.version": "8.11.0", "vulnerability": nil,
	})
	check(ecs[noted.ID], map[string]any{"event.type": "[allowed]", "event.action": "detected"})
	check(ecs[patched.ID], map[string]any{"vulnerability.id": "CVE-2020-25213"})
	ocsf := read("/incidents/export.ocsf.jsonl?site=" + url.QueryEscape(stopped.Site))
	for _, e := range events {
		if _, ok := ocsf[e.ID]; ok != (e.Site == stopped.Site) {
			t.Errorf("%s of %s is there: %t", e.ID, e.Site, ok)
		}
	}
	check(ocsf[stopped.ID], map[string]any{
		"class_uid": 2004, "type_uid": 200401, "category_uid": 2, "action_id": 2, "disposition_id": 2, "finding_info.uid": stopped.Code,
		"finding_info.analytic.uid": "942100", "metadata.version": "1.3.0",
	})
	if got, ok := ocsf[stopped.ID]["time"].(float64); !ok || int64(got) != stopped.Time.UnixMilli() {
		t.Errorf("time is %v", ocsf[stopped.ID]["time"])
	}
	check(ocsf[noted.ID], map[string]any{"action_id": 1, "disposition_id": 17})
}

// at walks a document along a dotted path.
func at(doc map[string]any, path string) any {
	var v any = doc
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func TestExclusionIsNarrow(t *testing.T) {
	base := storetest.Event(1)
	with := func(change func(*event.Event)) event.Event {
		e := base
		e.Matches = slices.Clone(base.Matches)
		change(&e)
		return e
	}
	for _, tc := range []struct {
		name    string
		in      event.Event
		text    []string
		refusal string
	}{
		{"a parameter", base, []string{"rules: [942100]", `path: "/page-1"`, `methods: ["GET"]`, `targets: ["ARGS:id"]`, base.Code}, ""},
		{"the verdict's own rule", with(func(e *event.Event) { e.Matches[0].Rule = 949110; e.Matches[0].Variable = "TX" }), nil, "mistake.no-place"},
		{"the verdict beside a rule", with(func(e *event.Event) {
			e.Matches = append(e.Matches, event.Match{Rule: 949110, Variable: "TX", Key: "BLOCKING_INBOUND_ANOMALY_SCORE"})
		}), []string{"rules: [942100]\n"}, ""},
		{"a whole body", with(func(e *event.Event) { e.Matches[0].Variable, e.Matches[0].Key = "REQUEST_BODY", "" }), nil, "mistake.no-place"},
		{"two readings", with(func(e *event.Event) { e.Kind = event.KindProtocol }), nil, "mistake.protocol"},
		{"a ban", with(func(e *event.Event) { e.Kind = event.KindGuard }), nil, "mistake.other-kind"},
		{"two places", with(func(e *event.Event) {
			e.Matches = append(e.Matches, event.Match{Rule: 930100, Variable: "REQUEST_URI_RAW", Score: 5})
		}), []string{"rules: [942100]\n", `targets: ["ARGS:id"]`, "rules: [930100]\n", `targets: ["REQUEST_URI_RAW"]`}, ""},
		{"a place that stays refused", with(func(e *event.Event) {
			e.Matches = append(e.Matches, event.Match{Rule: 930100, Variable: "REQUEST_BODY", Score: 5})
		}), nil, "mistake.no-place"},
		{"a path with stars", with(func(e *event.Event) { e.Request.Target = "/*/x?id=1" }), nil, "mistake.no-place"},
		{"YAML in a name", with(func(e *event.Event) { e.Matches[0].Key = "a\"]\nmode: off #" }), []string{`targets: ["ARGS:a\"]\nmode: off #"]`}, ""},
	} {
		text, refusal := exclusion(tc.in)
		if refusal != tc.refusal || (text == "") != (tc.text == nil) {
			t.Errorf("%s: %q, %q", tc.name, text, refusal)
		}
		for _, want := range tc.text {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q lacks %q", tc.name, text, want)
			}
		}
		if text != "" {
			yaml := "sites:\n  - hosts: [a.kz]\n    upstreams: [http://127.0.0.1:1]\n    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
			file := filepath.Join(t.TempDir(), "qorgan.yaml")
			if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			if c, err := config.Load(file); err != nil {
				t.Errorf("%s: not a configuration: %v\n%s", tc.name, err, yaml)
			} else if c.Sites[0].Mode != config.Block || len(c.Sites[0].Exclusions) != strings.Count(text, "rules:") {
				t.Errorf("%s: reads as %+v", tc.name, c.Sites[0])
			}
		}
		if strings.Contains(text, "949110") {
			t.Errorf("%s: the verdict itself is excluded", tc.name)
		}
	}
}

var readAll = store.Query{Limit: 1000}

// The picture counts what the list selects, and leads to each day.
func TestDays(t *testing.T) {
	var events []event.Event
	day := time.Now().UTC().Truncate(24 * time.Hour)
	for i, ago := range []int{0, 0, 3, 3, 3, 40} {
		e := storetest.Event(i)
		e.ID, e.Code = event.NewID()
		e.Time, e.Site, e.Action = day.AddDate(0, 0, -ago).Add(time.Duration(i)*time.Microsecond), "a.kz", event.Blocked
		if i == 4 {
			e.Site, e.Action = "b.kz", event.Detected
		}
		events = append(events, e)
	}
	s := newSite(t, events...).signedIn()
	s.now = func() time.Time { return day.Add(time.Hour) }
	label := func(ago int, n string) string {
		at := day.AddDate(0, 0, -ago)
		return `aria-label="` + s.words.languages[0].Day(at, s.now().UTC()) + `: ` + n + `"`
	}
	for path, want := range map[string][]string{
		"/incidents":                      {label(0, "2"), label(3, "3"), label(40, "1"), "6 in all", "3 on the busiest day", `class="bar-noted"`},
		"/incidents?span=week":            {label(0, "2"), label(3, "3"), "5 in all"},
		"/incidents?site=b.kz":            {label(3, "1"), "1 in all", "site=b.kz&amp;to=" + day.AddDate(0, 0, -3).Format(time.DateOnly)},
		"/incidents?action=blocked":       {label(3, "2"), "5 in all"},
		"/incidents?class=xss&site=no.kz": nil, "/incidents?span=day": nil, "/incidents?text=union": nil, "/incidents?rule=942100": nil,
	} {
		a := s.get(path)
		if got := strings.Contains(a.body, `class="days"`); got != (want != nil) {
			t.Errorf("%s has a picture: %t", path, got)
		}
		for _, w := range want {
			if !strings.Contains(a.body, w) {
				t.Errorf("%s lacks %s", path, w)
			}
		}
	}
}
