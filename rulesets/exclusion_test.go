package rulesets

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets/exclude"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// testRequest reads a request without a socket.
func testRequest(t testing.TB, method, target, body string, headers ...string) *reader.Request {
	t.Helper()
	fields := []event.Field{{Name: "Host", Value: "shop.example.kz"}, {Name: "User-Agent", Value: "Mozilla/5.0"}, {Name: "Accept", Value: "*/*"}}
	for i := 0; i+1 < len(headers); i += 2 {
		fields = append(fields, event.Field{Name: headers[i], Value: headers[i+1]})
	}
	if body != "" {
		fields = append(fields, event.Field{Name: "Content-Length", Value: fmt.Sprint(len(body))})
	}
	r, err := reader.Head(method, target, "HTTP/1.1", fields, reader.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		if err := r.ParseBody([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func testFacts(level int, mask exclude.Mask) *Facts {
	return &Facts{
		Client: netip.MustParseAddr("203.0.113.7"), Peer: netip.MustParseAddrPort("203.0.113.7:40000"),
		Local: netip.MustParseAddrPort("192.0.2.1:443"), Host: "shop.example.kz", Level: level, Inbound: 5, Outbound: 4, Mask: mask,
	}
}

const form = "application/x-www-form-urlencoded"

// exclusionCases say the same thing twice: as data, and in SecLang.
var exclusionCases = []struct {
	exclusion config.Exclusion
	seclang   string
}{
	{config.Exclusion{Rules: []config.RuleRange{{First: 941100, Last: 941100}}, Targets: []string{"ARGS:content"}},
		"ctl:ruleRemoveTargetById=941100;ARGS:content"},
	{config.Exclusion{Rules: []config.RuleRange{{First: 941000, Last: 942999}}, Targets: []string{"ARGS:content"}},
		"ctl:ruleRemoveTargetById=941000-942999;ARGS:content"},
	{config.Exclusion{Rules: []config.RuleRange{{First: 941000, Last: 942999}}, Targets: []string{"ARGS:CONTENT"}},
		"ctl:ruleRemoveTargetById=941000-942999;ARGS:CONTENT"},
	{config.Exclusion{Rules: []config.RuleRange{{First: 920000, Last: 944999}}, Targets: []string{`ARGS:/^meta\[/`}},
		`ctl:ruleRemoveTargetById=920000-944999;ARGS:/^meta\[/`},
	{config.Exclusion{Rules: []config.RuleRange{{First: 920000, Last: 944999}}, Targets: []string{"ARGS"}},
		"ctl:ruleRemoveTargetById=920000-944999;ARGS"},
	{config.Exclusion{Rules: []config.RuleRange{{First: 942100, Last: 942100}, {First: 942190, Last: 942190}}},
		"ctl:ruleRemoveById=942100,ctl:ruleRemoveById=942190"},
	{config.Exclusion{Rules: []config.RuleRange{{First: 942000, Last: 942999}}},
		"ctl:ruleRemoveById=942000-942999"},
	{config.Exclusion{Rules: []config.RuleRange{{First: 920000, Last: 944999}}, Targets: []string{"REQUEST_COOKIES:prefs", "REQUEST_HEADERS:Referer", "ARGS_NAMES:a<script>"}},
		"ctl:ruleRemoveTargetById=920000-944999;REQUEST_COOKIES:prefs,ctl:ruleRemoveTargetById=920000-944999;REQUEST_HEADERS:Referer,ctl:ruleRemoveTargetById=920000-944999;ARGS_NAMES:a<script>"},
	{config.Exclusion{Rules: []config.RuleRange{{First: 932200, Last: 932200}}, Targets: []string{"ARGS:content"}},
		"ctl:ruleRemoveTargetById=932200;ARGS:content"},
	{config.Exclusion{Rules: []config.RuleRange{{First: 932200, Last: 932200}}, Targets: []string{"MATCHED_VARS"}},
		"ctl:ruleRemoveTargetById=932200;MATCHED_VARS"},
	{config.Exclusion{Rules: []config.RuleRange{{First: 920450, Last: 920450}}, Targets: []string{"REQUEST_HEADERS_NAMES:X-HTTP-Method-Override"}},
		"ctl:ruleRemoveTargetById=920450;REQUEST_HEADERS_NAMES:X-HTTP-Method-Override"},
	{config.Exclusion{Rules: []config.RuleRange{{First: 920270, Last: 921999}}, Targets: []string{"ARGS:nul", "REQUEST_BODY"}},
		"ctl:ruleRemoveTargetById=920270-921999;ARGS:nul,ctl:ruleRemoveTargetById=920270-921999;REQUEST_BODY"},
}

func exclusionRequests(t *testing.T, headers ...string) map[string]*reader.Request {
	h := func(more ...string) []string { return append(append([]string{}, headers...), more...) }
	return map[string]*reader.Request{
		"script in two parameters": testRequest(t, "POST", "/post?other=%3Cscript%3Ealert(1)%3C/script%3E", "content=%3Cscript%3Ealert(1)%3C%2Fscript%3E&meta%5B1%5D=javascript%3Aalert(1)", h("Content-Type", form)...),
		"sql in one":               testRequest(t, "GET", "/?content=1'+UNION+SELECT+password+FROM+users--&b=2", "", h()...),
		"shell with globs":         testRequest(t, "GET", "/?content=;/bin/ca?+/et*/passwd&x=/???/c?t", "", h()...),
		"headers and cookies":      testRequest(t, "GET", "/?a%3Cscript%3E=1", "", h("Cookie", "prefs=%27%20or%201=1--; other=<script>x</script>", "Referer", "http://x/?<script>alert(1)</script>")...),
		"override header":          testRequest(t, "POST", "/wp-json/wp/v2/posts/7", `{"content":"<script>alert(1)</script>","meta":{"a":"../../etc/passwd"}}`, h("Content-Type", "application/json", "X-HTTP-Method-Override", "PUT")...),
		"null bytes":               testRequest(t, "POST", "/", "nul=a%00b&content=c%00d", h("Content-Type", form)...),
	}
}

func ruleIDsOf(v Verdict) []int {
	var ids []int
	for _, m := range v.Matches {
		if !slices.Contains(ids, m.Rule) {
			ids = append(ids, m.Rule)
		}
	}
	return ids
}

func TestExclusionsMeanWhatCorazaMeans(t *testing.T) {
	var oracle strings.Builder
	for i, c := range exclusionCases {
		fmt.Fprintf(&oracle, "SecRule REQUEST_HEADERS:X-Case \"@streq %d\" \"id:%d,phase:1,pass,nolog,t:none,%s\"\n", i, 1000+i, c.seclang)
	}
	plain, err := sharedJudge().current.Load().engine(inbound, "")
	if err != nil {
		t.Fatal(err)
	}
	stock, err := newEngine(inbound, coreruleset.FS, []Source{{Name: "oracle.conf", Text: oracle.String(), Setup: true}}, &watch{budget: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	differ := 0
	for i, c := range exclusionCases {
		if testing.Short() && i%4 != 0 {
			continue
		}
		set, err := exclude.Compile([]config.Exclusion{c.exclusion})
		if err != nil {
			t.Fatal(err)
		}
		for name, r := range exclusionRequests(t, "X-Case", fmt.Sprint(i)) {
			for _, level := range []int{1, 2, 4} {
				mask := set.Match(exclude.Mask{}, r, exchange.Visitor, time.Now())
				got, err := plain.judge(context.Background(), "", r, testFacts(level, mask), false)
				if err != nil {
					t.Fatal(err)
				}
				want, err := stock.judge(context.Background(), "", r, testFacts(level, exclude.Mask{}), false)
				if err != nil {
					t.Fatal(err)
				}
				whole, err := plain.judge(context.Background(), "", r, testFacts(level, exclude.Mask{}), false)
				if err != nil {
					t.Fatal(err)
				}
				if got.Score != want.Score || !slices.Equal(ruleIDsOf(got), ruleIDsOf(want)) {
					t.Errorf("%s, level %d, %s:\n got %d %v\nwant %d %v", name, level, c.seclang, got.Score, ruleIDsOf(got), want.Score, ruleIDsOf(want))
				}
				if whole.Score != got.Score {
					differ++
				}
			}
		}
	}
	if differ < 20 {
		t.Errorf("only %d cases were changed by their exclusion; the comparison says little", differ)
	}
}

func TestConcurrentExclusionsDoNotMix(t *testing.T) {
	source := Source{Name: "own.conf", Text: `SecRule REQUEST_HEADERS|!REQUEST_HEADERS:A|!REQUEST_HEADERS:B|!REQUEST_HEADERS:C "@contains needle" "id:2000,phase:1,deny,msg:'needle'"`}
	e, err := newEngine(inbound, coreruleset.FS, []Source{source}, &watch{budget: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, name := range []string{"X-One", "X-Two", "X-Three", "X-Four"} {
		set, err := exclude.Compile([]config.Exclusion{{Rules: []config.RuleRange{{First: 2000, Last: 2000}}, Targets: []string{"REQUEST_HEADERS:" + name}}})
		if err != nil {
			t.Fatal(err)
		}
		hidden := testRequest(t, "GET", "/", "", name, "needle")
		seen := testRequest(t, "GET", "/", "", "X-Other", "needle")
		wg.Go(func() {
			for range 30 {
				for r, want := range map[*reader.Request]bool{hidden: false, seen: true} {
					v, err := e.judge(context.Background(), "", r, testFacts(1, set.Match(exclude.Mask{}, r, exchange.Visitor, time.Now())), false)
					if err != nil || v.Refused != want {
						t.Errorf("%s: refused %t, want %t (%v)", name, v.Refused, want, err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestMatchScoresAddUpToTheRuleSetsOwn(t *testing.T) {
	e, err := sharedJudge().current.Load().engine(inbound, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range exclusionRequests(t) {
		for level := 1; level <= 4; level++ {
			v, err := e.judge(context.Background(), "", r, testFacts(level, exclude.Mask{}), false)
			if err != nil {
				t.Fatal(err)
			}
			sum := 0
			for _, m := range v.Matches {
				sum += m.Score
			}
			if sum != v.Score {
				t.Errorf("%s, level %d: matches add up to %d, score is %d: %v", name, level, sum, v.Score, ruleIDsOf(v))
			}
		}
	}
}
