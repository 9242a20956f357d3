package rulesets

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets/exclude"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// editorSave is what WordPress's block editor sends to save a post of about n
// bytes.
func editorSave(tb testing.TB, n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "<!-- wp:paragraph -->\n<p class=\"has-text-align-left\">Day %d: the bakery opens at seven, and the <strong>bread</strong> is <em>still warm</em>; see <a href=\"https://shop.example.kz/menu/%d/\">today's menu</a> &amp; prices.</p>\n<!-- /wp:paragraph -->\n\n", i, i)
	}
	body, err := json.Marshal(map[string]any{"id": 12, "title": "Bread", "content": b.String(), "status": "publish"})
	if err != nil {
		tb.Fatal(err)
	}
	return string(body)
}

// plainCoraza is Coraza with the rule set at a level, as its own users call it.
// With more it has further directives.
func plainCoraza(tb testing.TB, level int, more string) coraza.WAF {
	waf, err := coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(coreruleset.FS).WithDirectives(fmt.Sprintf(
		"Include @coraza.conf-recommended\nSecAction \"id:1,phase:1,pass,nolog,setvar:tx.blocking_paranoia_level=%d\"\n"+
			"SecResponseBodyAccess On\n%s\nInclude @crs-setup.conf.example\nInclude @owasp_crs/*.conf\n", level, more)))
	if err != nil {
		tb.Fatal(err)
	}
	return waf
}

// BenchmarkTable is what `make bench` prints: each row judged by this package,
// reading of the request included, and by plain Coraza.
func BenchmarkTable(b *testing.B) {
	browser := []string{
		"Accept-Language", "ru-RU,ru;q=0.9,kk;q=0.8,en;q=0.7", "Accept-Encoding", "gzip, deflate, br", "Referer", "https://shop.example.kz/catalog/",
		"Cookie", "wordpress_test_cookie=WP%20Cookie%20check; _ga=GA1.2.1187466532.1732432561",
	}
	form := append([]string{"Content-Type", formType}, browser...)
	save := append([]string{"Content-Type", "application/json"}, browser...)
	const login = "log=admin&pwd=correct-horse-battery&wp-submit=Log+In&redirect_to=https%3A%2F%2Fshop.example.kz%2Fwp-admin%2F&testcookie=1"
	get := asked{testRequest(b, "GET", "/catalog/boots/?orderby=price&page=2&utm_source=newsletter", "", browser...), ""}
	mix := []asked{{testRequest(b, "POST", "/wp-login.php", login, form...), login}}
	for _, target := range []string{"/", "/wp-content/themes/shop/style.css?ver=6.1.9", "/2024/05/some-article/", "/?s=best+coffee&post_type=product&paged=2",
		"/wp-includes/js/jquery/jquery.min.js?ver=3.6.1", "/wp-content/uploads/2024/05/photo-1024x768.jpg", "/category/news/page/3/", "/wp-json/wp/v2/posts?per_page=10", "/about/"} {
		mix = append(mix, asked{testRequest(b, "GET", target, "", browser...), ""})
	}
	var fresh []asked
	for i := range 50_000 {
		fresh = append(fresh, asked{testRequest(b, "GET", fmt.Sprintf("/20%d/article-%d/?utm_campaign=c%d&page=%d", i%30, i*7919, i*31, i), "", browser...), ""})
	}
	saved := func(n int) []asked {
		body := editorSave(b, n)
		return []asked{{testRequest(b, "POST", "/wp-json/wp/v2/posts/12?_locale=user", body, save...), body}}
	}
	small, large := saved(9<<10), saved(290<<10)
	attack := asked{testRequest(b, "GET", "/catalog/?id=1'+UNION+SELECT+user_login,user_pass+FROM+wp_users--+-", "", browser...), ""}

	judge, err := New(Options{FastPath: true, AuditEvery: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer judge.Close()
	e, err := judge.current.Load().engine(inbound, "")
	if err != nil {
		b.Fatal(err)
	}
	// An editor's HTML is let through by an exclusion, the same for both; a
	// stranger's is refused.
	editor, err := exclude.Compile([]config.Exclusion{{
		Rules: []config.RuleRange{{First: 930000, Last: 944999}}, Path: "/wp-json/wp/v2/posts/{n}", Targets: []string{"ARGS:json.content"},
	}})
	if err != nil {
		b.Fatal(err)
	}
	const editorPlain = "SecAction \"id:2,phase:1,pass,nolog,ctl:ruleRemoveTargetById=930000-944999;ARGS:json.content\""
	for _, row := range []struct {
		name    string
		level   int
		load    []asked
		editor  bool
		refused bool
	}{
		{"get", 1, []asked{get}, false, false},
		{"get-fresh", 1, fresh, false, false},
		{"mix", 1, mix, false, false},
		{"save-9k", 1, small, true, false},
		{"save-290k", 1, large, true, false},
		{"save-290k-level2", 2, large, true, false},
		{"stranger-290k", 1, large, false, true},
		{"stranger-290k-level2", 2, large, false, true},
		{"attack", 1, []asked{attack}, false, true},
	} {
		set, more := (*exclude.Set)(nil), ""
		if row.editor {
			set, more = editor, editorPlain
		}
		b.Run(row.name+"/qorgan", func(b *testing.B) { benchmarkQorgan(b, e, row.level, row.load, set, row.refused) })
		waf := plainCoraza(b, row.level, more)
		b.Run(row.name+"/coraza", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				bare(b, waf, row.load[i%len(row.load)].r, row.load[i%len(row.load)].body)
			}
		})
	}
	b.Run("page/qorgan", func(b *testing.B) { benchmarkPage(b, judge, false) })
	b.Run("page-inspected/qorgan", func(b *testing.B) { benchmarkPage(b, judge, true) })
	waf := plainCoraza(b, 1, "")
	b.Run("page/coraza", func(b *testing.B) { benchmarkPlainPage(b, waf, get.r, false) })
	b.Run("page-inspected/coraza", func(b *testing.B) { benchmarkPlainPage(b, waf, get.r, true) })
}

