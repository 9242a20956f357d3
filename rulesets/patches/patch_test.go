package patches

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets"
)

func builtin(t *testing.T) []*Patch {
	t.Helper()
	list, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestBuiltinPatchesAreDistinct(t *testing.T) {
	list := builtin(t)
	holes, ids := map[string]bool{}, map[int]string{}
	for _, p := range list {
		holes[p.CVE] = true
		for _, id := range p.Rules {
			if id < 2100000 || id > 2199999 {
				t.Errorf("%s: rule %d is not among the patches' ids, 2100000-2199999", p.Name, id)
			}
			if other, taken := ids[id]; taken {
				t.Errorf("%s: rule %d is also in %s", p.Name, id, other)
			}
			ids[id] = p.Name
		}
	}
	if len(holes) < 80 {
		t.Errorf("%d holes patched", len(holes))
	}
}

// bench judges requests as a site would that has all patches and the rule set.
type bench struct {
	judge *rulesets.Judge
	site  *config.Site
	last  event.Event
	serve http.Handler
}

func newBench(t *testing.T, list []*Patch) *bench {
	t.Helper()
	b := &bench{site: config.DefaultSite()}
	known := map[string]rulesets.Profile{"generic": {}}
	Add(known, list)
	var err error
	b.judge, err = rulesets.New(rulesets.Options{Profiles: known, Record: func(e event.Event) { b.last = e }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.judge.Close() })
	b.site.Name, b.site.Profile = "shop.example.kz", "generic"
	build, err := b.judge.Prepare(t.Context(), []*config.Site{b.site})
	if err != nil {
		t.Fatal(err)
	}
	b.judge.Use(build)
	b.serve = b.judge.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	return b
}

// send returns the status and the rules that matched.
func (b *bench) send(t *testing.T, r Request, rank exchange.Rank) (int, []int) {
	t.Helper()
	method, target, ok := strings.Cut(r.Request, " ")
	if !ok {
		t.Fatalf("request %q has no target", r.Request)
	}
	target = strings.ReplaceAll(target, " ", "%20")
	req := httptest.NewRequest(method, "/", strings.NewReader(r.Body))
	req.RequestURI, req.Host = target, b.site.Name
	fields := []event.Field{{Name: "Host", Value: b.site.Name}, {Name: "User-Agent", Value: "Mozilla/5.0"}, {Name: "Accept", Value: "*/*"}}
	if r.Body != "" {
		kind := r.Type
		if kind == "" {
			kind = "application/x-www-form-urlencoded"
		}
		fields = append(fields, event.Field{Name: "Content-Type", Value: kind}, event.Field{Name: "Content-Length", Value: fmt.Sprint(len(r.Body))})
	}
	for _, h := range r.Header {
		name, value, _ := strings.Cut(h, ":")
		fields = append(fields, event.Field{Name: name, Value: strings.TrimSpace(value)})
	}
	for _, f := range fields {
		req.Header.Add(f.Name, f.Value)
	}
	x := &exchange.Exchange{Site: b.site, Profile: b.site.Profile, Start: time.Now(), Rank: rank, Target: target, Proto: "HTTP/1.1", Fields: fields}
	w := httptest.NewRecorder()
	b.last = event.Event{}
	b.serve.ServeHTTP(w, req.WithContext(exchange.With(req.Context(), x)))
	return w.Code, b.last.Rules
}

// matched reports whether one of the patch's own rules did.
func (p *Patch) matched(rules []int) bool {
	return slices.ContainsFunc(p.Rules, func(id int) bool { return slices.Contains(rules, id) })
}

func TestPatches(t *testing.T) {
	list := builtin(t)
	b := newBench(t, list)
	ranks := map[config.Who]exchange.Rank{config.Member: exchange.Member, config.Author: exchange.Author, config.Admin: exchange.Admin}
	for _, p := range list {
		t.Run(strings.TrimSuffix(p.Name, ".conf"), func(t *testing.T) {
			if status, rules := b.send(t, p.Exploit, exchange.Visitor); status != http.StatusForbidden || !p.matched(rules) {
				t.Errorf("the exploit: %d, rules %v, not ours", status, rules)
			}
			if _, rules := b.send(t, p.Harmless, exchange.Visitor); p.matched(rules) {
				t.Errorf("the harmless request is refused")
			}
			if p.Spares == "" {
				if _, rules := b.send(t, p.Exploit, exchange.Admin); !p.matched(rules) {
					t.Errorf("an administrator is spared though nobody should be")
				}
				return
			}
			if _, rules := b.send(t, p.Exploit, ranks[p.Spares]); p.matched(rules) {
				t.Errorf("a witnessed %s is not spared", p.Spares)
			}
			if _, rules := b.send(t, p.Exploit, ranks[p.Spares]-1); !p.matched(rules) {
				t.Errorf("somebody below %s is spared", p.Spares)
			}
		})
	}
}

// TestPHPNames tries a patch with the spellings under which PHP finds one
// parameter.
func TestPHPNames(t *testing.T) {
	b := newBench(t, builtin(t))
	for _, name := range []string{"swp_debug", "swp.debug", "swp%20debug", "swp+debug", "+swp_debug", "swp_debug[]", "swp_debug[x][y]", "swp[debug"} {
		status, _ := b.send(t, Request{Request: "GET /wp-admin/admin-post.php?" + name + "=load_options"}, exchange.Visitor)
		if status != http.StatusForbidden {
			t.Errorf("%s passed: %d", name, status)
		}
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	const good = "---\ncve: CVE-2020-0001\nproduct: plugin/x\naffected: '1'\ntitle: t\nlooks: l\nexploit:\n  request: GET /a\nharmless:\n  request: GET /b\n---\nSecRule ARGS:a \"@rx x\" \"id:2199999,phase:2,deny\"\n"
	if _, err := Parse("x.conf", good); err != nil {
		t.Fatalf("a good patch: %v", err)
	}
	for _, tc := range []struct{ from, to, want string }{
		{"---\ncve", "cve", "no header"},
		{"CVE-2020-0001", "CVE-20", "no number of a hole"},
		{"plugin/x", "x", "product"},
		{"looks: l\n", "", "looks"},
		{"looks: l", "look: l", "look"},
		{"title: t", "title: t\nspares: everybody", "spares"},
		{"id:2199999,", "", "no rule with an id"},
		{"exploit:\n  request: GET /a\n", "", "exploit"},
	} {
		_, err := Parse("x.conf", strings.Replace(good, tc.from, tc.to, 1))
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "x.conf") {
			t.Errorf("%q instead of %q: %v", tc.to, tc.from, err)
		}
	}
	if _, err := Load(fstest.MapFS{"a.conf": {Data: []byte("x")}, "b.conf": {Data: []byte(good)}}); err == nil {
		t.Error("a folder with a bad patch loaded without a word")
	}
}
