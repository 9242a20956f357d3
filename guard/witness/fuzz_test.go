package witness

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http/httpguts"
)

// What a request's cookies are is read as net/http reads them, wherever that
// accepts them.
func FuzzCookies(f *testing.F) {
	f.Add("wordpress_logged_in_a=b%7C1; wordpress_sec_x=y", "c=d")
	f.Add(" a = b ;; =; x", "\"q\"=\"v\"")
	f.Fuzz(func(t *testing.T, a, b string) {
		if !httpguts.ValidHeaderFieldValue(a) || !httpguts.ValidHeaderFieldValue(b) {
			return // no header line
		}
		r := &http.Request{Header: http.Header{"Cookie": {a, b}}}
		var got []string
		eachCookie(r.Header["Cookie"], func(name, value string) bool {
			got = append(got, name+"="+value)
			return true
		})
		for _, c := range r.Cookies() {
			want := c.Name + "=" + c.Value
			if c.Quoted {
				want = c.Name + "=\"" + c.Value + "\""
			}
			found := false
			for _, g := range got {
				found = found || g == want
			}
			if !found && c.Value != "" && !strings.ContainsAny(want, " \t") {
				t.Errorf("%q, %q: %q is missing in %q", a, b, want, got)
			}
		}
		if b, ok := wordpressCookies(r.Header["Cookie"], 0); ok && (!strings.HasPrefix(b.name, loggedIn) || !strings.Contains(a+b.value, b.value)) {
			t.Errorf("bearer %+v", b)
		}
	})
}

func FuzzUnescape(f *testing.F) {
	f.Add("admin%7C12+x%zz%")
	f.Fuzz(func(t *testing.T, s string) {
		got := unescape(s)
		if want, err := url.QueryUnescape(s); err == nil && got != want {
			t.Errorf("unescape(%q) = %q, want %q", s, got, want)
		}
		if len(got) > len(s) {
			t.Errorf("unescape(%q) grew", s)
		}
	})
}

func FuzzSetCookie(f *testing.F) {
	f.Add("wordpress_logged_in_x=a%7C1%7Cb%7Cc; expires=Tue, 08 Dec 2026 20:35:43 GMT; Max-Age=1252800; path=/; HttpOnly")
	f.Add("a=+; Max-Age=0")
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, line string) {
		if !httpguts.ValidHeaderFieldValue(line) {
			return // no header line
		}
		c, ok := readSetCookie(line, now)
		std, err := http.ParseSetCookie(line)
		if err != nil || !ok {
			return
		}
		if c.name != std.Name {
			t.Errorf("%q: name %q, want %q", line, c.name, std.Name)
		}
		if std.MaxAge < 0 && !c.gone {
			t.Errorf("%q deletes its cookie", line)
		}
	})
}

func FuzzSessionsFile(f *testing.F) {
	s := session(1, 2)
	f.Add(appendSession([]byte(magic), &s))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _ = readSessions(raw) // whatever it holds, it is read or refused
	})
}
