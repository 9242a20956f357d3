package console

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
)

// sitesLimit is the most sites on the page; those that need someone come
// first.
const sitesLimit = 200

type sitesPage struct {
	frame
	Sites []siteCard
	Total int64
	Rest  int64 // not shown

	Standing bool     // there is a list of exclusions
	Rereads  bool     // there is a configuration to reread
	Done     bool     // it was, just now
	Mistakes []string // why it was not

	Certificates *certificateBoard // nil without any

	Disputes []disputeLine
	Settled  bool // the fast path was switched on again, just now
}

// disputeLine is a profile whose fast path is off.
type disputeLine struct {
	Profile, Rules string
	Times          int64
}

// siteCard is a site as far as this console knows it.
type siteCard struct {
	Name       string
	Hosts      string // other names of it
	Mode       string // block, detect, off; empty when only its events are known
	Profile    string
	Level      int
	Exclusions int64 // in the configuration
	Standing   int64 // beside it
	Blocked    int64
	Detected   int64
	Days       []dayBar
	Link       string
	NotedLink  string
}

// dayBar is a day in a small picture of seven, in a box 70 by 24.
type dayBar struct {
	X, Y, Height int
	Start        time.Time
	Count        int64
}

func (s *Server) sites(w http.ResponseWriter, r *http.Request, v *visit) error {
	done := r.FormValue("done")
	return s.renderSites(w, r, v, http.StatusOK, &sitesPage{Done: done == "reload", Settled: done == "fast-path"})
}

// reload rereads the edge's configuration. A bad one leaves the old in force
// and is shown mistake by mistake.
func (s *Server) reload(w http.ResponseWriter, r *http.Request, v *visit) error {
	if s.options.Reload == nil {
		return s.nothingHere(w, r, v)
	}
	if err := s.options.Reload(r.Context()); err != nil {
		return s.renderSites(w, r, v, http.StatusUnprocessableEntity, &sitesPage{Mistakes: strings.Split(err.Error(), "\n")})
	}
	s.act(r, v.session.Person, actReload, "")
	http.Redirect(w, r, "/sites?done=reload", http.StatusSeeOther)
	return nil
}

// settle switches the fast path on again where a disagreement had switched it
// off: somebody has looked.
func (s *Server) settle(w http.ResponseWriter, r *http.Request, v *visit) error {
	if s.options.Settle == nil {
		return s.nothingHere(w, r, v)
	}
	s.options.Settle()
	s.act(r, v.session.Person, actSettle, "")
	http.Redirect(w, r, "/sites?done=fast-path", http.StatusSeeOther)
	return nil
}

func (s *Server) disputes(v *visit) []disputeLine {
	if s.options.Disputes == nil || !v.scope.Whole() {
		return nil
	}
	var lines []disputeLine
	for _, d := range s.options.Disputes() {
		var rules []string
		for _, id := range d.Rules {
			if id != 0 {
				rules = append(rules, strconv.Itoa(id))
			}
		}
		lines = append(lines, disputeLine{d.Profile, strings.Join(slices.Compact(rules), ", "), d.Times})
	}
	return lines
}

func (s *Server) renderSites(w http.ResponseWriter, r *http.Request, v *visit, status int, page *sitesPage) error {
	from := midnight(v.now).AddDate(0, 0, -6)
	tallies, err := s.db.Sites(r.Context(), v.scope, from, v.now)
	if err != nil {
		return err
	}
	days, err := s.db.SiteDays(r.Context(), v.scope, from, 7)
	if err != nil {
		return err
	}
	own, err := s.ownSites(r, v)
	if err != nil {
		return err
	}
	cards := map[string]*siteCard{}
	for _, site := range own {
		cards[site.Name] = newSiteCard(site)
	}
	for _, t := range tallies {
		if cards[t.Name] == nil {
			cards[t.Name] = &siteCard{Name: t.Name}
		}
		cards[t.Name].Blocked, cards[t.Name].Detected = t.Blocked, t.Detected
	}
	standing, err := s.standingBySite(r, v)
	if err != nil {
		return err
	}
	for name, n := range standing {
		if cards[name] != nil {
			cards[name].Standing = n
		}
	}
	page.Standing = s.options.Exclusions != nil
	page.Total, page.Rereads = int64(len(cards)), s.options.Reload != nil && v.may(machine)
	page.Disputes = s.disputes(v)
	page.Certificates = s.certificates(v)
	for name, c := range cards {
		c.Days = dayBars(days[name], from)
		c.Link = listURL(filters{Site: name})
		c.NotedLink = listURL(filters{Site: name, Action: string(event.Detected)})
		page.Sites = append(page.Sites, *c)
	}
	slices.SortFunc(page.Sites, func(a, b siteCard) int {
		return cmp.Or(cmp.Compare(b.need(), a.need()), cmp.Compare(b.Blocked+b.Detected, a.Blocked+a.Detected), cmp.Compare(a.Name, b.Name))
	})
	if len(page.Sites) > sitesLimit {
		page.Rest = int64(len(page.Sites) - sitesLimit)
		page.Sites = page.Sites[:sitesLimit]
	}
	s.render(w, r, v, status, "sites", page)
	return nil
}

// ownSites returns the sites of this process's edge that the visitor sees.
func (s *Server) ownSites(r *http.Request, v *visit) ([]*config.Site, error) {
	if s.options.Sites == nil {
		return nil, nil
	}
	sees, err := s.db.OwnSites(r.Context(), v.scope)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(s.options.Sites()), func(site *config.Site) bool { return !sees(site.Name) }), nil
}

func newSiteCard(site *config.Site) *siteCard {
	c := &siteCard{Name: site.Name, Mode: string(site.Mode), Profile: site.Profile, Level: site.Level, Exclusions: int64(len(site.Exclusions))}
	var others []string
	for _, h := range site.Hosts {
		if h != site.Name {
			others = append(others, h)
		}
	}
	if len(others) > 4 {
		others = append(others[:4], "…")
	}
	c.Hosts = strings.Join(others, ", ")
	return c
}

// need ranks a site: not protected, attacked and only watching, watching, the
// rest.
func (c siteCard) need() int {
	switch {
	case c.Mode == string(config.Off):
		return 3
	case c.Detected > 0 && c.Mode != string(config.Block):
		return 2
	case c.Mode == string(config.Detect):
		return 1
	}
	return 0
}

func dayBars(counts []int64, from time.Time) []dayBar {
	var top int64
	for _, n := range counts {
		top = max(top, n)
	}
	var bars []dayBar
	for i, n := range counts {
		if n == 0 {
			continue
		}
		tall := max(2, int(n*24/top))
		bars = append(bars, dayBar{X: i * 10, Y: 24 - tall, Height: tall, Start: from.AddDate(0, 0, i), Count: n})
	}
	return bars
}

// midnight returns the beginning of t's day.
func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}
