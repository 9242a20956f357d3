package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/store"
)

func TestFirstStart(t *testing.T) {
	s := newSite(t)
	if some, err := s.HasPeople(t.Context()); err != nil || some {
		t.Fatalf("HasPeople = %v, %v", some, err)
	}
	link, err := s.SignInLink(t.Context(), "admin")
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(link, s.url)
	secret := strings.TrimPrefix(path, "/link/")
	use := func(password, again string) answer {
		return s.post("/link", url.Values{"secret": {secret}, "password": {password}, "again": {again}})
	}
	for range 3 { // looking does not spend it
		if a := s.get(path); a.StatusCode != http.StatusOK || !strings.Contains(a.body, `value="admin"`) {
			t.Fatalf("GET link: %s", a.Status)
		}
	}
	for _, bad := range [][2]string{{"short", "short"}, {goodPassword, "another"}, {"aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa"}, {"Password1234", "Password1234"}, {"admin-of-this", "admin-of-this"}} {
		if a := use(bad[0], bad[1]); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, `role="alert"`) {
			t.Errorf("password %q, %q: %s", bad[0], bad[1], a.Status)
		}
	}
	if a := use(goodPassword, goodPassword); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/" {
		t.Fatalf("use link: %s", a.Status)
	}
	if a := s.get("/"); a.StatusCode != http.StatusOK {
		t.Errorf("after the link: %s", a.Status)
	}
	s.client = s.browser()
	if a := use("", ""); a.StatusCode != http.StatusGone {
		t.Errorf("a spent link: %s", a.Status)
	}
	if a := s.get(path); a.StatusCode != http.StatusGone {
		t.Errorf("GET a spent link: %s", a.Status)
	}
	if a := s.post("/sign-in", url.Values{"name": {"Admin"}, "password": {goodPassword}, "to": {"/incidents?site=a"}}); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/incidents?site=a" {
		t.Errorf("sign in: %s to %q", a.Status, a.Header.Get("Location"))
	}
}

func TestLinkExpires(t *testing.T) {
	s := newSite(t)
	link, err := s.SignInLink(t.Context(), "admin")
	if err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return time.Now().Add(linkLife + time.Minute) }
	if a := s.get(strings.TrimPrefix(link, s.url)); a.StatusCode != http.StatusGone {
		t.Errorf("an old link: %s", a.Status)
	}
}

func TestSignInTellsNothing(t *testing.T) {
	s := newSite(t).signedIn()
	s.client = s.browser()
	wrong := s.post("/sign-in", url.Values{"name": {"admin"}, "password": {"wrong wrong wrong"}})
	nobody := s.post("/sign-in", url.Values{"name": {"nobody"}, "password": {"wrong wrong wrong"}})
	if wrong.StatusCode != http.StatusUnauthorized || nobody.StatusCode != wrong.StatusCode {
		t.Errorf("wrong password: %s, unknown name: %s", wrong.Status, nobody.Status)
	}
	if a, b := strings.ReplaceAll(wrong.body, "admin", "X"), strings.ReplaceAll(nobody.body, "nobody", "X"); a != b {
		t.Error("a wrong password and an unknown name are answered differently")
	}
	if len(wrong.Cookies()) > 0 {
		t.Errorf("a failed sign-in sets %v", wrong.Cookies())
	}
}

func TestSignInIsThrottled(t *testing.T) {
	for _, name := range []string{"admin", "nobody"} {
		s := newSite(t).signedIn()
		start := time.Now()
		s.now = func() time.Time { return start }
		s.client = s.browser()
		try := func() answer {
			return s.post("/sign-in", url.Values{"name": {name}, "password": {"x"}})
		}
		for i := range nameBurst {
			if a := try(); a.StatusCode != http.StatusUnauthorized {
				t.Fatalf("%s: attempt %d: %s", name, i, a.Status)
			}
		}
		a := try()
		if a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: one attempt too many: %s", name, a.Status)
		}
		s.now = func() time.Time { return start.Add(nameEvery) }
		if a := try(); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: after a pause: %s", name, a.Status)
		}
	}
}

