package exclude

import (
	"strings"
	"testing"
	"time"

	"github.com/corazawaf/coraza/v3/types/variables"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets/reader"
)

func one(id int) []config.RuleRange { return []config.RuleRange{{First: id, Last: id}} }

func request(method, path string) *reader.Request {
	return &reader.Request{Method: method, Target: path, Path: path}
}

func TestShapes(t *testing.T) {
	for _, c := range []struct {
		shape string
		yes   string
		no    string
	}{
		{"/wp-admin/post.php", "/wp-admin/post.php", "/wp-admin/post.php/ /wp-admin/post.phpx /wp-admin/post /blog/wp-admin/post.php /WP-ADMIN/post.php"},
		{"/wp-json/wp/v2/*/{n}", "/wp-json/wp/v2/posts/7 /wp-json/wp/v2/pages/0123", "/wp-json/wp/v2/posts /wp-json/wp/v2/posts/7/revisions /wp-json/wp/v2//7 /wp-json/wp/v2/posts/7a /wp-json/wp/v2/a/b/7"},
		{"/files/**", "/files/ /files/a /files/a/b.txt", "/files /filesx/a"},
		{"/**", "/ /anything/at/all", ""},
		{"/", "/", "/x"},
		{"/shop/*.html", "/shop/boots.html /shop/a.b.html", "/shop/.html /shop/boots.htm /shop/a/b.html"},
		{"/order-{n}/pay", "/order-17/pay", "/order-/pay /order-x/pay /order-17/pay/"},
	} {
		sh, err := parseShape(c.shape)
		if err != nil {
			t.Fatalf("%s: %v", c.shape, err)
		}
		for path := range strings.FieldsSeq(c.yes) {
			if !sh.match(path) {
				t.Errorf("%s does not match %s", c.shape, path)
			}
		}
		for path := range strings.FieldsSeq(c.no) {
			if sh.match(path) {
				t.Errorf("%s matches %s", c.shape, path)
			}
		}
	}
}

