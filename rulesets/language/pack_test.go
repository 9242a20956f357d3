package language_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets"
	"github.com/qorgan/qorgan/rulesets/profiles"
)

// pack is what people of one language write.
type pack struct {
	// Language is its code.
	Language string `yaml:"language"`
	// Host is a site's name in that language.
	Host string `yaml:"host"`
	// Texts are harmless, all of them.
	Texts []text `yaml:"texts"`
}

type text struct {
	// Kind says what a person writes it for, and so where it may stand.
	Kind string `yaml:"kind"`
	// Text is what he writes.
	Text string `yaml:"text"`
}

// packs reads every language's texts.
func packs(t testing.TB) []pack {
	t.Helper()
	files, err := filepath.Glob("testdata/??.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []pack
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var p pack
		if err := config.Decode(file, b, &p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 6 {
		t.Fatalf("%d languages; want ru, kk, uk, tr, ar and zh", len(all))
	}
	return all
}

// site makes a site of a profile and a level.
func site(profile string, level int) *config.Site {
	s := config.DefaultSite()
	s.Name, s.Profile, s.Level = fmt.Sprintf("%s-%d", profile, level), profile, level
	return s
}

// judges returns two judges with the same sites: one with the fast path in
// front, one without.
func judges(t testing.TB, sites []*config.Site) (fast, slow *rulesets.Judge) {
	t.Helper()
	known, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	var made [2]*rulesets.Judge
	for i := range made {
		j, err := rulesets.New(rulesets.Options{Log: zerolog.Nop(), Profiles: known, FastPath: i == 0, AuditEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { j.Close() })
		b, err := j.Prepare(t.Context(), sites)
		if err != nil {
			t.Fatal(err)
		}
		j.Use(b)
		made[i] = j
	}
	return made[0], made[1]
}

// matched lists what a finding rests on.
func matched(f rulesets.Finding) string {
	var s []string
	if f.Reason != "" {
		s = append(s, f.Reason+": "+f.Detail)
	}
	for _, m := range f.Matches {
		if m.Rule/1000 != 949 && m.Rule/1000 != 980 {
			s = append(s, fmt.Sprintf("%d on %s:%s", m.Rule, m.Variable, m.Key))
		}
	}
	slices.Sort(s)
	return strings.Join(s, ", ")
}

// TestHarmlessText sends what people write to every place where they write it,
// at paranoia levels 1 and 2. None of it may be refused, and the fast path must
// say what Coraza says.
func TestHarmlessText(t *testing.T) {
	var sites []*config.Site
	for _, profile := range []string{"wordpress", "generic"} {
		for level := 1; level <= 4; level++ {
			sites = append(sites, site(profile, level))
		}
	}
	fast, slow := judges(t, sites)
	for _, p := range packs(t) {
		var asked, refused [5]int
		for _, s := range sites {
			if testing.Short() && s.Level > 2 {
				continue
			}
			for i, tx := range p.Texts {
				placed := false
				for _, at := range places {
					if !slices.Contains(at.kinds, tx.Kind) {
						continue
					}
					placed = true
					if at.profile != "" && at.profile != s.Profile {
						continue
					}
					probe := at.build(tx.Text, p.Host)
					f, err := fast.Probe(t.Context(), s, probe, false)
					if err != nil {
						t.Fatal(err)
					}
					asked[s.Level]++
					if f.Refused {
						refused[s.Level]++
					}
					if f.Refused && s.Level <= 2 {
						t.Errorf("%s, %s, level %d: %s in %s refused: %s", p.Language, s.Profile, s.Level, tx.Text, at.name, matched(f))
					}
					if s.Level > 2 || testing.Short() && i%4 != 0 {
						continue
					}
					whole, err := slow.Probe(t.Context(), s, probe, false)
					if err != nil {
						t.Fatal(err)
					}
					if whole.Refused != f.Refused || matched(whole) != matched(f) {
						t.Errorf("%s in %s: with the fast path %v (%s), without %v (%s)", tx.Text, at.name, f.Refused, matched(f), whole.Refused, matched(whole))
					}
				}
				if !placed {
					t.Errorf("%s: no place for a text of kind %q", p.Language, tx.Kind)
				}
			}
		}
		for level := 1; level <= 4; level++ {
			t.Logf("%s: level %d: %d of %d refused", p.Language, level, refused[level], asked[level])
		}
	}
}

// form encodes pairs of name and value.
func form(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(pairs[i]) + "=" + url.QueryEscape(pairs[i+1]))
	}
	return b.String()
}

// request is a probe as a browser would send it.
func request(method, target, host, kind, body string, more ...event.Field) rulesets.Probe {
	fields := []event.Field{
		{Name: "Host", Value: host},
		{Name: "User-Agent", Value: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"},
		{Name: "Accept", Value: "*/*"},
		{Name: "Accept-Language", Value: "ru-RU,ru;q=0.9,kk;q=0.8,uk;q=0.8,tr;q=0.7,ar;q=0.7,zh-CN;q=0.7,en;q=0.6"},
	}
	if kind != "" {
		fields = append(fields, event.Field{Name: "Content-Type", Value: kind}, event.Field{Name: "Content-Length", Value: fmt.Sprint(len(body))})
	}
	return rulesets.Probe{Method: method, Target: target, Proto: "HTTP/1.1", Fields: append(fields, more...), Body: []byte(body)}
}
