package recognise

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/guard/kept"
	"github.com/qorgan/qorgan/guard/peek"
)

const (
	lookAt    = 16 << 10 // bytes of a page that are looked at
	sample    = 64       // one answer in so many is looked at once a site is recognised, and one page once it long was not
	eager     = 256      // pages of a site that are looked at before that
	certainty = 12       // points a recognised CMS can have; another must come level with it
)

// Auto is the profile of a site that did not name its CMS, until one is
// recognised.
const Auto = "auto"

// Options configure a Recogniser.
type Options struct {
	Path   string         // the file that survives a restart; empty keeps nothing
	Logger zerolog.Logger // what was recognised, at info level
}

// Recogniser knows which CMS each site runs.
type Recogniser struct {
	file  kept.File
	log   zerolog.Logger
	sites sync.Map // name → *site
}

// site is what is known about one site.
type site struct {
	seen  atomic.Uint64
	pages atomic.Uint64
	found atomic.Pointer[finding]

	mu     sync.Mutex
	points map[string]int
}

type finding struct {
	Profile  string `json:"profile"`
	Evidence string `json:"evidence"`
}

// New returns a Recogniser that remembers what the file at Options.Path holds.
// A file that cannot be read is reported and replaced: every site is soon
// recognised again.
func New(o Options) (*Recogniser, error) {
	r := &Recogniser{file: kept.File{Path: o.Path}, log: o.Logger}
	known := map[string]finding{}
	damaged, err := r.file.Load(&known)
	if err != nil {
		return nil, fmt.Errorf("load recognised profiles: %w", err)
	}
	if damaged != nil {
		r.log.Warn().Err(damaged).Str("file", o.Path).Msg("recognised profiles could not be read; sites are recognised anew")
		return r, nil
	}
	for name, f := range known {
		s := &site{points: map[string]int{f.Profile: certainty}}
		s.found.Store(&f)
		r.sites.Store(name, s)
	}
	return r, nil
}

// Recognised returns the profile of the site by that name and what gave it
// away; Auto and nothing before it was recognised.
func (r *Recogniser) Recognised(name string) (profile, evidence string) {
	if f := r.site(name).found.Load(); f != nil {
		return f.Profile, f.Evidence
	}
	return Auto, ""
}

func (r *Recogniser) site(name string) *site {
	if s, ok := r.sites.Load(name); ok {
		return s.(*site)
	}
	s, _ := r.sites.LoadOrStore(name, &site{points: map[string]int{}})
	return s.(*site)
}

// Handler sets the exchange's Profile where the site leaves it open, and looks
// at answers as long as there is something to learn.
func (r *Recogniser) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		x := exchange.From(req.Context())
		if x == nil || x.Site.Profile != Auto && x.Site.Profile != "" {
			next.ServeHTTP(w, req)
			return
		}
		s := r.site(x.Site.Name)
		f := s.found.Load()
		x.Profile = Auto
		if f != nil {
			x.Profile = f.Profile
			if s.seen.Add(1)%sample != 0 {
				next.ServeHTTP(w, req)
				return
			}
		}
		peek.Serve(next, w, req, &look{r: r, s: s, x: x})
	})
}

// look is one answer being looked at.
type look struct {
	r        *Recogniser
	s        *site
	x        *exchange.Exchange
	head     sighting
	encoding string
}

// Head reads the head, and asks for the page where that is not sure yet.
func (l *look) Head(status int, h http.Header) int {
	if l.x.Event != nil {
		return 0 // what an attack was answered is no evidence
	}
	l.head = readHead(h)
	if l.head.points < sure && status < 500 && isPage(h) && l.s.due() {
		l.encoding = h.Get("Content-Encoding")
		return lookAt
	}
	l.r.note(l.x.Site.Name, l.s, l.head)
	return 0
}

func isPage(h http.Header) bool {
	t := h.Get("Content-Type")
	return len(t) >= len("text/html") && strings.EqualFold(t[:len("text/html")], "text/html")
}

// due reports whether the next page is to be looked at. Pages that never give a
// site away are looked at less often with time.
func (s *site) due() bool {
	n := s.pages.Add(1)
	return n <= eager || n%sample == 0
}

// Body reads the page's first bytes.
func (l *look) Body(raw []byte) {
	page := readPage(peek.Plain(l.encoding, raw, lookAt))
	switch {
	case page.cms == l.head.cms:
		page.points += l.head.points
	case page.points <= l.head.points:
		page = l.head
	}
	l.r.note(l.x.Site.Name, l.s, page)
}

// note counts what an answer said, and changes the site's profile when that is
// due: at once for a site that has none, and for another only after the new
// CMS was seen more than the old.
func (r *Recogniser) note(name string, s *site, g sighting) {
	if g.points == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.points[g.cms] = min(s.points[g.cms]+g.points, certainty)
	for cms := range s.points {
		if cms != g.cms {
			s.points[cms] = max(s.points[cms]-1, 0)
		}
	}
	f := s.found.Load()
	switch {
	case s.points[g.cms] < sure, f != nil && f.Profile == g.cms:
		return
	case f != nil && s.points[g.cms] <= s.points[f.Profile]:
		return
	}
	s.found.Store(&finding{Profile: g.cms, Evidence: g.why})
	r.log.Info().Str("site", name).Str("profile", g.cms).Str("evidence", g.why).Msg("CMS recognised")
	r.file.Changed()
}

// Save writes the file if something was recognised since it was last written.
// One caller at a time.
func (r *Recogniser) Save() error {
	if err := r.file.Save(r.known); err != nil {
		return fmt.Errorf("save profiles: %w", err)
	}
	return nil
}

// known returns what the file holds.
func (r *Recogniser) known() any {
	known := map[string]finding{}
	r.sites.Range(func(name, s any) bool {
		if f := s.(*site).found.Load(); f != nil {
			known[name.(string)] = *f
		}
		return true
	})
	return known
}
