package surface

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
)

func TestScript(t *testing.T) {
	for raw, want := range map[string]string{
		"/":                                      "",
		"/2026/11/hello-world/":                  "",
		"/wp-content/uploads/2026/a.photo.jpg":   "",
		"/wp-content/themes/a/style.css":         "",
		"/.phpinfo":                              "",
		"/wp-login.php":                          "/wp-login.php",
		"/index.php/2026/x":                      "/index.php",
		"/WP-LOGIN.PHP":                          "/WP-LOGIN.PHP",
		"/wp-content/uploads/a.phtml":            "/wp-content/uploads/a.phtml",
		"/wp-content/uploads/a.pHp5":             "/wp-content/uploads/a.pHp5",
		"/wp-content/uploads/a.phar":             "/wp-content/uploads/a.phar",
		"/wp-content/uploads/a.php.jpg":          "/wp-content/uploads/a.php.jpg",
		"/wp-content/uploads/a.php%00.jpg":       "/wp-content/uploads/a.php\x00.jpg",
		"/wp-content/uploads/a.php;.jpg":         "/wp-content/uploads/a.php;.jpg",
		"/wp-content/uploads/a.php%20":           "/wp-content/uploads/a.php ",
		"/wp-content/uploads/a.%70hp":            "/wp-content/uploads/a.php",
		"/wp-content/uploads/a.%2570hp":          "/wp-content/uploads/a.php",
		"/wp-content/uploads/a%2Ephp":            "/wp-content/uploads/a.php",
		"/wp-content/uploads/a.jpg/x.php":        "/wp-content/uploads/a.jpg/x.php",
		"//wp-content//uploads/a.php":            "/wp-content/uploads/a.php",
		"/wp-login.php/../wp-content/x.php":      "/wp-content/x.php",
		"/wp-content/uploads/..%2f..%2fx.php":    "/x.php",
		`/wp-content\uploads\x.php`:              "/wp-content/uploads/x.php",
		"/wp-content/uploads/shell.php/wp-login": "/wp-content/uploads/shell.php",
	} {
		if got := script(raw); got != want {
			t.Errorf("script(%q) = %q, want %q", raw, got, want)
		}
	}
}

func TestFits(t *testing.T) {
	for _, tc := range []struct {
		shape, path string
		want        bool
	}{
		{"/pay/callback.php", "/pay/callback.php", true},
		{"/pay/callback.php", "/pay/callback.phpx", false},
		{"/pay/*.php", "/pay/callback.php", true},
		{"/pay/*.php", "/pay/x/callback.php", false},
		{"/pay/{n}.php", "/pay/12.php", true},
		{"/pay/{n}.php", "/pay/.php", false},
		{"/pay/**", "/pay/x/y.php", true},
		{"/pay/**", "/payx/y.php", false},
		{"/*/pay/**", "/ru/pay/y.php", true},
		{"/*/pay/**", "/pay/y.php", false},
		{"/**", "/y.php", true},
	} {
		if got := fits(tc.shape, tc.path); got != tc.want {
			t.Errorf("fits(%q, %q) = %v", tc.shape, tc.path, got)
		}
	}
}

// scene is one request and what became of it.
type scene struct {
	site    *config.Site
	profile string
	rank    exchange.Rank
	head    [2]string
	status  int
}

func newLock(t *testing.T, path string) (*Lock, *[]event.Event) {
	t.Helper()
	var events []event.Event
	l, err := New(Options{Path: path, Logger: zerolog.Nop(), Record: func(e event.Event) { events = append(events, e) }})
	if err != nil {
		t.Fatal(err)
	}
	return l, &events
}

func save(t *testing.T, l *Lock) {
	t.Helper()
	if err := l.Save(); err != nil {
		t.Fatal(err)
	}
}

func (s scene) ask(l *Lock, target string, browser ...string) (passed bool, status int) {
	x := &exchange.Exchange{Site: s.site, Profile: s.profile, Rank: s.rank, Target: target}
	if x.Site == nil {
		x.Site = &config.Site{Name: "a", Mode: config.Block}
	}
	x.Refuse = func(w http.ResponseWriter, _ *http.Request, f exchange.Refusal) { w.WriteHeader(f.Status) }
	r := httptest.NewRequest("GET", "http://a/", nil)
	for i := 0; i+1 < len(browser); i += 2 {
		r.Header.Set(browser[i], browser[i+1])
	}
	w := httptest.NewRecorder()
	l.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		passed = true
		if s.head[0] != "" {
			w.Header().Set(s.head[0], s.head[1])
		}
		w.WriteHeader(max(s.status, 200))
	})).ServeHTTP(w, r.WithContext(exchange.With(r.Context(), x)))
	return passed, w.Code
}

