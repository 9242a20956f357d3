package page

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// FuzzPage holds that whatever the visitor sends and the owner writes, the page
// has the elements and attributes it always has, and that the other form is
// JSON.
func FuzzPage(f *testing.F) {
	f.Add("help@example.kz", "QG-1", "ru", "text/html", 403)
	f.Add(`"><script>alert(1)</script>`, "</title><img src=x onerror=alert(1)>", "kk;q=0.1, <b>", "application/json", 503)
	f.Add("https://a'\"onclick=", "{{.}}", "", "", 421)
	pages, err := New()
	if err != nil {
		f.Fatal(err)
	}
	render := func(r *http.Request, v Refusal) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		pages.Write(w, r, v)
		return w
	}
	f.Fuzz(func(t *testing.T, contact, code, languages, accept string, status int) {
		if status < 400 || status > 599 {
			return
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", languages)
		r.Header.Set("Accept", accept)
		w := render(r, Refusal{Status: status, Code: code, Contact: contact, Retry: time.Second})
		if wantsJSON(r.Header) {
			var problem map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil {
				t.Fatalf("%v: %q", err, w.Body)
			}
			return
		}
		// The owner's contact is plain words, a link, or nothing; each has a page
		// of one shape.
		shape := "x"
		switch {
		case code == "":
			code = ""
		default:
			code = "x"
		}
		switch v := newView(pages.choose(r.Header), Refusal{Status: status, Contact: contact}); {
		case contact == "":
			shape = ""
		case v.Link != "":
			shape = "https://x"
		}
		plain := render(r, Refusal{Status: status, Code: code, Contact: shape, Retry: time.Second})
		if got, want := elements(t, w.Body), elements(t, plain.Body); got != want {
			t.Fatalf("the page has\n%s\nand not\n%s", got, want)
		}
	})
}

// elements lists the tags and the names of their attributes.
func elements(t *testing.T, b *bytes.Buffer) string {
	t.Helper()
	var list bytes.Buffer
	for z := html.NewTokenizer(bytes.NewReader(b.Bytes())); ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			return list.String()
		}
		if kind == html.TextToken {
			continue
		}
		token := z.Token()
		list.WriteString(kind.String() + " " + token.Data)
		for _, a := range token.Attr {
			list.WriteString(" " + a.Key)
		}
		list.WriteByte('\n')
	}
}
