package recognise

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
)

// visit sends one request through r to an origin that answers so, and returns
// the profile in force for it.
func visit(r *Recogniser, profile string, attack bool, header [2]string, page string) string {
	x := &exchange.Exchange{Site: &config.Site{Name: "a", Profile: profile}, Profile: profile}
	r.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if attack {
			x.Event = &event.Event{}
		}
		if header[0] != "" {
			w.Header().Add(header[0], header[1])
		}
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		_, _ = io.WriteString(w, page)
	})).ServeHTTP(httptest.NewRecorder(), func() *http.Request {
		req := httptest.NewRequest("GET", "/", nil)
		return req.WithContext(exchange.With(req.Context(), x))
	}())
	return x.Profile
}

func TestRecognisedFromOneAnswer(t *testing.T) {
	for _, tc := range []struct {
		want, name, value, page string
	}{
		{"wordpress", "Link", `<http://a/wp-json/>; rel="https://api.w.org/"`, ""},
		{"wordpress", "X-Pingback", "https://a/xmlrpc.php", ""},
		{"wordpress", "", "", `<html><meta name="generator" content="WordPress 6.1.9" />`},
		{"wordpress", "Location", "https://a/wp-login.php?redirect_to=x", `<link href="/wp-includes/css/x.css">`},
		{"joomla", "", "", `<meta name="generator" content="Joomla! - Open Source Content Management">`},
		{"joomla", "", "", `<script type="application/json" class="joomla-script-options new">`},
		{"drupal", "X-Generator", "Drupal 10 (https://www.drupal.org)", ""},
		{"drupal", "X-Drupal-Cache", "HIT", ""},
		{"bitrix", "X-Powered-CMS", "Bitrix Site Manager (DEMO)", ""},
		{"bitrix", "Set-Cookie", "BITRIX_SM_GUEST_ID=1; path=/", ""},
		{"opencart", "Set-Cookie", "OCSESSID=0123456789abcdef0123456789; path=/", ""},
		{Auto, "Server", "nginx", "<p>We moved from WordPress to Drupal. meta name=&quot;generator&quot; content=&quot;WordPress"},
		{Auto, "", "", `<link href="/wp-includes/a.css"><link href="/core/misc/b.css">`},
		{Auto, "", "", `<link href="/wp-content/a.css">`},
	} {
		t.Run(tc.want+tc.name+tc.page, func(t *testing.T) {
			r, _ := New(Options{Logger: zerolog.Nop()})
			if got := visit(r, Auto, false, [2]string{tc.name, tc.value}, tc.page); got != Auto {
				t.Errorf("profile %q before anything was seen", got)
			}
			got, why := r.Recognised("a")
			if got != tc.want || (why == "") != (tc.want == Auto) {
				t.Errorf("recognised %q by %q, want %q", got, why, tc.want)
			}
			if got := visit(r, Auto, false, [2]string{}, ""); got != tc.want {
				t.Errorf("profile %q, want %q", got, tc.want)
			}
			if got := visit(r, "joomla", false, [2]string{}, ""); got != "joomla" {
				t.Errorf("a profile set by hand became %q", got)
			}
		})
	}
}

func TestAttackIsNoEvidence(t *testing.T) {
	r, _ := New(Options{Logger: zerolog.Nop()})
	visit(r, Auto, true, [2]string{"X-Generator", "Drupal 10"}, "")
	if got, _ := r.Recognised("a"); got != Auto {
		t.Errorf("recognised %q", got)
	}
}

func TestOddPageDoesNotFlipASite(t *testing.T) {
	r, _ := New(Options{Logger: zerolog.Nop()})
	drupal, wp := [2]string{"X-Generator", "Drupal 10"}, [2]string{"X-Redirect-By", "WordPress"}
	for range sample * 6 {
		visit(r, Auto, false, drupal, "")
	}
	for range sample {
		visit(r, Auto, false, wp, "")
	}
	if got, _ := r.Recognised("a"); got != "drupal" {
		t.Errorf("one look made it %q", got)
	}
	n := 0
	for ; n < 20; n++ {
		if got, _ := r.Recognised("a"); got == "wordpress" {
			break
		}
		for range sample {
			visit(r, Auto, false, wp, "")
		}
	}
	if n < 2 || n == 20 {
		t.Errorf("a site that moved was recognised after %d looks", n)
	}
}

func TestSurvivesRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "profiles")
	r, _ := New(Options{Path: path, Logger: zerolog.Nop()})
	visit(r, Auto, false, [2]string{"X-Generator", "Drupal 10"}, "")
	if err := r.Save(); err != nil {
		t.Fatal(err)
	}
	r, err := New(Options{Path: path, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	if got, why := r.Recognised("a"); got != "drupal" || why == "" {
		t.Errorf("after a restart %q by %q", got, why)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err = New(Options{Path: path, Logger: zerolog.Nop()}); err != nil {
		t.Fatal(err)
	}
	if got, _ := r.Recognised("a"); got != Auto {
		t.Errorf("an unreadable file gave %q", got)
	}
}

func BenchmarkRecognised(b *testing.B) {
	r, _ := New(Options{Logger: zerolog.Nop()})
	visit(r, Auto, false, [2]string{"X-Generator", "Drupal 10"}, "")
	x := &exchange.Exchange{Site: &config.Site{Name: "a", Profile: Auto}}
	req := httptest.NewRequest("GET", "/", nil)
	req = req.WithContext(exchange.With(req.Context(), x))
	h := r.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, req)
	}
	if x.Profile != "drupal" {
		b.Fatal(fmt.Sprint(x.Profile))
	}
}

func TestNamelessPagesAreLookedAtLessOften(t *testing.T) {
	r, _ := New(Options{Logger: zerolog.Nop()})
	for range eager {
		visit(r, Auto, false, [2]string{}, "<p>nothing</p>")
	}
	n := 0
	for ; n < 2*sample; n++ {
		if got, _ := r.Recognised("a"); got != Auto {
			break
		}
		visit(r, Auto, false, [2]string{}, `<meta name="generator" content="WordPress 6.1.9" />`)
	}
	if n < 2 || n > sample {
		t.Errorf("recognised after %d pages", n)
	}
}
