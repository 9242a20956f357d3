package rulesets

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	crstests "github.com/corazawaf/coraza-coreruleset/v4/tests"
	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/experimental"
	"github.com/goccy/go-yaml"

	"github.com/qorgan/qorgan/rulesets/exclude"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// plainEngine is an engine whose rules Coraza reads as they are written.
func plainEngine(tb testing.TB, e *engine) *engine {
	tb.Helper()
	waf, err := coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(e.fast.root).WithDirectives(e.fast.text))
	if err != nil {
		tb.Fatal(err)
	}
	return &engine{half: e.half, contents: e.contents, rules: e.rules, ids: e.ids, waf: waf.(experimental.WAFWithOptions)}
}

// attacks are the bodies and query strings of the rule set's own tests.
func attacks(tb testing.TB) (out []string) {
	seen := map[string]bool{}
	err := fs.WalkDir(crstests.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(crstests.FS, path)
		if err != nil {
			return err
		}
		var f struct {
			Tests []struct {
				Stages []struct {
					Input struct{ URI, Data string }
				}
			}
		}
		if yaml.Unmarshal(text, &f) != nil {
			return nil // a few put something else into data
		}
		for _, t := range f.Tests {
			for _, s := range t.Stages {
				_, query, _ := strings.Cut(s.Input.URI, "?")
				for _, v := range []string{query, s.Input.Data} {
					if _, value, ok := strings.Cut(v, "="); ok && value != "" && !seen[value] {
						seen[value] = true
						out = append(out, value)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// outcome is what a verdict comes to, with how often each rule matched.
func outcome(v Verdict) string {
	times := map[int]int{}
	for _, m := range v.Matches {
		times[m.Rule]++
	}
	var b strings.Builder
	fmt.Fprintf(&b, "score %d, refused %t:", v.Score, v.Refused)
	for _, id := range slices.Sorted(maps.Keys(times)) {
		fmt.Fprintf(&b, " %d×%d", id, times[id])
	}
	return b.String()
}

// compareWithPlain judges a request whose body is a post with the fast path and
// all that goes with it, and with Coraza as its own users have it.
func compareWithPlain(t *testing.T, e, plain *engine, level int, post string) {
	t.Helper()
	body := savedPost(t, 1, func(int) string { return post })
	f := testFacts(level, exclude.Mask{})
	read := func() *reader.Request {
		return testRequest(t, "POST", "/wp-json/wp/v2/posts/12?_locale=user", body, "Content-Type", "application/json")
	}
	got, _, err := e.decide(context.Background(), "", read(), f, false)
	if err != nil {
		t.Fatal(err)
	}
	want, err := plain.judge(context.Background(), "", read(), f, false)
	if err != nil {
		t.Fatal(err)
	}
	if outcome(got) != outcome(want) {
		t.Errorf("level %d: %.300q\n%s\nplain Coraza: %s", level, post, outcome(got), outcome(want))
	}
	said := map[string]bool{}
	for _, m := range want.Matches {
		said[fmt.Sprint(m.Rule, m.Data)] = true
	}
	for _, m := range got.Matches {
		if strings.Contains(m.Data, valueMark) || len(post) < 1000 && !said[fmt.Sprint(m.Rule, m.Data)] {
			t.Errorf("level %d: rule %d on %.300q says %q", level, m.Rule, post, m.Data)
		}
	}
}

// TestLongPostsAreJudgedAsPlainCorazaDoes hides attacks in long posts.
func TestLongPostsAreJudgedAsPlainCorazaDoes(t *testing.T) {
	j := newJudge(t, Options{FastPath: true, AuditEvery: -1, Budget: time.Minute})
	e, err := j.current.Load().engine(inbound, "")
	if err != nil {
		t.Fatal(err)
	}
	plain := plainEngine(t, e)
	all := attacks(t)
	share := 150
	if testing.Short() {
		share = 600
	}
	before, after := strings.Repeat("День добрый, хлеб ещё тёплый. ", 100), strings.Repeat("<p>The bakery opens at seven.</p>\n", 90)
	for level := 1; level <= levels; level++ {
		for i := level; i < len(all); i += share {
			compareWithPlain(t, e, plain, level, all[i])
			compareWithPlain(t, e, plain, level, before+all[i]+after)
			if t.Failed() {
				return
			}
		}
	}
}

func TestRewrittenRules(t *testing.T) {
	const own = `# a note on "@rx a"
SecRule ARGS "@rx a \"@rx b" \
    "id:1,phase:2,deny,capture,logdata:'%{TX.0} in %{MATCHED_VAR}',setvar:'tx.x=%{MATCHED_VAR}'"
SecRule ARGS "!@rx c" "id:2,phase:2,deny,capture,chain"
    SecRule TX:1 "@rx d" "t:none"
SecRule ARGS "@pm @rx" "id:3,phase:2,deny"
`
	got := corazaFS{brief: true}.rewrite(own)
	const want = `# a note on "@rx a"
SecRule ARGS "@qorganrxbrief a \"@rx b" \
    "id:1,phase:2,deny,capture,logdata:'%{TX.0} in ` + valueMark + `',setvar:'tx.x=%{MATCHED_VAR}'"
SecRule ARGS "!@qorganrx c" "id:2,phase:2,deny,capture,chain"
    SecRule TX:1 "@qorganrx d" "t:none"
SecRule ARGS "@pm @rx" "id:3,phase:2,deny"
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for rule, reads := range map[string]bool{
		`SecRule ARGS "@rx a" "id:1,capture,logdata:'%{TX.0}'"`:                  false,
		`SecRule ARGS "@rx a" "id:1,capture,setvar:tx.x=%{tx.0}"`:                true,
		"SecRule ARGS \"@rx a\" \"id:1,capture,chain\"\nSecRule TX:2 \"@eq 1\"":  true,
		`SecRule TX:/^\d$/ "@eq 1" "id:1"`:                                       true,
		`SecRule TX:/paramcounter_.*/ "@gt 1" "id:1,msg:'TX:1'"`:                 false,
		`SecRule ARGS|TX "@rx a" "id:1"`:                                         true,
		`SecRule &TX:1 "@eq 1" "id:1"`:                                           true,
		`SecRule TX:'1' "@eq 1" "id:1"`:                                          true,
		`SecRule REQUEST_URI "@rx y" "id:1,setvar:'tx.score=+%{tx.critical_x}'"`: false,
	} {
		if got := readsCaptures(rule); got != reads {
			t.Errorf("%s: reads captures is %v", rule, got)
		}
	}
	if ownCaptures(map[int]string{1: `SecRule TX:1 "@eq 1" "id:1,phase:2,deny"`}) {
		t.Error("a rule that reads what others captured went unnoticed")
	}
}
