package console

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/console/store/storetest"
	"github.com/qorgan/qorgan/event"
)

const goodPassword = "төрт сөз бірге тұр"

// site is a console on a real socket, and a browser's cookies.
type site struct {
	*Server
	t      *testing.T
	url    string
	client *http.Client
}

func newSite(t *testing.T, events ...event.Event) *site {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), store.File))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Insert(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	server, err := New(Options{Store: db, Logger: zerolog.Nop(), Location: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server.Handler())
	t.Cleanup(web.Close)
	server.options.BaseURL = web.URL
	s := &site{Server: server, t: t, url: web.URL}
	s.client = s.browser()
	return s
}

// browser returns a client with cookies of its own that follows no redirect.
func (s *site) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// answer is a response that was read.
type answer struct {
	*http.Response
	body string
}

func (s *site) do(r *http.Request) answer {
	s.t.Helper()
	response, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{response, string(body)}
}

func (s *site) get(path string, headers ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return s.do(r)
}

func (s *site) post(path string, form url.Values, headers ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", s.url)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return s.do(r)
}

// signedIn goes through the first start's link.
func (s *site) signedIn() *site {
	s.t.Helper()
	link, err := s.SignInLink(s.t.Context(), "admin")
	if err != nil {
		s.t.Fatal(err)
	}
	path := strings.TrimPrefix(link, s.url)
	if a := s.get(path); a.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %s: %s", path, a.Status)
	}
	a := s.post("/link", url.Values{"secret": {strings.TrimPrefix(path, "/link/")}, "password": {goodPassword}, "again": {goodPassword}})
	if a.StatusCode != http.StatusSeeOther {
		s.t.Fatalf("the link does not sign in: %s\n%s", a.Status, a.body)
	}
	return s
}

func TestEveryPageAsksForSignIn(t *testing.T) {
	s := newSite(t)
	for _, r := range s.table() {
		if r.needs == public {
			continue
		}
		method, path, _ := strings.Cut(r.pattern, " ")
		path = strings.NewReplacer("{$}", "", "{id}", "019ab000-0000-7000-8000-000000000000").Replace(path)
		var a answer
		if method == "POST" {
			a = s.post(path, nil)
		} else {
			a = s.get(path)
		}
		if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/sign-in") {
			t.Errorf("%s: %s to %q", r.pattern, a.Status, a.Header.Get("Location"))
		}
		if strings.Contains(a.body, "kitap") {
			t.Errorf("%s tells a stranger something", r.pattern)
		}
	}
}

func TestHeadersOnEveryAnswer(t *testing.T) {
	s := newSite(t)
	for _, a := range []answer{
		s.get("/"), s.get("/sign-in"), s.get("/nothing"), s.get("/healthz"), s.get(s.assets.path("style.css")),
		s.post("/sign-in", nil, "Sec-Fetch-Site", "cross-site"), s.get("/assets/0/style.css"),
	} {
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "same-origin", "X-Frame-Options": "DENY",
		} {
			if got := a.Header.Get(name); !strings.HasPrefix(got, want) {
				t.Errorf("%s %s: %s = %q", a.Request.Method, a.Request.URL.Path, name, got)
			}
		}
		if p := a.Header.Get("Content-Security-Policy"); strings.Contains(p, "unsafe") || !strings.Contains(p, "frame-ancestors 'none'") {
			t.Errorf("policy = %q", p)
		}
	}
}

func TestPagesCarryNothingInline(t *testing.T) {
	s := newSite(t, storetest.Story(30, time.Now().Add(-48*time.Hour), time.Now(), 1)...).signedIn()
	inline := regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>\s*[^<\s]|<style|\sstyle=|\son[a-z]+=\s*"|javascript:`)
	for _, path := range s.everyPage() {
		a := s.get(path)
		if a.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, a.Status)
		}
		if found := inline.FindString(a.body); found != "" {
			t.Errorf("%s has %q", path, found)
		}
		if strings.Contains(a.body, "⟨") {
			t.Errorf("%s lacks words: %s", path, regexp.MustCompile(`⟨[^⟩]*⟩`).FindString(a.body))
		}
	}
}

