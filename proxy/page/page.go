package page

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
)

//go:embed refusal.html
var files embed.FS

// Refusal is one answer that is not the site's.
type Refusal struct {
	Status  int           // any 4xx or 5xx
	Code    string        // incident code, may be empty
	Contact string        // whom the visitor may ask: an e-mail address, a URL or plain words; may be empty
	Retry   time.Duration // when to try again; 0 says nothing

	Certificate bool // the visitor showed no good certificate where one is asked for
	Network     bool // it was not the request: nothing is taken from the network that it came from
}

// Pages renders refusals. Make it with [New].
type Pages struct {
	page    *template.Template
	matcher language.Matcher
	langs   []words // in the matcher's order
	policy  string
}

// New parses the embedded page.
func New() (*Pages, error) {
	t, err := template.ParseFS(files, "refusal.html")
	if err != nil {
		return nil, fmt.Errorf("parse refusal page: %w", err)
	}
	p := &Pages{page: t, langs: []words{english, russian, kazakh}}
	tags := make([]language.Tag, len(p.langs))
	for i, w := range p.langs {
		tags[i] = language.Make(w.tag)
	}
	p.matcher = language.NewMatcher(tags)
	p.policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return p, nil
}

// view is what the template shows.
type view struct {
	words
	Status  int
	Title   string
	Text    string
	Advice  string
	Code    string
	Contact string
	Link    template.URL // where Contact leads, empty when it is plain words
	Minutes string       // how long to wait, in words
}

// Write answers r with f. It may be called before anything was written to w.
// A connection to be closed is the caller's to announce.
func (p *Pages) Write(w http.ResponseWriter, r *http.Request, f Refusal) {
	words := p.choose(r.Header)
	h := w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "ETag", "Last-Modified", "Trailer"} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept, Accept-Language")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Language", words.tag)
	if f.Retry > 0 {
		seconds := int64((f.Retry + time.Second - 1) / time.Second)
		h.Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	var body bytes.Buffer
	if wantsJSON(r.Header) {
		h.Set("Content-Type", "application/problem+json")
		writeProblem(&body, words, f)
	} else {
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", p.policy)
		if err := p.page.Execute(&body, newView(words, f)); err != nil {
			// A page is never worth an empty answer.
			body.Reset()
			body.WriteString(http.StatusText(f.Status) + " " + template.HTMLEscapeString(f.Code))
		}
	}
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(f.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body.Bytes())
	}
}

func newView(w words, f Refusal) view {
	say := w.of(f)
	v := view{words: w, Status: f.Status, Title: say.title, Text: say.text, Advice: say.advice, Code: f.Code, Contact: f.Contact}
	switch {
	case strings.HasPrefix(f.Contact, "https://"), strings.HasPrefix(f.Contact, "http://"):
		v.Link = template.URL(f.Contact) //nolint:gosec // the owner's own configuration, scheme checked
	case strings.Contains(f.Contact, "@") && !strings.ContainsAny(f.Contact, " <>\"'"):
		v.Link = template.URL("mailto:" + f.Contact) //nolint:gosec // the owner's own configuration
	}
	if f.Retry > 0 {
		v.Minutes = w.wait(f.Retry)
	}
	return v
}

// choose returns the words of the language the visitor reads best; English for
// one who does not say.
func (p *Pages) choose(h http.Header) words {
	accept := h.Get("Accept-Language")
	if accept == "" || len(accept) > 256 {
		return p.langs[0]
	}
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(tags) == 0 {
		return p.langs[0]
	}
	_, i, confidence := p.matcher.Match(tags...)
	if confidence == language.No {
		return p.langs[0]
	}
	return p.langs[i]
}

// wantsJSON reports whether the client prefers JSON to HTML: it names a JSON
// type and no HTML type, as fetch and the WordPress editor do.
func wantsJSON(h http.Header) bool {
	accept := strings.ToLower(strings.Join(h["Accept"], ","))
	if strings.Contains(accept, "text/html") || strings.Contains(accept, "application/xhtml") {
		return false
	}
	return strings.Contains(accept, "/json") || strings.Contains(accept, "+json") ||
		accept == "" && strings.EqualFold(h.Get("X-Requested-With"), "XMLHttpRequest")
}

// problem is RFC 9457's object. Type is about:blank, so title is the status's
// own phrase as the RFC asks; what happened stands in detail.
type problem struct {
	Type    string `json:"type"`
	Title   string `json:"title"`
	Status  int    `json:"status"`
	Detail  string `json:"detail"`
	Code    string `json:"code,omitempty"`    // the incident code
	Contact string `json:"contact,omitempty"` // whom to ask
}

func writeProblem(b *bytes.Buffer, w words, f Refusal) {
	say := w.of(f)
	enc := json.NewEncoder(b)
	enc.SetIndent("", "  ")
	// Strings and a number: it cannot fail.
	_ = enc.Encode(problem{Type: "about:blank", Title: http.StatusText(f.Status), Status: f.Status,
		Detail: say.text + " " + say.advice, Code: f.Code, Contact: f.Contact})
}