// A path that another reader resolves elsewhere must not enjoy the exclusions
// of what it looks like.
func TestNoBorrowedPaths(t *testing.T) {
	set, err := Compile([]config.Exclusion{
		{Rules: one(941100), Path: "/wp-admin/**"},
		{Rules: one(941100), Path: "/wp-admin/post.php"},
		{Rules: one(941100), Path: "/*/post.php"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/wp-admin/post.php/../../shell.php", "/wp-admin/../xmlrpc.php", "/wp-admin/./post.php", "//wp-admin/post.php", "/wp-admin//post.php",
		"/wp-admin/%2e%2e/x", "/wp-admin/%2E%2E%2Fx", "/wp-admin/..%2fx", `/wp-admin/..\x`, "/wp-admin/%5cx", "/wp-admin/post%2ephp", "/wp-admin/%70ost.php",
		"/wp-admin/..;/x", "/wp-admin/a;b/post.php", "/wp-admin/post.php%00.jpg", "/wp-admin/x%", "/wp-admin/x%g1", "/wp-admin/x y", "/wp-admin/..", "/wp-admin/.", "wp-admin/post.php", "",
		"/wp-admin/a%3fb", "/wp-admin/a%23b", "/wp-admin/a%25b",
	} {
		if m := set.Match(Mask{}, request("GET", path), exchange.Admin, time.Now()); m.Len() != 0 {
			t.Errorf("%q borrows %d exclusions", path, m.Len())
		}
	}
	for _, path := range []string{"/wp-admin/post.php", "/wp-admin/.well-known", "/wp-admin/a..b", "/wp-admin/%D0%BC%D0%B8%D1%80", "/wp-admin/two%20words"} {
		if m := set.Match(Mask{}, request("GET", path), exchange.Admin, time.Now()); m.Len() == 0 {
			t.Errorf("%q has no exclusion", path)
		}
	}
}

func TestWhoMethodAndTime(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	set, err := Compile([]config.Exclusion{{Rules: one(941100), Methods: []string{"post"}, Who: config.Author, Expires: now}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method string
		rank   exchange.Rank
		at     time.Time
		want   int
	}{
		{"POST", exchange.Author, now, 1},
		{"POST", exchange.Admin, now.Add(-time.Hour), 1},
		{"POST", exchange.Member, now, 0},
		{"POST", exchange.Visitor, now, 0},
		{"GET", exchange.Author, now, 0},
		{"POST", exchange.Author, now.Add(time.Second), 0},
	} {
		if got := set.Match(Mask{}, request(c.method, "/"), c.rank, c.at).Len(); got != c.want {
			t.Errorf("%s as rank %d at %s: %d exclusions, want %d", c.method, c.rank, c.at, got, c.want)
		}
	}
}

func TestExcludes(t *testing.T) {
	set, err := Compile([]config.Exclusion{
		{Rules: []config.RuleRange{{First: 941000, Last: 941999}}, Targets: []string{"ARGS:Content", `ARGS:/^meta\[/`, "REQUEST_COOKIES"}},
		{Rules: one(942100)},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := set.Match(Mask{}, request("GET", "/"), exchange.Visitor, time.Now())
	for _, c := range []struct {
		rule     int
		variable variables.RuleVariable
		key      string
		want     bool
	}{
		{941100, variables.Args, "content", true},
		{941100, variables.Args, "CONTENT", true},
		{941100, variables.Args, "content2", false},
		{941100, variables.ArgsNames, "content", false},
		{941100, variables.Args, "Meta[1]", true},
		{941100, variables.Args, "xmeta[1]", false},
		{941999, variables.RequestCookies, "any", true},
		{940999, variables.RequestCookies, "any", false},
		{942100, variables.RequestHeaders, "referer", true},
	} {
		if got := m.Excludes(c.rule, c.variable, c.key); got != c.want {
			t.Errorf("rule %d on %s:%s excluded %t, want %t", c.rule, c.variable.Name(), c.key, got, c.want)
		}
	}
}

func TestWhatCannotBeExcluded(t *testing.T) {
	for _, c := range []struct {
		x    config.Exclusion
		says string
	}{
		{config.Exclusion{Rules: one(949110)}, "adds up the inbound score"},
		{config.Exclusion{Rules: one(949111), Targets: []string{"TX"}}, "adds up the inbound score"},
		{config.Exclusion{Rules: []config.RuleRange{{First: 941000, Last: 999999}}}, "rule 949000 cannot be excluded"},
		{config.Exclusion{Rules: one(959100)}, "outbound score"},
		{config.Exclusion{Rules: one(980170)}, "reports the scores"},
		{config.Exclusion{Rules: one(901340)}, "initialises"},
		{config.Exclusion{}, "names no rule"},
		{config.Exclusion{Rules: []config.RuleRange{{First: 5, Last: 4}}}, "is empty"},
		{config.Exclusion{Rules: one(941100), Targets: []string{"ARG:content"}}, "no variable"},
		{config.Exclusion{Rules: one(941100), Targets: []string{"ARGS:"}}, "nothing after the colon"},
		{config.Exclusion{Rules: one(941100), Targets: []string{"ARGS:/(/"}}, "missing"},
		{config.Exclusion{Rules: one(941100), Path: "wp-admin"}, "does not begin with a slash"},
		{config.Exclusion{Rules: one(941100), Path: "/a/../b"}, "plain form"},
		{config.Exclusion{Rules: one(941100), Path: "/a?b=c"}, "query"},
		{config.Exclusion{Rules: one(941100), Path: "/a/**/b"}, "last segment"},
		{config.Exclusion{Rules: one(941100), Path: "/{id}"}, "{n}"},
		{config.Exclusion{Rules: one(941100), Who: "boss"}, "anyone, member"},
	} {
		_, err := Compile([]config.Exclusion{{Rules: one(941100)}, c.x})
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "exclusion 2") {
			t.Errorf("%+v: error %v, want one that says %q", c.x, err, c.says)
		}
	}
}

// Whatever path is asked for, a shape without holes holds for its own text only.
func FuzzExactShape(f *testing.F) {
	for _, s := range []string{"/wp-admin/post.php", "/wp-admin//post.php", "/wp-admin/%70ost.php", "/a/../wp-admin/post.php"} {
		f.Add(s)
	}
	set, err := Compile([]config.Exclusion{{Rules: one(941100), Path: "/wp-admin/post.php"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path string) {
		held := set.Match(Mask{}, request("GET", path), exchange.Admin, time.Time{}).Len() > 0
		if held != (path == "/wp-admin/post.php") {
			t.Errorf("%q: held %t", path, held)
		}
	})
}
