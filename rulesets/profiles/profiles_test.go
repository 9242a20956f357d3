package profiles

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets"
)

// cases is a file of requests beside a profile.
type cases struct {
	// Profile is the profile they are judged with.
	Profile string `yaml:"profile"`
	// Requests are tried at paranoia levels 1 and 2.
	Requests []request `yaml:"requests"`
}

type request struct {
	// Name says what a person does, or an attacker.
	Name string `yaml:"name"`
	// Who is what was witnessed about the session: visitor, member, author, admin.
	Who string `yaml:"who"`
	// Request is the method and the target.
	Request string `yaml:"request"`
	// Header lines beside those every browser sends.
	Header []string `yaml:"header"`
	// Type is the body's content type; a form's by default.
	Type string `yaml:"type"`
	// Body is the request's body.
	Body string `yaml:"body"`
	// Refused says what must happen.
	Refused bool `yaml:"refused"`
}

var ranks = map[string]exchange.Rank{"": exchange.Visitor, "visitor": exchange.Visitor, "member": exchange.Member, "author": exchange.Author, "admin": exchange.Admin}

func TestProfiles(t *testing.T) {
	known, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	var last event.Event
	judge, err := rulesets.New(rulesets.Options{Profiles: known, Record: func(e event.Event) { last = e }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { judge.Close() })
	var sites []*config.Site
	site := map[string]*config.Site{}
	for name := range known {
		for level := 1; level <= 2; level++ {
			s := config.DefaultSite()
			s.Name, s.Profile, s.Level = fmt.Sprintf("%s-%d", name, level), name, level
			site[s.Name] = s
			sites = append(sites, s)
		}
	}
	build, err := judge.Prepare(t.Context(), sites)
	if err != nil {
		t.Fatal(err)
	}
	judge.Use(build)
	handler := judge.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))

	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c cases
		if err := config.Decode(file, text, &c); err != nil {
			t.Fatal(err)
		}
		for _, r := range c.Requests {
			for level := 1; level <= 2; level++ {
				t.Run(fmt.Sprintf("%s/%d/%s", c.Profile, level, r.Name), func(t *testing.T) {
					w := httptest.NewRecorder()
					last = event.Event{}
					handler.ServeHTTP(w, r.http(t, site[fmt.Sprintf("%s-%d", c.Profile, level)]))
					if refused := w.Code != http.StatusOK; refused != r.Refused {
						t.Errorf("refused: %v (%d %s), rules %v", refused, w.Code, last.Reason, found(last))
					}
				})
			}
		}
	}
}

func found(e event.Event) string {
	var s []string
	for _, m := range e.Matches {
		s = append(s, fmt.Sprintf("%d on %s:%s", m.Rule, m.Variable, m.Key))
	}
	return strings.Join(s, ", ")
}

// http makes the request as the proxy would hand it on.
func (r request) http(t *testing.T, site *config.Site) *http.Request {
	t.Helper()
	method, target, ok := strings.Cut(r.Request, " ")
	rank, known := ranks[r.Who]
	if !ok || !known {
		t.Fatalf("bad case: request %q, who %q", r.Request, r.Who)
	}
	req := httptest.NewRequest(method, "/", strings.NewReader(r.Body))
	req.RequestURI = target
	req.Host = "shop.example.kz"
	fields := []event.Field{
		{Name: "Host", Value: req.Host},
		{Name: "User-Agent", Value: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"},
		{Name: "Accept", Value: "*/*"},
		{Name: "Accept-Language", Value: "ru-RU,ru;q=0.9,kk;q=0.8,en;q=0.6"},
	}
	if r.Body != "" {
		kind := r.Type
		if kind == "" {
			kind = "application/x-www-form-urlencoded"
		}
		fields = append(fields, event.Field{Name: "Content-Type", Value: kind}, event.Field{Name: "Content-Length", Value: fmt.Sprint(len(r.Body))})
	}
	for _, h := range r.Header {
		name, value, _ := strings.Cut(h, ": ")
		fields = append(fields, event.Field{Name: name, Value: value})
	}
	for _, f := range fields {
		req.Header.Add(f.Name, f.Value)
	}
	x := &exchange.Exchange{
		Site: site, Profile: site.Profile, Start: time.Now(), Rank: rank, Target: target, Proto: "HTTP/1.1", Fields: fields,
		Client: netip.MustParseAddr("192.0.2.7"),
	}
	return req.WithContext(exchange.With(req.Context(), x))
}
