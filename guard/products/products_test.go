package products

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
)

func newBook(t *testing.T, path string) *Book {
	t.Helper()
	b, err := New(Options{Path: path, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// visit sends one request through b to a site that answers so, and returns what
// the request carried.
func visit(b *Book, target, kind, body string, attack bool) *exchange.Runs {
	x := &exchange.Exchange{Site: &config.Site{Name: "a"}, Profile: "wordpress"}
	r := httptest.NewRequest("GET", target, nil)
	b.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if attack {
			x.Event = &event.Event{}
		}
		w.Header().Set("Content-Type", kind)
		_, _ = io.WriteString(w, body)
	})).ServeHTTP(httptest.NewRecorder(), r.WithContext(exchange.With(r.Context(), x)))
	return x.Runs
}

const page = `<html><head>
<meta name="generator" content="WordPress 6.4.2" />
<meta name='generator' content='Elementor 3.18.3; features: e_dom_optimization' />
<link rel='stylesheet' href='https://a.example.kz/wp-content/plugins/contact-form-7/includes/css/styles.css?ver=5.8.4' />
<script src="/wp-content/plugins/elementor/assets/js/frontend.min.js?ver=3.18.3"></script>
<script src="/wp-content/plugins/old-one/a.js?ver=6.4.2"></script>
<script src="/wp-includes/js/jquery/jquery.min.js?ver=3.7.1"></script>
<script src="/wp-content/plugins/uses-jquery/jquery.js?ver=3.7.1"></script>
<link href="/wp-content/themes/astra/style.css?ver=4.6.0&amp;x=1" rel="stylesheet">
</head><body><p>&lt;script src="/wp-content/plugins/written-by-a-visitor/x.js?ver=1"&gt;</p>
<a href="/wp-content/plugins/linked-by-a-visitor/x.js?ver=1">x</a></body></html>`

func TestSeenInAnswers(t *testing.T) {
	for _, tc := range []struct {
		name, target, kind, body string
		want                     map[string]string
	}{
		{"a page", "/", "text/html; charset=UTF-8", page, map[string]string{
			"core/wordpress": "6.4.2", "plugin/elementor": "3.18.3", "plugin/contact-form-7": "5.8.4",
			"plugin/old-one": "", "plugin/uses-jquery": "", "theme/astra": "4.6.0"}},
		{"the list of the REST API", "/wp-json/", "application/json", `{"name":"x","namespaces":["oembed/1.0","wc/v3","contact-form-7/v1","wp/v2","bad name!/v1"],"routes":{}}`,
			map[string]string{"plugin/woocommerce": "", "plugin/contact-form-7": ""}},
		{"a readme", "/wp-content/plugins/duplicator/readme.txt", "text/plain", "=== Duplicator ===\nStable tag: 1.5.6\n", map[string]string{"plugin/duplicator": "1.5.6"}},
		{"a style sheet that is there", "/wp-content/plugins/akismet/a.css?ver=99", "text/css", "a{}", map[string]string{"plugin/akismet": ""}},
		{"a page in place of a file", "/wp-content/plugins/nothing/a.css?ver=99", "text/html", "<p>not found</p>", nil},
		{"a readme that is none", "/wp-content/plugins/nothing/readme.txt", "text/plain", "Stable tag: 1.5.6\n", nil},
		{"a text of somebody's", "/wp-content/uploads/plugins/readme.txt", "text/plain", "=== X ===\nStable tag: 1.5.6\n", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBook(t, "")
			visit(b, tc.target, tc.kind, tc.body, false)
			runs := b.Seen("a")
			for product, version := range tc.want {
				if !runs.Has(product) || runs.Version(product) != version {
					t.Errorf("%s: seen %v as %q, want %q", product, runs.Has(product), runs.Version(product), version)
				}
			}
			s := b.site("a")
			if len(s.listed) != len(tc.want) {
				t.Errorf("listed %d products, want %d", len(s.listed), len(tc.want))
			}
			if got := visit(b, "/", "image/png", "", false); got != runs {
				t.Error("the next request does not carry what was seen")
			}
		})
	}
}

func TestAnswerToAnAttackIsNoEvidence(t *testing.T) {
	b := newBook(t, "")
	visit(b, "/", "text/html", page, true)
	if b.Seen("a") != nil {
		t.Error("it was taken for evidence")
	}
}

// TestBounded shows a site far more than is kept, as a page that somebody
// filled would: what the site shows every day stays.
func TestBounded(t *testing.T) {
	b := newBook(t, "")
	own := `<script src="/wp-content/plugins/own/a.js?ver=1.2"></script>`
	for i := range 40 {
		var strangers strings.Builder
		for j := range perPage / 2 {
			fmt.Fprintf(&strangers, `<script src="/wp-content/plugins/p-%d-%d/a.js"></script>`, i, j)
		}
		b.note("a", b.site("a"), readPage([]byte(own+strangers.String())))
	}
	if n := len(b.site("a").listed); n > perSite {
		t.Errorf("%d products kept", n)
	}
	if got := b.Seen("a").Version("plugin/own"); got != "1.2" {
		t.Errorf("what is there every day is known as %q", got)
	}
	b.note("a", b.site("a"), readPage([]byte(strings.Repeat(`<script src="/wp-content/plugins/`+strings.Repeat("x", 70)+`/a.js"></script>`, 10))))
	for product := range b.site("a").listed {
		if len(product) > 80 {
			t.Errorf("a name of %d bytes is kept", len(product))
		}
	}
}

func TestSurvivesRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "products")
	b := newBook(t, path)
	visit(b, "/", "text/html", page, false)
	if err := b.Save(); err != nil {
		t.Fatal(err)
	}
	again := newBook(t, path)
	if got := again.Seen("a").Version("plugin/contact-form-7"); got != "5.8.4" {
		t.Errorf("after a restart %q", got)
	}
	if !maps.EqualFunc(b.site("a").listed, again.site("a").listed, func(a, b *entry) bool { return *a == *b }) {
		t.Error("after a restart another list")
	}
}

func FuzzReadPage(f *testing.F) {
	f.Add([]byte(page))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, seen := range []sighting{readPage(text), readIndex(text), readReadme("plugin/x", text)} {
			for product, version := range seen {
				_, slug, ok := strings.Cut(product, "/")
				if !ok || !isSlug(slug) || len(version) > 32 {
					t.Errorf("product %q, version %q", product, version)
				}
			}
		}
	})
}