func TestWhatVisitorsMayAskFor(t *testing.T) {
	for _, tc := range []struct {
		profile, target string
		want            bool
	}{
		{"wordpress", "/", true},
		{"wordpress", "/?p=1.php", true},
		{"wordpress", "/wp-content/uploads/2026/photo.jpg", true},
		{"wordpress", "/index.php", true},
		{"wordpress", "/index.php/2026/11/hello/", true},
		{"wordpress", "/wp-login.php?action=lostpassword", true},
		{"wordpress", "/wp-comments-post.php", true},
		{"wordpress", "/wp-cron.php?doing_wp_cron=1", true},
		{"wordpress", "/xmlrpc.php", true},
		{"wordpress", "/wp-admin/admin-ajax.php", true},
		{"wordpress", "/wp-admin/load-scripts.php?c=0", true},
		{"wordpress", "/wp-admin/network/sites.php", true},
		{"wordpress", "/wp-content/plugins/litespeed-cache/guest.vary.php", true},
		{"wordpress", "/koko-analytics-collect.php", true},
		{"wordpress", "/wp-content/uploads/2026/11/shell.php", false},
		{"wordpress", "/wp-content/uploads/index.php", false},
		{"wordpress", "/wp-content/uploads/shell.phtml", false},
		{"wordpress", "/wp-content/uploads/shell.jpg/x.php", false},
		{"wordpress", "/wp-content/uploads/wp-login.php", false},
		{"wordpress", "/wp-content/plugins/revslider/temp/update_extract/x.php", false},
		{"wordpress", "/wp-content/plugins/akismet/akismet.php", false},
		{"wordpress", "/wp-content/themes/twentytwentyone/404.php", false},
		{"wordpress", "/wp-includes/js/tinymce/x.php", false},
		{"wordpress", "/wp-admin/css/colors/blue/x.php", false},
		{"wordpress", "/wp-admin/includes/file.php", false},
		{"wordpress", "/wp-admin/shell.php", false},
		{"wordpress", "/wp-config.php", false},
		{"wordpress", "/wp-load.php", false},
		{"wordpress", "/alfa.php", false},
		{"wordpress", "/.well-known/wp-login.php", false},
		{"wordpress", "/blog/index.php", false},
		{"wordpress", "/blog/wp-login.php", true},
		{"joomla", "/administrator/index.php?option=com_content", true},
		{"joomla", "/images/x.php", false},
		{"joomla", "/components/com_foxcontact/lib/uploader.php", false},
		{"drupal", "/core/install.php", true},
		{"drupal", "/core/modules/statistics/statistics.php", true},
		{"drupal", "/sites/default/files/x.php", false},
		{"opencart", "/index.php?route=product/product", true},
		{"opencart", "/admin/index.php?route=common/dashboard", true},
		{"opencart", "/shop-office/index.php", true},
		{"opencart", "/image/index.php", false},
		{"opencart", "/image/catalog/index.php", false},
		{"opencart", "/system/storage/x.php", false},
		{"bitrix", "/about/index.php", true},
		{"bitrix", "/bitrix/admin/1c_exchange.php", true},
		{"bitrix", "/upload/x.php", false},
		{"bitrix", "/UPLOAD/iblock/x.php", false},
		{"bitrix", "/bitrix/cache/x.php", false},
		{"generic", "/anything.php", true},
	} {
		l, events := newLock(t, "")
		passed, status := scene{profile: tc.profile}.ask(l, tc.target)
		if passed != tc.want || !tc.want && status != 403 {
			t.Errorf("%s %s: passed %v with %d", tc.profile, tc.target, passed, status)
		}
		if got := len(*events) == 1 && (*events)[0].Kind == event.KindSurface && (*events)[0].Reason == ReasonShut && (*events)[0].Status == 403; got == tc.want {
			t.Errorf("%s %s: events %v", tc.profile, tc.target, *events)
		}
	}
}

func TestOwnersWord(t *testing.T) {
	for name, tc := range map[string]struct {
		site *config.Site
		want int
	}{
		"allowed":  {&config.Site{Mode: config.Block, Surface: config.Surface{Allow: []string{"/pay/*.php"}}}, 200},
		"other":    {&config.Site{Mode: config.Block, Surface: config.Surface{Allow: []string{"/shop/*.php"}}}, 403},
		"open":     {&config.Site{Mode: config.Block, Surface: config.Surface{Open: true}}, 200},
		"off":      {&config.Site{Mode: config.Off}, 200},
		"detected": {&config.Site{Mode: config.Detect}, 200},
	} {
		l, events := newLock(t, "")
		if _, status := (scene{site: tc.site, profile: "wordpress"}).ask(l, "/pay/callback.php"); status != tc.want {
			t.Errorf("%s: %d", name, status)
		}
		if name == "detected" && (len(*events) != 2 || (*events)[0].Action != event.Detected || (*events)[1].Reason != ReasonAnswered) {
			t.Errorf("%s: %v", name, *events)
		}
	}
}

