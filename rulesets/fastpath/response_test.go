package fastpath

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/types"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/language"
)

// newResponseOracle is Coraza with the rule set's response rules.
func newResponseOracle(tb testing.TB, level int) *oracle {
	tb.Helper()
	language.Register()
	o := &oracle{}
	text := fmt.Sprintf(`
SecRuleEngine DetectionOnly
SecResponseBodyAccess On
SecResponseBodyMimeType text/html text/plain
SecResponseBodyLimit 10000000
SecAuditEngine Off
SecDefaultAction "phase:3,log,noauditlog,pass"
SecDefaultAction "phase:4,log,noauditlog,pass"
SecAction "id:900000,phase:1,pass,t:none,nolog,setvar:tx.crs_setup_version=4250,setvar:tx.blocking_paranoia_level=%d,setvar:tx.detection_paranoia_level=%d"
Include @owasp_crs/REQUEST-901-INITIALIZATION.conf
Include @owasp_crs/RESPONSE-95*.conf
`, level, level)
	waf, err := coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(coreruleset.FS).WithDirectives(text).WithErrorCallback(func(m types.MatchedRule) {
		if m.Rule().Phase() >= 3 {
			o.logged = append(o.logged, m.Rule().ID())
		}
	}))
	if err != nil {
		tb.Fatal(err)
	}
	o.waf = waf
	directives, err := Directives(coreruleset.FS, text)
	if err != nil {
		tb.Fatal(err)
	}
	opt := testOptions
	opt.Responses = true
	o.prog, o.report = Compile(directives, opt)
	for _, u := range o.report.Unknown {
		tb.Errorf("level %d: rule %d is not understood: %s", level, u.Rule, u.Reason)
	}
	return o
}

func (o *oracle) askResponse(res *Response) []int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.logged = nil
	tx := o.waf.NewTransaction()
	defer func() { _ = tx.Close() }()
	r := res.Request
	tx.ProcessURI(r.Target, r.Method, r.Proto)
	tx.ProcessRequestHeaders()
	if _, err := tx.ProcessRequestBody(); err != nil {
		panic(err)
	}
	for _, f := range res.Fields {
		tx.AddResponseHeader(f.Name, f.Value)
	}
	tx.ProcessResponseHeaders(res.Status, res.Proto)
	if _, _, err := tx.WriteResponseBody(res.Body); err != nil {
		panic(err)
	}
	if _, err := tx.ProcessResponseBody(); err != nil {
		panic(err)
	}
	slices.Sort(o.logged)
	return slices.Compact(slices.Clone(o.logged))
}

func response(status int, body string, fields ...string) *Response {
	res := &Response{Input: Input{Request: request("GET", "/")}, Status: status, Proto: "HTTP/1.1", Body: []byte(body)}
	res.Fields = []event.Field{{Name: "Content-Type", Value: "text/html; charset=utf-8"}}
	for i := 0; i+1 < len(fields); i += 2 {
		res.Fields = append(res.Fields, event.Field{Name: fields[i], Value: fields[i+1]})
	}
	return res
}

// page is an ordinary page of about n bytes.
func page(n int) string {
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html lang=\"ru\"><head><title>Пекарня</title><link rel=\"stylesheet\" href=\"/wp-content/themes/x/style.css?ver=6.1\"></head><body>\n")
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "<article id=\"post-%d\" class=\"post type-post\"><h2><a href=\"https://example.kz/2024/05/%d/\">Хлеб № %d</a></h2><p>The bakery opens at seven; the bread is still warm &amp; the coffee is strong.</p><script>var n = %d; function f(a) { return a + n; }</script></article>\n", i, i, i, i)
	}
	b.WriteString("</body></html>\n")
	return b.String()
}

func TestResponsesMatchNothingUnforeseen(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	var bodies []string
	for _, s := range regression(t) {
		if strings.HasPrefix(s.name, "95") && len(s.body) > 0 {
			bodies = append(bodies, string(s.body))
		}
	}
	if len(bodies) < 50 {
		t.Fatalf("only %d bodies to try", len(bodies))
	}
	m := &mutator{r: r, pool: bodies}
	for level := 1; level <= 4; level++ {
		o := newResponseOracle(t, level)
		var sum tally
		check := func(res *Response) {
			logged := o.askResponse(res)
			got := o.prog.JudgeResponse(res, nil)
			sum.add(got.Clean, logged)
			for _, id := range logged {
				if id >= 959000 {
					continue
				}
				if !got.GaveUp && !slices.ContainsFunc(got.Candidates, func(c Candidate) bool { return c.Rule == id }) {
					t.Errorf("level %d: Coraza logs %d, candidates are %v\n%d %v %q", level, id, got.Candidates, res.Status, res.Fields, clip(res.Body))
				}
			}
		}
		for _, b := range bodies {
			check(response(200, b))
			check(response(500, page(500)+b))
			check(response(404, m.text(b)))
			check(response(200, b, "Content-Encoding", "gzip"))
		}
		if ordinary := o.prog.JudgeResponse(response(200, page(30<<10)), nil); !ordinary.Clean {
			t.Errorf("level %d: an ordinary page is not clean: %+v", level, ordinary)
		}
		t.Logf("level %d: %d responses, %d logged by Coraza, %d clean, %d asked in vain", level, sum.n, sum.logged, sum.clean, sum.asked)
	}
}

func BenchmarkJudgeResponse(b *testing.B) {
	o := newResponseOracle(b, 1)
	res := response(200, page(30<<10))
	b.Run("fast", func(b *testing.B) {
		b.ReportAllocs()
		i, start := 0, cpu()
		for b.Loop() {
			o.prog.JudgeResponse(res, nil)
			i++
		}
		b.ReportMetric(float64(cpu()-start)/float64(i), "cpu-ns/op")
	})
	b.Run("coraza", func(b *testing.B) {
		for b.Loop() {
			o.askResponse(res)
		}
	})
}
