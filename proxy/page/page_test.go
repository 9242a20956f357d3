package page

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

func write(t *testing.T, f Refusal, method string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, "/", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	p.Write(w, r, f)
	return w
}

// dump is status, headers in order of name, and body.
func dump(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", w.Code)
	if err := w.Header().Write(&b); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(b.String(), "\r\n", "\n") + "\n" + w.Body.String()
}

func TestGoldenPages(t *testing.T) {
	blocked := Refusal{Status: 403, Code: "QRG-7K2M-9XTP", Contact: "owner@shop.kz"}
	for name, tc := range map[string]struct {
		f      Refusal
		header []string
	}{
		"blocked.en.html":   {blocked, []string{"Accept-Language", "en-GB,en;q=0.9"}},
		"blocked.ru.html":   {blocked, []string{"Accept-Language", "ru-RU,ru;q=0.9,en;q=0.8"}},
		"blocked.kk.html":   {blocked, []string{"Accept-Language", "kk-KZ,ru;q=0.8"}},
		"blocked.en.json":   {blocked, []string{"Accept", "application/json"}},
		"blocked.ru.json":   {blocked, []string{"Accept", "application/json", "Accept-Language", "ru"}},
		"blocked.kk.json":   {blocked, []string{"Accept", "application/json", "Accept-Language", "kk"}},
		"throttled.en.html": {Refusal{Status: 429, Retry: 45 * time.Second, Contact: "https://shop.kz/help"}, nil},
		"shown.en.html":     {Refusal{Status: 403, Code: "QRG-7K2M-9XTP", Certificate: true}, nil},
		"shown.ru.html":     {Refusal{Status: 403, Certificate: true}, []string{"Accept-Language", "ru"}},
		"shown.kk.json":     {Refusal{Status: 403, Certificate: true}, []string{"Accept", "application/json", "Accept-Language", "kk"}},
		"plain.en.html":     {Refusal{Status: 502}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := dump(t, write(t, tc.f, http.MethodGet, tc.header...))
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("differs from %s:\n%s", file, got)
			}
		})
	}
}

func TestLanguageIsTheVisitors(t *testing.T) {
	for accept, want := range map[string]string{
		"": "en", "ru": "ru", "kk": "kk", "kk-KZ": "kk", "en-US,en;q=0.5": "en", "de": "en", "de,ru;q=0.5": "ru",
		"ru;q=0.3,kk;q=0.9": "kk", "*": "en", "\xff;;q=": "en", strings.Repeat("ru,", 200): "en",
	} {
		if got := write(t, Refusal{Status: 403}, http.MethodGet, "Accept-Language", accept).Header().Get("Content-Language"); got != want {
			t.Errorf("%.30q: %s, want %s", accept, got, want)
		}
	}
}

func TestJSONIsForWhoAsksForIt(t *testing.T) {
	const html, problem = "text/html; charset=utf-8", "application/problem+json"
	for _, tc := range []struct{ accept, with, want string }{
		{"application/json", "", problem}, {"application/json, */*;q=0.1", "", problem}, {"application/vnd.api+json", "", problem},
		{"text/html,application/json", "", html}, {"*/*", "", html}, {"", "", html}, {"", "XMLHttpRequest", problem}, {"image/png", "", html},
	} {
		var header []string
		if tc.accept != "" {
			header = append(header, "Accept", tc.accept)
		}
		if tc.with != "" {
			header = append(header, "X-Requested-With", tc.with)
		}
		if got := write(t, Refusal{Status: 403}, http.MethodGet, header...).Header().Get("Content-Type"); got != tc.want {
			t.Errorf("Accept %q, X-Requested-With %q: %s, want %s", tc.accept, tc.with, got, tc.want)
		}
	}
}

func TestContactCannotBeMarkup(t *testing.T) {
	for _, contact := range []string{`<script>alert(1)</script>`, `"><img src=x>@shop.kz`, `javascript:alert(1)`} {
		w := write(t, Refusal{Status: 403, Contact: contact, Code: contact}, http.MethodGet)
		if body := w.Body.String(); strings.Contains(body, "<script") || strings.Contains(body, "<img") || strings.Contains(body, `href="javascript`) {
			t.Errorf("%s stands unescaped in the page", contact)
		}
		w = write(t, Refusal{Status: 403, Contact: contact}, http.MethodGet, "Accept", "application/json")
		var p problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Contact != contact {
			t.Errorf("problem details have contact %q, %v", p.Contact, err)
		}
	}
}

// Every refusal can be said in every language, in words of its own.
func TestEveryStatusIsSaidInEveryLanguage(t *testing.T) {
	for _, w := range []words{russian, kazakh} {
		if len(w.statuses) != len(english.statuses) {
			t.Errorf("%s has %d statuses, English %d", w.tag, len(w.statuses), len(english.statuses))
		}
		for status := range english.statuses {
			say := w.say(status)
			if say.title == "" || say.text == "" || say.advice == "" || say == w.refused || say == w.failed {
				t.Errorf("%s: %d is said as %+v", w.tag, status, say)
			}
		}
	}
}

func TestHEADHasNoBody(t *testing.T) {
	w := write(t, Refusal{Status: 403}, http.MethodHead)
	if w.Body.Len() > 0 || w.Header().Get("Content-Length") == "0" || w.Header().Get("Content-Length") == "" {
		t.Errorf("%d bytes of body, announced %q", w.Body.Len(), w.Header().Get("Content-Length"))
	}
}

// What the upstream's answer had set says nothing about the page.
func TestHeadersOfTheReplacedAnswerAreGone(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	for _, name := range []string{"Content-Encoding", "Etag", "Last-Modified", "Trailer", "Content-Length"} {
		w.Header().Set(name, "old")
	}
	p.Write(w, httptest.NewRequest(http.MethodGet, "/", nil), Refusal{Status: 403})
	for name, lines := range w.Header() {
		if lines[0] == "old" {
			t.Errorf("%s was kept", name)
		}
	}
}