// everyPage returns the address of every page, of an incident of each class
// that is stored too.
func (s *site) everyPage() []string {
	s.t.Helper()
	page, err := s.db.Events(s.t.Context(), store.Whole(), store.Query{Limit: 1000})
	if err != nil {
		s.t.Fatal(err)
	}
	pages := []string{"/", "/incidents", "/incidents?text=union&site=kitap.kz&span=week", "/incidents?rule=x&class=y", "/account", "/sites", "/edges", "/trail"}
	seen := map[string]bool{}
	for _, e := range page.Events {
		if kind := string(e.Class()) + string(e.Action); !seen[kind] {
			seen[kind] = true
			pages = append(pages, "/incidents/"+e.ID)
		}
	}
	return pages
}

// TestLook serves a console full of invented incidents until it is
// interrupted, for whoever works on the pages. Everybody is signed in.
func TestLook(t *testing.T) {
	listen := os.Getenv("QORGAN_LOOK")
	if listen == "" {
		t.Skip("set QORGAN_LOOK=127.0.0.1:7070 to look at the pages")
	}
	now := time.Now()
	s := newSite(t, storetest.Story(900, now.Add(-9*24*time.Hour), now.Add(-time.Minute), 7)...).signedIn()
	s.options.Sites = func() []*config.Site {
		return []*config.Site{
			{Name: "kitap.kz", Hosts: []string{"kitap.kz", "www.kitap.kz"}, Mode: config.Block, Profile: "wordpress", Level: 1},
			{Name: "gulder.example.kz", Mode: config.Block, Profile: "opencart", Level: 1, Exclusions: make([]config.Exclusion, 2)},
			{Name: "mektep-12.edu.kz", Mode: config.Block, Profile: "bitrix", Level: 2},
			{Name: "nan.kz", Hosts: []string{"nan.kz", "*.nan.kz"}, Mode: config.Detect, Profile: "wordpress", Level: 1},
			{Name: "tau.kz", Mode: config.Block, Profile: "generic", Level: 1},
		}
	}
	s.options.Certificates = func() Certificates {
		return Certificates{Names: []Certificate{
			{Name: "nan.kz", State: "expired", NotAfter: now.Add(-24 * time.Hour), Cause: "unreached", Error: "connection refused", Next: now.Add(time.Hour)},
			{Name: "tau.kz", State: "late", NotAfter: now.Add(5 * 24 * time.Hour), Cause: "ends", File: "/etc/qorgan/tau.pem"},
			{Name: "kitap.kz", State: "valid", NotAfter: now.Add(30 * 24 * time.Hour), Next: now.Add(15 * 24 * time.Hour)},
			{Name: "https://10.0.0.5", State: "late", NotAfter: now.Add(6 * 24 * time.Hour), Cause: "upstream-ends", Error: "its certificate ends soon, and no newer one is shown", Upstream: true},
			{Name: "https://10.0.0.6", State: "failed", NotAfter: now.Add(60 * 24 * time.Hour), Cause: "upstream-name", Error: "its certificate is for cms.example.kz, not for 10.0.0.6", Upstream: true},
			{Name: "https://10.0.0.7", State: "valid", NotAfter: now.Add(80 * 24 * time.Hour), Upstream: true},
		}}
	}
	cookies := s.client.Jar.Cookies(&url.URL{Scheme: "http", Host: strings.TrimPrefix(s.url, "http://")})
	t.Log("http://" + listen)
	err := http.ListenAndServe(listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/sign-in") && !strings.HasPrefix(r.URL.Path, "/link") {
			for _, c := range cookies {
				r.AddCookie(c)
			}
		}
		if r.URL.Path == "/incidents/later" { // something new for whoever watches the list
			now := time.Now()
			if err := s.db.Insert(r.Context(), storetest.Story(1, now.Add(-time.Second), now, uint64(now.Unix()))); err != nil {
				t.Log(err)
			}
		}
		s.Handler().ServeHTTP(w, r)
	}))
	t.Log(err)
}
