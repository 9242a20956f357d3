package rulesets

import (
	"slices"
	"testing"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
)

// TestPatchesAreArmedWhereTheyAreWanted sends the exploit of a plugin's hole, of
// a theme's and of the CMS's to sites that want their patches in each way.
func TestPatchesAreArmedWhereTheyAreWanted(t *testing.T) {
	rule := func(id, value string) Source {
		return Source{Name: id, Text: `SecRule ARGS:a "@streq ` + value + `" "id:` + id + `,phase:2,deny,status:403,log,t:none"`}
	}
	holes := map[int]event.Hole{
		2100001: {CVE: "CVE-2026-0001", Product: "plugin/one", Affected: "up to 2"},
		2100002: {CVE: "CVE-2026-0002", Product: "theme/two", Affected: "up to 3"},
		2100003: {CVE: "CVE-2026-0003", Product: "core/wordpress", Affected: "up to 6"},
	}
	j := newJudge(t, Options{FastPath: true, Profiles: map[string]Profile{"generic": {
		Rules: []Source{rule("2100001", "one"), rule("2100002", "two"), rule("2100003", "three")}, Holes: holes,
	}}})
	sites := map[config.Arming]*config.Site{}
	var all []*config.Site
	for _, arming := range []config.Arming{"", config.Everywhere, config.Seen, config.Unarmed} {
		s := config.DefaultSite()
		s.Name, s.Profile, s.Patches = "site "+string(arming), "generic", arming
		sites[arming] = s
		all = append(all, s)
	}
	b, err := j.Prepare(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	j.Use(b)
	one := exchange.NewRuns(map[string]string{"plugin/one": "1.9"})
	two := exchange.NewRuns(map[string]string{"theme/two": ""})
	for _, tc := range []struct {
		arming  config.Arming
		runs    *exchange.Runs
		target  string
		refused bool
		seen    string
	}{
		{"", nil, "/?a=one", true, ""},
		{config.Everywhere, nil, "/?a=one", true, ""},
		{config.Everywhere, two, "/?a=one", true, ""},
		{config.Everywhere, one, "/?a=one", true, "1.9"},
		{config.Seen, nil, "/?a=one", true, ""}, // nothing is known yet
		{config.Seen, one, "/?a=one", true, "1.9"},
		{config.Seen, two, "/?a=one", false, ""},
		{config.Seen, two, "/wp-content/plugins/one/x.php?a=one", true, ""},
		{config.Seen, two, "/?a=two", true, ""},
		{config.Seen, one, "/?a=two", false, ""},
		{config.Seen, one, "/?a=three", true, ""}, // the CMS itself
		{config.Unarmed, one, "/?a=one", false, ""},
		{config.Unarmed, nil, "/?a=three", false, ""},
		{config.Unarmed, nil, "/wp-content/plugins/one/x.php?a=one", false, ""},
	} {
		f, err := j.Probe(t.Context(), sites[tc.arming], Probe{Method: "GET", Target: tc.target, Runs: tc.runs, Fields: []event.Field{
			{Name: "Host", Value: "shop.example.kz"}, {Name: "User-Agent", Value: "Mozilla/5.0"}, {Name: "Accept", Value: "*/*"}}}, false)
		if err != nil {
			t.Fatal(err)
		}
		if f.Refused != tc.refused {
			t.Errorf("patches %q, %s: refused %v, want %v", tc.arming, tc.target, f.Refused, tc.refused)
		}
		i := slices.IndexFunc(f.Matches, func(m event.Match) bool { return m.Hole != nil })
		switch {
		case (i >= 0) != tc.refused:
			t.Errorf("patches %q, %s: names a hole: %v", tc.arming, tc.target, i >= 0)
		case i >= 0 && f.Matches[i].Hole.Seen != tc.seen:
			t.Errorf("patches %q, %s: the site is said to run %q, want %q", tc.arming, tc.target, f.Matches[i].Hole.Seen, tc.seen)
		}
	}
}
