package products

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
	perSite  = 300       // products kept of a site
	perPage  = 100       // products taken from one answer
	lookAt   = 256 << 10 // bytes of an answer that are looked at
	eager    = 20        // pages of a site looked at before it is known
	sampling = 64        // one in so many afterwards
)

// Options configure a Book.
type Options struct {
	Path   string         // the file that survives a restart; empty keeps nothing
	Logger zerolog.Logger // what was seen first, at info level
}

// Book knows what each site runs.
type Book struct {
	file  kept.File
	log   zerolog.Logger
	sites sync.Map // name → *site
}

// site is what is known of one site.
type site struct {
	pages atomic.Uint64
	runs  atomic.Pointer[exchange.Runs]

	mu     sync.Mutex
	clock  uint64
	listed map[string]*entry
}

type entry struct {
	Version string `json:"version,omitempty"`
	Last    uint64 `json:"last"` // the site's clock when it was seen last
}

// New returns a Book that remembers what the file at Options.Path holds. A file
// that cannot be read is reported and replaced: sites show themselves again.
func New(o Options) (*Book, error) {
	b := &Book{file: kept.File{Path: o.Path}, log: o.Logger}
	known := map[string]map[string]*entry{}
	damaged, err := b.file.Load(&known)
	if err != nil {
		return nil, fmt.Errorf("load seen products: %w", err)
	}
	if damaged != nil {
		b.log.Warn().Err(damaged).Str("file", o.Path).Msg("seen products could not be read; sites show them anew")
		return b, nil
	}
	for name, listed := range known {
		s := b.site(name)
		for product, e := range listed {
			if e != nil {
				s.listed[product] = e
				s.clock = max(s.clock, e.Last)
			}
		}
		s.publish()
	}
	return b, nil
}

func (b *Book) site(name string) *site {
	if s, ok := b.sites.Load(name); ok {
		return s.(*site)
	}
	s, _ := b.sites.LoadOrStore(name, &site{listed: map[string]*entry{}})
	return s.(*site)
}

// Seen returns what a site was seen to run; nil before anything was.
func (b *Book) Seen(name string) *exchange.Runs { return b.site(name).runs.Load() }

// Handler tells the exchange what the site runs, and looks at some answers.
func (b *Book) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchange.From(r.Context())
		if x == nil || x.Profile != "wordpress" {
			next.ServeHTTP(w, r)
			return
		}
		s := b.site(x.Site.Name)
		x.Runs = s.runs.Load()
		l := &look{b: b, s: s, x: x, path: r.URL.Path}
		if r.Method == http.MethodGet && l.wanted() {
			peek.Serve(next, w, r, l)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// look is one answer being looked at.
type look struct {
	b        *Book
	s        *site
	x        *exchange.Exchange
	path     string
	product  string // in whose folder the path lies
	read     func([]byte) sighting
	encoding string
}

// wanted reports whether the answer may be worth a look.
func (l *look) wanted() bool {
	l.product = productOf(l.path)
	return l.product == "" || !l.x.Runs.Has(l.product) || strings.HasSuffix(strings.ToLower(l.path), "/readme.txt")
}

// Head says how much of the answer is worth reading.
func (l *look) Head(status int, h http.Header) int {
	if l.x.Event != nil || status != http.StatusOK {
		return 0 // what an attack was answered is no evidence
	}
	kind, _, _ := strings.Cut(strings.ToLower(h.Get("Content-Type")), ";")
	kind = strings.TrimSpace(kind)
	l.encoding = h.Get("Content-Encoding")
	switch {
	case l.product != "" && kind == "text/plain":
		if strings.HasSuffix(strings.ToLower(l.path), "/readme.txt") && strings.Count(l.path, "/") == 4 {
			l.read = func(text []byte) sighting { return readReadme(l.product, text) }
			return 16 << 10
		}
	case l.product != "" && (kind == "text/css" || strings.HasSuffix(kind, "javascript")):
		l.b.note(l.x.Site.Name, l.s, sighting{l.product: ""})
	case kind == "application/json" && strings.TrimSuffix(l.path, "/") == "/wp-json":
		l.read = readIndex
		return lookAt
	case kind == "text/html":
		if n := l.s.pages.Add(1); n <= eager || n%sampling == 0 {
			l.read = readPage
			return lookAt
		}
	}
	return 0
}

// Body reads the answer.
func (l *look) Body(raw []byte) {
	l.b.note(l.x.Site.Name, l.s, l.read(peek.Plain(l.encoding, raw, lookAt)))
}

// note remembers what an answer showed. A product that shows no version this
// time keeps the one it has.
func (b *Book) note(name string, s *site, seen sighting) {
	if len(seen) == 0 || len(seen) > perPage {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	changed := false
	for product, version := range seen {
		e := s.listed[product]
		if e == nil {
			s.makeRoom()
			e = &entry{}
			s.listed[product] = e
			changed = true
		}
		e.Last = s.clock
		if version != "" && version != e.Version {
			e.Version, changed = version, true
		}
	}
	if !changed {
		return
	}
	s.publish()
	b.file.Changed()
	b.log.Debug().Str("site", name).Int("products", len(s.listed)).Msg("products seen")
}

// makeRoom forgets what was not seen longest.
func (s *site) makeRoom() {
	if len(s.listed) < perSite {
		return
	}
	oldest := ""
	for product, e := range s.listed {
		if oldest == "" || e.Last < s.listed[oldest].Last {
			oldest = product
		}
	}
	delete(s.listed, oldest)
}

// publish makes what is listed what requests carry.
func (s *site) publish() {
	versions := make(map[string]string, len(s.listed))
	for product, e := range s.listed {
		versions[product] = e.Version
	}
	s.runs.Store(exchange.NewRuns(versions))
}

// Save writes the file if something was seen since it was last written. One
// caller at a time.
func (b *Book) Save() error {
	if err := b.file.Save(b.known); err != nil {
		return fmt.Errorf("save seen products: %w", err)
	}
	return nil
}

// known returns what the file holds.
func (b *Book) known() any {
	known := map[string]map[string]entry{}
	b.sites.Range(func(name, v any) bool {
		s := v.(*site)
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.listed) == 0 {
			return true
		}
		listed := make(map[string]entry, len(s.listed))
		for product, e := range s.listed {
			listed[product] = *e
		}
		known[name.(string)] = listed
		return true
	})
	return known
}
