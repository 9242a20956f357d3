package fastpath

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/collection"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	"github.com/corazawaf/coraza/v3/types"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/language"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// oracle is Coraza with the Core Rule Set at one paranoia level, and the
// program compiled from the rules that it reported.
type oracle struct {
	waf    coraza.WAF
	prog   *Program
	report Report
	raws   []string
	mu     sync.Mutex
	logged []int
}

var oracles struct {
	sync.Mutex
	byLevel map[int]*oracle
}

// oracleAt returns the oracle of a level, built once a test run.
func oracleAt(tb testing.TB, level int) *oracle {
	tb.Helper()
	oracles.Lock()
	defer oracles.Unlock()
	if o := oracles.byLevel[level]; o != nil {
		return o
	}
	o := newOracle(tb, level, "")
	if oracles.byLevel == nil {
		oracles.byLevel = map[int]*oracle{}
	}
	oracles.byLevel[level] = o
	return o
}

func newOracle(tb testing.TB, level int, extra string) *oracle {
	tb.Helper()
	language.Register()
	o := &oracle{}
	text := fmt.Sprintf(`
Include @coraza.conf-recommended
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecAuditEngine Off
Include @crs-setup.conf.example
SecAction "id:900000,phase:1,pass,t:none,nolog,setvar:tx.blocking_paranoia_level=%d,setvar:tx.detection_paranoia_level=%d"
Include @owasp_crs/REQUEST-*.conf
`, level, level) + extra
	cfg := coraza.NewWAFConfig().WithRootFS(coreruleset.FS).WithDirectives(text).WithErrorCallback(func(m types.MatchedRule) { o.logged = append(o.logged, m.Rule().ID()) })
	waf, err := coraza.NewWAF(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	o.waf = waf
	if o.raws, err = Directives(coreruleset.FS, text); err != nil {
		tb.Fatal(err)
	}
	o.prog, o.report = Compile(o.raws, testOptions)
	return o
}

var testOptions = Options{
	ReadFile: func(name string) ([]byte, error) { return fs.ReadFile(coreruleset.FS, "@owasp_crs/"+name) },
	Transformations: map[string]Transformation{
		"utf8toUnicode":      {Apply: func(s string) (string, bool, error) { s, c := language.Fold(s); return s, c, nil }, ASCII: true},
		language.MaskName:    {Apply: func(s string) (string, bool, error) { s, c := language.Mask(s); return s, c, nil }, ASCII: true},
		language.LettersName: {Apply: func(s string) (string, bool, error) { s, c := language.Letters(s); return s, c, nil }, ASCII: true},
	},
}

// ask feeds a request to Coraza, from the socket up, and returns the rules that
// it logged and the request as it read it.
func (o *oracle) ask(r *reader.Request, raw []byte) (logged []int, in *Input) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.logged = nil
	tx := o.waf.NewTransaction()
	defer func() { _ = tx.Close() }()
	tx.ProcessConnection("203.0.113.7", 40000, "198.51.100.1", 443)
	tx.ProcessURI(r.Target, r.Method, r.Proto)
	for _, f := range r.Fields {
		tx.AddRequestHeader(f.Name, f.Value)
	}
	tx.ProcessRequestHeaders()
	if len(raw) > 0 {
		if _, _, err := tx.WriteRequestBody(raw); err != nil {
			panic(err)
		}
	}
	if _, err := tx.ProcessRequestBody(); err != nil {
		panic(err)
	}
	in = readBack(r, tx.(plugintypes.TransactionState).Variables())
	slices.Sort(o.logged)
	return slices.Compact(slices.Clone(o.logged)), in
}

// readBack builds the input from what Coraza's own readers made of a request.
func readBack(r *reader.Request, v plugintypes.TransactionVariables) *Input {
	c := *r
	c.Get, c.Post, c.Cookies, c.Files, c.Parts, c.Text, c.Attrs, c.Body = nil, nil, nil, nil, nil, nil, nil, nil
	argsOf := func(col collection.Map) (out []reader.Arg) {
		for _, m := range col.FindAll() {
			out = append(out, reader.Arg{Name: m.Key(), Value: m.Value()})
		}
		return out
	}
	c.Get, c.Post, c.Cookies = argsOf(v.ArgsGet()), argsOf(v.ArgsPost()), argsOf(v.RequestCookies())
	c.Body = []byte(v.RequestBody().Get())
	c.Processor = v.RequestBodyProcessor().Get()
	names := v.FilesNames().FindAll()
	for i, m := range v.Files().FindAll() {
		f := reader.File{Name: m.Value()}
		if i < len(names) {
			f.Field = names[i].Value()
		}
		c.Files = append(c.Files, f)
	}
	if len(c.Files) > 0 {
		c.Files[0].Size, _ = strconv.ParseInt(v.FilesCombinedSize().Get(), 10, 64)
	}
	for _, m := range v.MultipartPartHeaders().FindAll() {
		c.Parts = append(c.Parts, reader.Part{Name: m.Key(), Lines: []string{m.Value()}})
	}
	for _, m := range v.RequestXML().FindAll() {
		if m.Key() == "/*" {
			c.Text = append(c.Text, m.Value())
		} else {
			c.Attrs = append(c.Attrs, m.Value())
		}
	}
	in := &Input{Request: &c, Remote: "203.0.113.7"}
	in.BodyError = v.RequestBodyError().Get() == "1" || v.MultipartStrictError().Get() == "1" || v.ArgumentsLimitReached().Get() == "1"
	return in
}

