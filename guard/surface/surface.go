package surface

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/guard/peek"
	"github.com/qorgan/qorgan/guard/refuse"
)

// The reasons that events of this room carry.
const (
	ReasonShut     = "php-path"     // a PHP file that nothing opens was asked for
	ReasonAnswered = "php-answered" // one that the CMS does not answer on answered 200 for the first time
)

// Options configure a Lock.
type Options struct {
	Path   string            // the file that survives a restart; empty keeps nothing
	Logger zerolog.Logger    // what was learned, at info level
	Record func(event.Event) // told every refusal and detection; must not block
}

// Lock is the room's state: what each site has been seen to answer on.
type Lock struct {
	log    zerolog.Logger
	record func(event.Event)
	memory *memory
}

// New returns a Lock that remembers what the file at Options.Path holds.
func New(o Options) (*Lock, error) {
	m, err := remember(o.Path, o.Logger)
	if err != nil {
		return nil, err
	}
	return &Lock{log: o.Logger, record: o.Record, memory: m}, nil
}

// Learned returns the PHP files of a site that its own pages were seen to load,
// sorted.
func (l *Lock) Learned(site string) []string { return l.memory.learned(site) }

// Save writes the file if something was learned since it was last written. One
// caller at a time.
func (l *Lock) Save() error { return l.memory.save() }

// Handler refuses requests for PHP files that nothing opens.
func (l *Lock) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchange.From(r.Context())
		if x == nil {
			next.ServeHTTP(w, r)
			return
		}
		path := r.URL.EscapedPath()
		if strings.HasPrefix(x.Target, "/") {
			path, _, _ = strings.Cut(x.Target, "?")
		}
		s := script(path)
		if s == "" || x.Site.Mode == config.Off || x.Site.Surface.Open {
			next.ServeHTTP(w, r)
			return
		}
		f, ok := cms[x.Profile]
		if !ok || l.opens(&f, x, s) {
			l.forward(next, w, r, x, &f, s)
			return
		}
		if x.Rank < exchange.Author {
			for _, shape := range x.Site.Surface.Allow {
				if fits(shape, s) {
					l.watch(next, w, r, x, s)
					return
				}
			}
			if l.memory.isLearned(x.Site.Name, s) {
				next.ServeHTTP(w, r)
				return
			}
			if refuse.Judge(w, r, x, l.record, event.KindSurface, ReasonShut, http.StatusForbidden, 0) {
				return
			}
		}
		l.watch(next, w, r, x, s)
	})
}

// opens reports whether the CMS answers on the script, at the root or where its
// front door was seen.
func (l *Lock) opens(f *files, x *exchange.Exchange, s string) bool {
	if f.answers(s, "") {
		return true
	}
	if !f.below {
		return false
	}
	base, ok := baseOf(s)
	return ok && (strings.HasSuffix(s, frontDoor) && strings.Count(s, "/") == 2 || l.memory.isBase(x.Site.Name, base)) && f.answers(s, base)
}

// frontDoor is the file by which a WordPress below the site's root is known:
// its answer sets the test cookie for its own path. Until then only it is open.
const frontDoor = "/wp-login.php"

// baseOf returns the first folder of a path.
func baseOf(s string) (string, bool) {
	i := strings.IndexByte(s[1:], '/')
	if i < 1 || reserved[strings.ToLower(s[:i+1])] || strings.HasPrefix(s, "/wp-") {
		return "", false
	}
	return s[:i+1], true
}

// forward passes an open script on, and looks where a front door leads.
func (l *Lock) forward(next http.Handler, w http.ResponseWriter, r *http.Request, x *exchange.Exchange, f *files, s string) {
	if base, ok := baseOf(s); ok && f.below && strings.HasSuffix(s, frontDoor) && !l.memory.isBase(x.Site.Name, base) {
		peek.Serve(next, w, r, door{l, x, base})
		return
	}
	next.ServeHTTP(w, r)
}

// door watches the answer of a login page below the root.
type door struct {
	l    *Lock
	x    *exchange.Exchange
	base string
}

// Head learns a base from the test cookie.
func (d door) Head(_ int, h http.Header) int {
	for _, line := range h["Set-Cookie"] {
		if strings.HasPrefix(line, "wordpress_test_cookie=") && d.x.Event == nil {
			d.l.memory.addBase(d.x.Site.Name, d.base)
		}
	}
	return 0
}

// Body is not asked for.
func (d door) Body([]byte) {}

// watch passes a strange script on and sees whether it answers.
func (l *Lock) watch(next http.Handler, w http.ResponseWriter, r *http.Request, x *exchange.Exchange, s string) {
	peek.Serve(next, w, r, stranger{l, x, r, s})
}

// stranger watches the answer of a script that the CMS does not answer on.
type stranger struct {
	l *Lock
	x *exchange.Exchange
	r *http.Request
	s string
}

// Head makes the first 200 an event, and opens the script to visitors where a
// public page of the site had an author's browser load it.
func (g stranger) Head(status int, _ http.Header) int {
	if status != http.StatusOK {
		return 0
	}
	if g.l.memory.firstAnswer(g.x.Site.Name, g.s) {
		e := refuse.Event(g.x, g.r, event.KindSurface, ReasonAnswered)
		if e.Time.IsZero() {
			e.Time = time.Now().UTC()
		}
		g.l.record(e)
	}
	if g.x.Rank >= exchange.Author && g.x.Event == nil && loadedByPublicPage(g.r) && g.l.memory.learn(g.x.Site.Name, g.s) {
		g.l.log.Info().Str("site", g.x.Site.Name).Str("path", g.s).Msg("PHP file opened: the site's own public page loads it")
	}
	return 0
}

// Body is not asked for.
func (g stranger) Body([]byte) {}

// loadedByPublicPage reports whether a page of this very site, outside the
// admin area, had the browser load the request's target as one of its parts.
// A page cannot forge the header Sec-Fetch-Site of an author's browser, nor his
// address bar the header Referer.
func loadedByPublicPage(r *http.Request) bool {
	if r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Site") != "same-origin" {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "script", "style", "image", "font", "empty":
	default:
		return false
	}
	from, err := url.Parse(r.Referer())
	return err == nil && from.Host == r.Host && !strings.Contains(from.Path, "/wp-admin") &&
		!strings.Contains(from.Path, "/administrator") && script(from.EscapedPath()) == ""
}