// asked is a request as it was read, and its body.
type asked struct {
	r    *reader.Request
	body string
}

func benchmarkQorgan(b *testing.B, e *engine, level int, load []asked, set *exclude.Set, refused bool) {
	one := func(i int) {
		a := load[i%len(load)]
		r, err := reader.Head(a.r.Method, a.r.Target, a.r.Proto, a.r.Fields, reader.Limits{})
		if err == nil && a.body != "" {
			err = r.ParseBody([]byte(a.body))
		}
		if err != nil {
			b.Fatal(err)
		}
		f := testFacts(level, set.Match(exclude.Mask{}, r, exchange.Visitor, time.Now()))
		v, _, err := e.decide(context.Background(), "", r, f, false)
		if err != nil || v.Refused != refused {
			b.Fatalf("refused is %v with %d matches: %v", v.Refused, len(v.Matches), err)
		}
	}
	for i := range min(len(load), 10) {
		one(i) // compiles the fast path
	}
	b.ReportAllocs()
	from, n := cpu(), 0
	for b.Loop() {
		one(n)
		n++
	}
	b.ReportMetric(float64((cpu()-from).Microseconds())/float64(n), "cpu-µs/op")
}

// page30k is a page of an ordinary shop.
var page30k = []byte("<!DOCTYPE html><html><body>" + strings.Repeat("<p class=\"wp-block\">Fresh <b>bread</b> every morning, <a href=\"/menu/?day=1\">see the menu</a>.</p>\n", 340) + "</body></html>")

func benchmarkPage(b *testing.B, j *Judge, inspect bool) {
	site := testSite()
	site.Responses = inspect
	build, err := j.Prepare(context.Background(), []*config.Site{site})
	if err != nil {
		b.Fatal(err)
	}
	j.Use(build)
	h := j.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		_, _ = w.Write(page30k)
	}))
	one := func() {
		r := httptest.NewRequest("GET", "/catalog/boots/?page=2", nil)
		r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0")
		r.Header.Set("Accept", "text/html")
		x := &exchange.Exchange{Site: site, Start: time.Now(), Target: r.RequestURI, Proto: r.Proto}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(exchange.With(r.Context(), x)))
		if w.Code != http.StatusOK || w.Body.Len() != len(page30k) {
			b.Fatalf("status %d, %d bytes", w.Code, w.Body.Len())
		}
	}
	for range 3 {
		one()
	}
	b.ReportAllocs()
	from, n := cpu(), 0
	for b.Loop() {
		one()
		n++
	}
	b.ReportMetric(float64((cpu()-from).Microseconds())/float64(n), "cpu-µs/op")
}

func benchmarkPlainPage(b *testing.B, waf coraza.WAF, r *reader.Request, inspect bool) {
	b.ReportAllocs()
	for b.Loop() {
		if !inspect {
			bare(b, waf, r, "")
			continue
		}
		tx := waf.NewTransaction()
		tx.ProcessConnection("203.0.113.7", 40000, "192.0.2.1", 443)
		tx.ProcessURI(r.Target, r.Method, r.Proto)
		for _, h := range r.Fields {
			tx.AddRequestHeader(h.Name, h.Value)
		}
		tx.ProcessRequestHeaders()
		if _, err := tx.ProcessRequestBody(); err != nil {
			b.Fatal(err)
		}
		tx.AddResponseHeader("Content-Type", "text/html; charset=UTF-8")
		tx.ProcessResponseHeaders(http.StatusOK, "HTTP/1.1")
		if _, _, err := tx.WriteResponseBody(page30k); err != nil {
			b.Fatal(err)
		}
		if it, err := tx.ProcessResponseBody(); err != nil || it != nil {
			b.Fatal(it, err)
		}
		tx.ProcessLogging()
		if err := tx.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTenThousandSites prepares ten thousand sites with the same rules,
// each with an exclusion and limits of its own, and reports what one costs.
func BenchmarkTenThousandSites(b *testing.B) {
	if testing.Short() {
		b.Skip("prepares ten thousand sites")
	}
	const n = 10_000
	judge, err := New(Options{FastPath: true, AuditEvery: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer judge.Close()
	if _, err := judge.current.Load().engine(inbound, ""); err != nil {
		b.Fatal(err)
	}
	before := heap()
	for b.Loop() {
		sites := make([]*config.Site, n)
		for i := range sites {
			s := testSite()
			s.Name = fmt.Sprintf("shop%d.example.kz", i)
			s.Exclusions = []config.Exclusion{{
				Rules: []config.RuleRange{{First: 942100, Last: 942100}}, Path: fmt.Sprintf("/form-%d/", i), Targets: []string{fmt.Sprintf("ARGS:field%d", i)},
			}}
			s.Limits.Args = 500 + i
			sites[i] = s
		}
		build, err := judge.Prepare(context.Background(), sites)
		if err != nil {
			b.Fatal(err)
		}
		judge.Use(build) // the build before it is garbage
		b.StopTimer()
		b.ReportMetric((heap()-before)/n, "B/site")
		b.StartTimer()
		runtime.KeepAlive(sites)
	}
}

// heap is what is in use after a collection, in bytes.
func heap() float64 {
	runtime.GC()
	runtime.GC() // what the first left in pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