// check fails when Coraza logs a rule that the program did not name.
func (o *oracle) check(tb testing.TB, name string, r *reader.Request, body []byte) (clean bool, logged []int) {
	tb.Helper()
	logged, in := o.ask(r, body)
	for range 3 { // the third time the values are remembered
		res := o.prog.Judge(in, nil)
		clean = res.Clean
		if res.GaveUp {
			continue
		}
		for _, id := range logged {
			if id == 949110 || id == 949111 {
				if res.Clean {
					tb.Errorf("%s: Coraza refuses what was called clean", name)
				}
				continue
			}
			if !slices.ContainsFunc(res.Candidates, func(c Candidate) bool { return c.Rule == id }) {
				tb.Errorf("%s: Coraza logs %d, candidates are %v\n%s %s\n%q\n%q", name, id, res.Candidates, r.Method, r.Target, r.Fields, clip(body))
			}
		}
	}
	return clean, logged
}

func clip(b []byte) []byte { return b[:min(len(b), 2000)] }

// request builds a request from its parts.
func request(method, target string, fields ...string) *reader.Request {
	r := &reader.Request{Method: method, Target: target, Proto: "HTTP/1.1"}
	for i := 0; i+1 < len(fields); i += 2 {
		r.Fields = append(r.Fields, event.Field{Name: fields[i], Value: fields[i+1]})
	}
	return r
}

var browser = []string{
	"Host", "example.kz",
	"User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
	"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
	"Accept-Language", "ru-RU,ru;q=0.9,kk;q=0.8,en-US;q=0.7,en;q=0.6",
	"Accept-Encoding", "gzip, deflate, br",
	"Referer", "https://example.kz/2024/05/some-article/?utm_source=newsletter",
	"Cookie", "wordpress_test_cookie=WP%20Cookie%20check; _ga=GA1.2.1234567890.1700000000; wp-settings-time-1=1700000000; wp-settings-1=libraryContent%3Dbrowse",
}

// load is the mix of an ordinary site: pages, styles, searches, a login, a
// comment.
func load() (rs []*reader.Request, bodies [][]byte) {
	for _, p := range []string{
		"/", "/wp-content/themes/twentytwentythree/style.css?ver=6.1.9", "/2024/05/some-article/",
		"/?s=best+coffee+in+almaty&post_type=product&orderby=price&paged=2", "/wp-includes/js/jquery/jquery.min.js?ver=3.6.1",
		"/wp-content/uploads/2024/05/photo-1024x768.jpg", "/category/news/page/3/", "/wp-json/wp/v2/posts?per_page=10&_embed=1",
	} {
		rs, bodies = append(rs, request("GET", p, browser...)), append(bodies, nil)
	}
	for _, p := range [][2]string{
		{"/wp-login.php", "log=admin&pwd=correct-horse-battery&wp-submit=Log+In&redirect_to=https%3A%2F%2Fexample.kz%2Fwp-admin%2F&testcookie=1"},
		{"/wp-comments-post.php", "comment=" + strings.Repeat("Thanks+for+the+article%2C+we+tried+the+bread+and+it+was+great.+", 10) + "&author=Aigerim&email=a%40example.kz&url=&submit=Post+Comment&comment_post_ID=1&comment_parent=0"},
	} {
		r := request("POST", p[0], browser...)
		r.Fields = append(r.Fields, event.Field{Name: "Content-Type", Value: "application/x-www-form-urlencoded"},
			event.Field{Name: "Content-Length", Value: strconv.Itoa(len(p[1]))})
		rs, bodies = append(rs, r), append(bodies, []byte(p[1]))
	}
	return rs, bodies
}

func TestOrdinaryRequestsAreClean(t *testing.T) {
	for level := 1; level <= 4; level++ {
		o := oracleAt(t, level)
		rs, bodies := load()
		for i, r := range rs {
			clean, logged := o.check(t, r.Target, r, bodies[i])
			if level <= 2 && clean != (len(logged) == 0) {
				_, in := o.ask(r, bodies[i])
				t.Errorf("level %d: %s: clean is %v, Coraza logs %v, candidates %+v", level, r.Target, clean, logged, o.prog.Judge(in, nil))
			}
		}
	}
}

func TestReport(t *testing.T) {
	for level := 1; level <= 4; level++ {
		r := oracleAt(t, level).report
		t.Logf("level %d: %d rules, %d detections, %d folded, always %v", level, r.Rules, r.Detections, r.Folded, r.Always)
		for _, u := range r.Unknown {
			t.Logf("unknown: %d %s", u.Rule, u.Reason)
		}
		if len(r.Always) > 0 {
			t.Errorf("level %d: rules %v are said to match every request", level, r.Always)
		}
	}
}