func TestFirstAnswerOfAStranger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "surface")
	l, events := newLock(t, path)
	s := scene{profile: "wordpress", rank: exchange.Admin, status: 404}
	s.ask(l, "/wp-content/plugins/a/popup.php")
	if len(*events) != 0 {
		t.Errorf("404 made %v", *events)
	}
	s.status = 200
	for range 3 {
		s.ask(l, "/wp-content/plugins/a/popup.php")
	}
	if len(*events) != 1 || (*events)[0].Reason != ReasonAnswered || (*events)[0].Author != "admin" {
		t.Errorf("events %v", *events)
	}
	save(t, l)
	l, events = newLock(t, path)
	s.ask(l, "/wp-content/plugins/a/popup.php")
	if len(*events) != 0 {
		t.Error("told again after a restart")
	}
	if passed, _ := (scene{profile: "wordpress", rank: exchange.Member}).ask(l, "/wp-content/plugins/a/popup.php"); passed {
		t.Error("what an admin used was opened to everyone")
	}
}

func TestWhatPublicPagesLoadIsLearned(t *testing.T) {
	const target = "/wp-content/themes/shop/css/custom.php"
	public := []string{"Referer", "http://a/2026/hello/", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "style"}
	for name, tc := range map[string]struct {
		rank    exchange.Rank
		browser []string
		want    bool
	}{
		"author on a public page": {exchange.Author, public, true},
		"visitor":                 {exchange.Visitor, public, false},
		"member":                  {exchange.Member, public, false},
		"from the admin area":     {exchange.Admin, []string{"Referer", "http://a/wp-admin/", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "style"}, false},
		"typed":                   {exchange.Admin, []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Dest", "document"}, false},
		"another site":            {exchange.Admin, []string{"Referer", "http://b/", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "style"}, false},
		"opened as a page":        {exchange.Admin, []string{"Referer", "http://a/", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "document"}, false},
	} {
		path := filepath.Join(t.TempDir(), "surface")
		l, _ := newLock(t, path)
		scene{profile: "wordpress", rank: tc.rank}.ask(l, target, tc.browser...)
		save(t, l)
		l, _ = newLock(t, path)
		if passed, _ := (scene{profile: "wordpress"}).ask(l, target); passed != tc.want {
			t.Errorf("%s: open to visitors: %v", name, passed)
		}
		if got := slices.Equal(l.Learned("a"), []string{target}); got != tc.want {
			t.Errorf("%s: learned %v", name, l.Learned("a"))
		}
	}
}

func TestWordPressBelowTheRoot(t *testing.T) {
	l, _ := newLock(t, "")
	scene{profile: "wordpress"}.ask(l, "/blog/wp-login.php") // a page that is no WordPress
	if passed, _ := (scene{profile: "wordpress"}).ask(l, "/blog/wp-cron.php"); passed {
		t.Error("a folder was opened without a front door")
	}
	scene{profile: "wordpress", head: [2]string{"Set-Cookie", "wordpress_test_cookie=WP%20Cookie%20check; path=/blog/"}}.ask(l, "/blog/wp-login.php")
	for target, want := range map[string]bool{
		"/blog/wp-cron.php": true, "/blog/wp-admin/admin-ajax.php": true, "/blog/wp-content/uploads/x.php": false, "/news/wp-cron.php": false,
	} {
		if passed, _ := (scene{profile: "wordpress"}).ask(l, target); passed != want {
			t.Errorf("%s: passed %v", target, passed)
		}
	}
}

func TestUnreadableMemoryIsSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "surface")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	newLock(t, path)
	if _, err := os.Stat(path + ".unreadable"); err != nil {
		t.Error(err)
	}
}

func FuzzScriptFindsEveryPHP(f *testing.F) {
	f.Add("a", "b")
	f.Add("%2e%2e/", "index")
	f.Fuzz(func(t *testing.T, before, name string) {
		// However a path is dressed, a plain .php segment in it that survives
		// cleaning is found.
		raw := "/" + before + "/" + name + ".php"
		p := script(raw)
		if p == "" && !containsDots(before+name) {
			t.Errorf("script(%q) is empty", raw)
		}
	})
}

func containsDots(s string) bool {
	for i := range len(s) {
		if s[i] == '.' || s[i] == '%' || s[i] == '\\' {
			return true
		}
	}
	return false
}

func BenchmarkStaticFile(b *testing.B) {
	l, err := New(Options{Logger: zerolog.Nop(), Record: func(event.Event) {}})
	if err != nil {
		b.Fatal(err)
	}
	x := &exchange.Exchange{Site: &config.Site{Name: "a"}, Profile: "wordpress", Target: "/wp-content/uploads/2026/11/a-photo-of-the-steppe-1024x768.jpg"}
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(exchange.With(r.Context(), x))
	n := 0
	h := l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n++ }))
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
	if n == 0 {
		b.Fatal("refused")
	}
}