func TestThrottleForgets(t *testing.T) {
	th := newThrottle()
	now := time.Now()
	for i := range maxThrottled + 10 {
		th.allow(now, fmt.Sprint(i), "")
	}
	if n := len(th.entries); n > maxThrottled {
		t.Errorf("%d entries are kept", n)
	}
}

func TestSessionCookie(t *testing.T) {
	s := newSite(t)
	for _, tc := range []struct {
		secure bool
		name   string
	}{{false, "qorgan"}, {true, "__Host-qorgan"}} {
		s.secure = tc.secure
		c := s.cookie("x", 1)
		if c.Name != tc.name || c.Secure != tc.secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("secure %v: %v", tc.secure, c)
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	s := newSite(t).signedIn()
	signedIn := func() bool { return s.get("/").StatusCode == http.StatusOK }
	start := time.Now()
	for _, tc := range []struct {
		name  string
		steps []time.Duration
		want  bool
	}{
		{"used every twenty hours for six days", []time.Duration{20, 20, 20, 20, 20, 20, 20}, true},
		{"unused for 25 hours", []time.Duration{25}, false},
		{"used for more than a week", []time.Duration{20, 20, 20, 20, 20, 20, 20, 20, 9}, false},
	} {
		s.now = func() time.Time { return start }
		s.client = s.browser()
		if a := s.post("/sign-in", url.Values{"name": {"admin"}, "password": {goodPassword}}); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("sign in: %s", a.Status)
		}
		got, at := true, start
		for _, step := range tc.steps {
			at = at.Add(step * time.Hour)
			s.now = func() time.Time { return at }
			got = signedIn()
		}
		if got != tc.want {
			t.Errorf("%s: signed in = %v", tc.name, got)
		}
		start = at.Add(time.Hour)
	}
}

func TestSignOutAndSignInRenewTheSession(t *testing.T) {
	s := newSite(t).signedIn()
	where, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	before := s.client.Jar.Cookies(where)[0]
	if a := s.post("/sign-in", url.Values{"name": {"admin"}, "password": {goodPassword}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign in: %s", a.Status)
	}
	after := s.client.Jar.Cookies(where)[0]
	if before.Value == after.Value || len(after.Value) < 43 {
		t.Errorf("the session is not renewed: %q, %q", before.Value, after.Value)
	}
	old := s.browser()
	old.Jar.SetCookies(where, []*http.Cookie{before})
	current := s.client
	s.client = old
	if a := s.get("/"); a.StatusCode == http.StatusOK {
		t.Error("the session before the sign-in is still good")
	}
	s.client = current
	if a := s.post("/sign-out", nil); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign out: %s", a.Status)
	}
	s.client = s.browser()
	s.client.Jar.SetCookies(where, []*http.Cookie{after})
	if a := s.get("/"); a.StatusCode == http.StatusOK {
		t.Error("a session is good after sign-out")
	}
}

func TestOtherSitesChangeNothing(t *testing.T) {
	s := newSite(t).signedIn()
	for _, r := range s.table() {
		method, path, _ := strings.Cut(r.pattern, " ")
		if method != "POST" {
			continue
		}
		for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
			if a := s.post(path, url.Values{"language": {"ru"}}, headers...); a.StatusCode != http.StatusForbidden {
				t.Errorf("%s with %v: %s", path, headers, a.Status)
			}
		}
	}
	if a := s.get("/"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, `<html lang="en">`) {
		t.Error("another site changed something")
	}
}

func TestOwnPath(t *testing.T) {
	for in, want := range map[string]string{
		"/": "/", "/incidents?site=a": "/incidents?site=a", "": "/", "//evil.example": "/", "https://evil.example": "/",
		`/\evil.example`: "/", "javascript:alert(1)": "/", "/\tx": "/", "evil": "/",
	} {
		if got := ownPath(in); got != want {
			t.Errorf("ownPath(%q) = %q; want %q", in, got, want)
		}
	}
}

