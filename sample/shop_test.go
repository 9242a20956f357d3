package sample

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func visitor(t *testing.T) (base string, c *http.Client) {
	t.Helper()
	s := httptest.NewServer(New())
	t.Cleanup(s.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.URL, &http.Client{Jar: jar}
}

func read(t *testing.T, w *http.Response, err error) (int, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.StatusCode, string(b)
}

func TestWhatIsSentComesBackEscaped(t *testing.T) {
	base, c := visitor(t)
	const attack = `<script>alert(1)</script>"'`
	w, err := c.Get(base + "/search?q=" + url.QueryEscape(attack))
	if status, page := read(t, w, err); status != 200 || strings.Contains(page, "<script") || !strings.Contains(page, "&lt;script&gt;") {
		t.Errorf("search: %d\n%s", status, page)
	}
	w, err = c.PostForm(base+"/goods/steppe-tea/comments", url.Values{"name": {attack}, "text": {attack}})
	if status, page := read(t, w, err); status != 200 || strings.Contains(page, "<script") || strings.Count(page, "&lt;script&gt;") != 2 {
		t.Errorf("comment: %d\n%s", status, page)
	}
}

func TestPages(t *testing.T) {
	base, c := visitor(t)
	for _, tc := range []struct {
		path   string
		status int
		has    string
	}{
		{"/", 200, "Mountain honey"},
		{"/search?q=TEA", 200, "Steppe tea"},
		{"/search?q=xyz", 200, "Nothing by that name"},
		{"/goods/wooden-bowl", 200, "12500 ₸"},
		{"/goods/gold", 404, ""},
		{"/login", 200, "password"},
		{"/style.css", 200, "--ink"},
		{"/wp-login.php", 404, ""},
	} {
		w, err := c.Get(base + tc.path)
		if status, page := read(t, w, err); status != tc.status || !strings.Contains(page, tc.has) {
			t.Errorf("%s: %d, %q in page: %v", tc.path, status, tc.has, strings.Contains(page, tc.has))
		}
	}
}

func TestSignInAndOut(t *testing.T) {
	base, c := visitor(t)
	w, err := c.PostForm(base+"/login", url.Values{"user": {"demo"}, "password": {"guess"}})
	if status, page := read(t, w, err); status != 403 || !strings.Contains(page, "Sign in</a>") {
		t.Errorf("wrong password: %d", status)
	}
	w, err = c.PostForm(base+"/login", url.Values{"user": {"demo"}, "password": {"demo"}})
	if status, page := read(t, w, err); status != 200 || !strings.Contains(page, "Sign out, demo") {
		t.Errorf("right password: %d", status)
	}
	w, err = c.PostForm(base+"/logout", nil)
	if _, page := read(t, w, err); !strings.Contains(page, "Sign in</a>") {
		t.Error("still signed in after signing out")
	}
}

func TestTheShopForgetsOldComments(t *testing.T) {
	s := New()
	for range maxComments + 10 {
		r := httptest.NewRequest("POST", "/goods/steppe-tea/comments", strings.NewReader("name=a&text=b"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		s.ServeHTTP(httptest.NewRecorder(), r)
	}
	if len(s.comments) != maxComments {
		t.Errorf("%d comments kept, want %d", len(s.comments), maxComments)
	}
}
