package console

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/qorgan/qorgan/event"
)

// TestWordsInEveryLanguage holds the files side by side: the same keys, the
// same blanks, as many forms as the language counts.
func TestWordsInEveryLanguage(t *testing.T) {
	w, err := loadWords()
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]int{"en": 2, "ru": 3, "kk": 1}
	blank := regexp.MustCompile(`\{[a-z]+\}`)
	blanks := func(s string) []string {
		found := blank.FindAllString(s, -1)
		slices.Sort(found)
		return slices.Compact(found)
	}
	english := w.languages[0]
	for _, l := range w.languages {
		for key, text := range english.texts {
			other, ok := l.texts[key]
			if !ok {
				t.Errorf("%s lacks %s", l.Tag, key)
				continue
			}
			plural := strings.Contains(text, "|")
			if n := len(strings.Split(other, "|")); plural && n != forms[l.Tag] && n != 1 || !plural && n != 1 {
				t.Errorf("%s: %s has %d forms", l.Tag, key, n)
			}
			a, b := blanks(text), blanks(other)
			if plural { // one form may spell its number out
				a, b = without(a, "{n}"), without(b, "{n}")
			}
			if !slices.Equal(a, b) {
				t.Errorf("%s: %s has %v; English has %v", l.Tag, key, b, a)
			}
		}
		for key := range l.texts {
			if !english.has(key) {
				t.Errorf("%s has %s, which English has not", l.Tag, key)
			}
		}
	}
	for _, class := range event.Classes {
		for _, part := range []string{"name", "tried", "what", "harm"} {
			if key := "class." + string(class) + "." + part; !english.has(key) {
				t.Errorf("no words for %s", key)
			}
		}
	}
}

func without(list []string, word string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == word })
}

// TestWordsAreUsed finds keys that no page and no code asks for, and keys
// that a template asks for and nobody wrote.
func TestWordsAreUsed(t *testing.T) {
	w, err := loadWords()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, pattern := range []string{"*.go", "templates/*.html"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(b)
		}
	}
	all := text.String()
	composed := []string{"class.", "where.", "span.", "action.", "filter.", "headline.", "author.", "need.", "ago.", "mode.", "act.", "cert.",
		"place.", "taken.who-", "proof.as-", "mistake.why.", "exclusions.done.", "exclusions.failed.", "people.done.", "tenants.done.", "tenants.level-", "role.",
		"alerts.by.", "alerts.cause.", "alerts.rule.", "alerts.count", "alerts.within", "letter.", "decisions.done.", "decisions.kind.", "decisions.wrong."}
	for key := range w.languages[0].texts {
		used := strings.Contains(all, `"`+key+`"`) || strings.HasSuffix(key, ".do") && strings.Contains(all, `"`+strings.TrimSuffix(key, ".do")+`"`)
		for _, prefix := range composed {
			used = used || strings.HasPrefix(key, prefix)
		}
		if !used {
			t.Errorf("nothing uses %s", key)
		}
	}
	for _, m := range regexp.MustCompile(`(?:\{\{|\(|\$|words|\bl)\.[TN][ (]"([a-z.-]+)"`).FindAllStringSubmatch(all, -1) {
		if !w.languages[0].has(m[1]) && !strings.HasSuffix(m[1], ".") {
			t.Errorf("no words for %s", m[1])
		}
	}
}

// TestTemplatesHaveNoTextOfTheirOwn parses every template as HTML with its
// actions taken out and looks for letters where a reader would see them.
func TestTemplatesHaveNoTextOfTheirOwn(t *testing.T) {
	action := regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	letters := regexp.MustCompile(`\p{L}{2,}`)
	seen := []string{"title", "alt", "placeholder", "aria-label"}
	// What is typed into machines is the same in every language.
	allowed := regexp.MustCompile(`^(mode: block|qorgan explain|qorgan link|/\?q=<script>alert\(1\)</script>|203\.0\.113\.0/24)$`)
	files, err := filepath.Glob("templates/*.html")
	if err != nil || len(files) < 7 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := html.Parse(strings.NewReader(action.ReplaceAllString(string(b), "")))
		if err != nil {
			t.Fatal(err)
		}
		check := func(s string) {
			if s = strings.TrimSpace(s); letters.MatchString(s) && !allowed.MatchString(s) {
				t.Errorf("%s says %q by itself", f, s)
			}
		}
		for n := range doc.Descendants() {
			switch {
			case n.Type == html.TextNode && n.Parent.Data != "script":
				check(n.Data)
			case n.Type == html.ElementNode:
				for _, a := range n.Attr {
					if slices.Contains(seen, a.Key) {
						check(a.Val)
					}
				}
			}
		}
	}
}

func TestParseWordsRefusesMistakes(t *testing.T) {
	for _, text := range []string{"a", "a =", "= b", "a = b\na = c"} {
		if _, err := parseWords(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestPlurals(t *testing.T) {
	w, err := loadWords()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		language string
		n        int64
		want     string
	}{
		{"en", 1, "1 incident."}, {"en", 0, "0 incidents."}, {"en", 1234, "1,234 incidents."}, {"en", 1234567, "1,234,567 incidents."},
		{"ru", 1, "1 инцидент."}, {"ru", 3, "3 инцидента."}, {"ru", 5, "5 инцидентов."}, {"ru", 11, "11 инцидентов."},
		{"ru", 21, "21 инцидент."}, {"ru", 112, "112 инцидентов."}, {"ru", 12345, "12\u202f345 инцидентов."}, {"ru", 1234, "1234 инцидента."},
		{"kk", 1, "1 оқиға."}, {"kk", 25, "25 оқиға."},
	} {
		if got := w.byTag(tc.language).N("list.count", tc.n); got != tc.want {
			t.Errorf("%s, %d: %q; want %q", tc.language, tc.n, got, tc.want)
		}
	}
}

func TestTimesInWords(t *testing.T) {
	w, err := loadWords()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 2, 0, 30, 0, 0, time.UTC)
	for _, tc := range []struct {
		language string
		t        time.Time
		when     string
		ago      string
	}{
		{"en", now.Add(-20 * time.Minute), "00:10", "20 minutes ago"},
		{"en", now.Add(-40 * time.Minute), "yesterday, 23:50", "40 minutes ago"},
		{"ru", now.Add(-25 * time.Hour), "31 декабря 2025 г., 23:30", "25 часов назад"},
		{"ru", now.Add(-21 * time.Minute), "00:09", "21 минуту назад"},
		{"kk", now.Add(-72 * time.Hour), "2025 жылғы 30 желтоқсан, 00:30", "3 күн бұрын"},
	} {
		l := w.byTag(tc.language)
		if got := l.When(tc.t, now); got != tc.when {
			t.Errorf("%s: When = %q; want %q", tc.language, got, tc.when)
		}
		if got := l.Ago(tc.t, now); got != tc.ago {
			t.Errorf("%s: Ago = %q; want %q", tc.language, got, tc.ago)
		}
	}
}

func TestChooseLanguage(t *testing.T) {
	w, err := loadWords()
	if err != nil {
		t.Fatal(err)
	}
	for accept, want := range map[string]string{
		"": "en", "de": "en", "ru": "ru", "kk-KZ,ru;q=0.8": "kk", "fr, ru;q=0.5, en;q=0.1": "ru", "garbage;;;=": "en", "en-GB,kk;q=0.2": "en",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", accept)
		if got := w.choose(r, nil).Tag; got != want {
			t.Errorf("%q: %s; want %s", accept, got, want)
		}
	}
}