func TestChangePassword(t *testing.T) {
	s := newSite(t).signedIn()
	other := s.client
	s.client = s.browser()
	if a := s.post("/sign-in", url.Values{"name": {"admin"}, "password": {goodPassword}}); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	const next = "құдық тас бұлт алма"
	if a := s.post("/account/password", url.Values{"old": {"wrong"}, "password": {next}, "again": {next}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a wrong old password: %s", a.Status)
	}
	if a := s.post("/account/password", url.Values{"old": {goodPassword}, "password": {next}, "again": {next}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("change: %s", a.Status)
	}
	if a := s.get("/account"); a.StatusCode != http.StatusOK {
		t.Errorf("the session that changed it: %s", a.Status)
	}
	s.client = other
	if a := s.get("/account"); a.StatusCode == http.StatusOK {
		t.Error("another session outlives a new password")
	}
	s.client = s.browser()
	if a := s.post("/sign-in", url.Values{"name": {"admin"}, "password": {goodPassword}}); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("the old password: %s", a.Status)
	}
	if a := s.post("/sign-in", url.Values{"name": {"admin"}, "password": {next}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the new password: %s", a.Status)
	}
}

func TestLanguageIsRemembered(t *testing.T) {
	s := newSite(t)
	if a := s.post("/language", url.Values{"language": {"kk"}, "back": {"/sign-in"}}); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/sign-in" {
		t.Fatalf("choose: %s", a.Status)
	}
	if a := s.get("/sign-in", "Accept-Language", "ru"); !strings.Contains(a.body, `<html lang="kk">`) || !strings.Contains(a.body, "Құпиясөз") {
		t.Error("the browser's choice is forgotten")
	}
	s.signedIn()
	if a := s.post("/language", url.Values{"language": {"ru"}, "back": {"https://evil.example"}}); a.Header.Get("Location") != "/" {
		t.Errorf("leads to %q", a.Header.Get("Location"))
	}
	s.client = s.browser()
	if a := s.post("/sign-in", url.Values{"name": {"admin"}, "password": {goodPassword}}); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	if a := s.get("/", "Accept-Language", "en"); !strings.Contains(a.body, `<html lang="ru">`) {
		t.Error("the person's choice is forgotten")
	}
	if a := s.post("/language", url.Values{"language": {"xx"}}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("an unknown language: %s", a.Status)
	}
}

func TestHashes(t *testing.T) {
	h := newHasher(1)
	hash, err := h.hash(t.Context(), goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(hash, goodPassword) {
		t.Errorf("hash = %q", hash)
	}
	for _, tc := range []struct {
		hash, password string
		want           bool
	}{{hash, goodPassword, true}, {hash, "another", false}, {"", "", false}, {"", goodPassword, false}} {
		if got, err := h.verify(t.Context(), tc.hash, tc.password); got != tc.want || err != nil {
			t.Errorf("verify(%.10q, %q) = %v, %v", tc.hash, tc.password, got, err)
		}
	}
	if _, err := h.verify(t.Context(), "$argon2id$v=19$m=x$a$b", "x"); err == nil {
		t.Error("a broken hash is no error")
	}
}

func TestStateOfSites(t *testing.T) {
	s := newSite(t)
	site := func(mode config.Mode) *config.Site { return &config.Site{Name: string(mode), Mode: mode} }
	for _, tc := range []struct {
		name  string
		sites []*config.Site
		page  overviewPage
		want  string
	}{
		{"nothing known, nothing happened", nil, overviewPage{}, "quiet"},
		{"nothing known, something stopped", nil, overviewPage{Stopped: 1}, "safe"},
		{"nothing known, something noted", nil, overviewPage{Noted: 1}, "watching"},
		{"blocks, nothing happened", []*config.Site{site(config.Block)}, overviewPage{}, "quiet"},
		{"blocks", []*config.Site{site(config.Block)}, overviewPage{Stopped: 1}, "safe"},
		{"detects, though something was stopped before", []*config.Site{site(config.Detect)}, overviewPage{Stopped: 1}, "watching"},
		{"off", []*config.Site{site(config.Off)}, overviewPage{Stopped: 1}, "off"},
	} {
		s.options.Sites = nil
		if tc.sites != nil {
			s.options.Sites = func() []*config.Site { return tc.sites }
		}
		if _, got := s.state(&visit{scope: store.Whole()}, &tc.page, tc.sites); got != tc.want {
			t.Errorf("%s: %q; want %q", tc.name, got, tc.want)
		}
	}
}
