package patches

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets/profiles"
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
	if err := Distinct(list); err != nil {
		t.Error(err)
	}
	holes := map[string]bool{}
	for _, p := range list {
		holes[p.CVE] = true
		for _, id := range p.Rules {
			if id >= OwnRule {
				t.Errorf("%s: rule %d is an owner's; those of the program are below %d", p.Name, id, OwnRule)
			}
		}
		if !strings.HasPrefix(p.ID(), strings.ToLower(p.CVE)) {
			t.Errorf("%s closes %s: a patch's name begins with its CVE", p.Name, p.CVE)
		}
	}
	if len(holes) < 80 {
		t.Errorf("%d holes patched", len(holes))
	}
}

// newBench is a bench of a WordPress site.
func newBench(t *testing.T, list []*Patch) *Bench {
	t.Helper()
	known, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBench(t.Context(), known["wordpress"], list)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestPatches(t *testing.T) {
	list := builtin(t)
	b := newBench(t, list)
	for _, p := range list {
		t.Run(p.ID(), func(t *testing.T) {
			if err := b.Try(t.Context(), p); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPHPNames tries a patch with the spellings under which PHP finds one
// parameter.
func TestPHPNames(t *testing.T) {
	b := newBench(t, builtin(t))
	for _, name := range []string{"swp_debug", "swp.debug", "swp%20debug", "swp+debug", "+swp_debug", "swp_debug[]", "swp_debug[x][y]", "swp[debug"} {
		f, err := b.Judge(t.Context(), Request{Request: "GET /wp-admin/admin-post.php?" + name + "=load_options"}, exchange.Visitor)
		if err != nil || !f.Refused {
			t.Errorf("%s passed: %v", name, err)
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
		{"id:2199999,", "", "x.conf:12: a rule without an id"},
		{"id:2199999", "id:942100", "x.conf:12: rule id 942100"},
		{"SecRule", "SecRuleEngine Off\nSecRule", "x.conf:12: \"SecRuleEngine Off\""},
		{"SecRule", "# why\n\nInclude /etc/passwd\nSecRule", "x.conf:14: \"Include"},
		{"phase:2,deny", "phase:2,allow", "the action allow"},
		{"deny", "deny,ctl:ruleEngine=Off", "the action ctl"},
		{"deny", "deny,chain", "no second rule"},
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

func TestDistinctAndFind(t *testing.T) {
	a, b, c := &Patch{Name: "a.conf", Rules: []int{1}}, &Patch{Name: "b.conf", Rules: []int{1}}, &Patch{Name: "a.conf", Rules: []int{2}}
	a.CVE, b.CVE = "CVE-2020-0001", "CVE-2020-0001"
	err := Distinct([]*Patch{a, b, c})
	if err == nil || !strings.Contains(err.Error(), "b.conf: rule id 1 is taken by a.conf") || !strings.Contains(err.Error(), "a.conf: there is a patch of this name") {
		t.Errorf("%v", err)
	}
	list := []*Patch{a, b}
	for id, want := range map[string]int{"a": 1, "b.conf": 1, "cve-2020-0001": 2, "CVE-2020-0002": 0} {
		if got := Find(list, id); len(got) != want {
			t.Errorf("%s names %d patches, want %d", id, len(got), want)
		}
	}
}

// TestBenchTellsBrokenPromises tries patches that do not hold what they say.
func TestBenchTellsBrokenPromises(t *testing.T) {
	const good = "---\ncve: CVE-2020-0001\nproduct: plugin/x\naffected: '1'\ntitle: t\nlooks: l\nspares: admin\nexploit:\n  request: GET /?a=x\nharmless:\n  request: GET /?a=y\n---\nSecRule ARGS:a \"@streq x\" \"id:2199999,phase:2,deny,status:403,log,t:none\"\n"
	for _, tc := range []struct{ from, to, want string }{
		{"", "", ""},
		{"@streq x", "@streq z", "its exploit is not refused"},
		{"@streq x", "@rx ^[xy]$", "its harmless request is refused (rules 2199999)"},
		{"GET /?a=y", "GET /?a=y&b=1'+UNION+SELECT+a,b+FROM+c--", "its harmless request is refused"},
	} {
		p, err := Parse("x.conf", strings.Replace(good, tc.from, tc.to, 1))
		if err != nil {
			t.Fatal(err)
		}
		err = newBench(t, []*Patch{p}).Try(t.Context(), p)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q instead of %q: %v", tc.to, tc.from, err)
		}
	}
}
