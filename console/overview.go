package console

import (
	"net/http"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
)

type overviewPage struct {
	frame
	State   string // quiet, safe, mixed, watching, off: which headline
	Open    int64  // sites of which something was let through
	Stopped int64
	Noted   int64
	Before  int64 // stopped in the week before
	Sites   int64 // protected by this process, else those that had incidents
	Needs   []need
	Chart   chart
	Latest  []row
	Classes []share
	Busiest []share
}

// need is something that a person should do.
type need struct {
	Key  string // words
	Site string
	N    int64
	Link string
}

// share is a line of a table with a bar.
type share struct {
	Name  string
	Link  string
	Count int64
	Part  int // of 100, at least 1
}

func (s *Server) overview(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx := r.Context()
	today := midnight(v.now)
	from, to := today.AddDate(0, 0, -6), today.AddDate(0, 0, 1)
	hours, err := s.db.Hours(ctx, v.scope, from, to, "")
	if err != nil {
		return err
	}
	earlier, err := s.db.Hours(ctx, v.scope, from.AddDate(0, 0, -7), from, "")
	if err != nil {
		return err
	}
	classes, err := s.db.Classes(ctx, v.scope, from, to, "")
	if err != nil {
		return err
	}
	sites, err := s.db.Sites(ctx, v.scope, from, to)
	if err != nil {
		return err
	}
	latest, err := s.db.Events(ctx, v.scope, store.Query{Limit: 8})
	if err != nil {
		return err
	}
	own, err := s.ownSites(r, v)
	if err != nil {
		return err
	}
	needs, err := s.needs(r, v, from, sites, own)
	if err != nil {
		return err
	}
	page := &overviewPage{Chart: newChart(hours, v.now.Location()), Needs: needs}
	for _, h := range hours {
		page.Stopped += h.Blocked
		page.Noted += h.Detected
	}
	for _, h := range earlier {
		page.Before += h.Blocked
	}
	for _, e := range latest.Events {
		page.Latest = append(page.Latest, newRow(v, e))
	}
	page.Classes = shares(classes, 8, func(name string) (string, string) {
		return capital(v.words.T("class." + className(name) + ".name")), "/incidents?class=" + className(name)
	})
	page.Busiest = shares(sites, 8, func(name string) (string, string) {
		return name, listURL(filters{Site: name})
	})
	known, state := s.state(v, page, own)
	page.Sites, page.State = int64(max(known, len(sites))), state
	for _, n := range needs {
		if n.Key == "need.detect" || n.Key == "need.off" {
			page.Open++
		}
	}
	if page.State == "safe" && page.Open > 0 {
		page.State = "mixed"
	}
	s.render(w, r, v, http.StatusOK, "overview", page)
	return nil
}

// state says what the headline may claim: that sites are protected only when
// this process knows that it blocks for them, or when it does not know and
// something was stopped.
func (s *Server) state(v *visit, page *overviewPage, own []*config.Site) (sites int, state string) {
	if s.options.Sites == nil || len(own) == 0 && !v.scope.Whole() {
		switch {
		case page.Stopped > 0:
			return 0, "safe"
		case page.Noted > 0:
			return 0, "watching"
		}
		return 0, "quiet"
	}
	blocking, judged := 0, 0
	for _, site := range own {
		if site.Mode == config.Block {
			blocking++
		}
		if site.Mode != config.Off {
			judged++
		}
	}
	switch {
	case judged == 0:
		state = "off"
	case blocking == 0:
		state = "watching"
	case page.Stopped+page.Noted == 0:
		state = "quiet"
	default:
		state = "safe"
	}
	return len(own), state
}

// needs lists what a person should do, the gravest first.
func (s *Server) needs(r *http.Request, v *visit, from time.Time, sites []store.Tally, own []*config.Site) ([]need, error) {
	var needs []need
	if s.options.Queue != nil && v.scope.Whole() {
		if q := s.options.Queue(); q.Failing != "" {
			needs = append(needs, need{Key: "need.failing", N: int64(q.Queued)})
		}
	}
	losses, err := s.db.Losses(r.Context(), v.scope, from)
	if err != nil {
		return nil, err
	}
	var lost int64
	for _, l := range losses {
		lost += l.Count
	}
	if lost > 0 {
		needs = append(needs, need{Key: "need.lost", N: lost})
	}
	needs = append(needs, s.certificateNeeds(v)...)
	if s.options.Disputes != nil && v.scope.Whole() {
		for _, d := range s.options.Disputes() {
			needs = append(needs, need{Key: "need.fast-path", Site: d.Profile, N: d.Times, Link: "/sites"})
		}
	}
	modes := map[string]config.Mode{}
	for _, site := range own {
		modes[site.Name] = site.Mode
		if site.Mode == config.Off {
			needs = append(needs, need{Key: "need.off", Site: site.Name})
		}
	}
	for _, t := range sites {
		mode, known := modes[t.Name]
		if t.Detected > 0 && (!known || mode == config.Detect) {
			needs = append(needs, need{
				Key: "need.detect", Site: t.Name, N: t.Detected,
				Link: listURL(filters{Site: t.Name, Action: string(event.Detected)}),
			})
		}
	}
	more, err := s.exclusionNeeds(r, v)
	return append(needs, more...), err
}

// shares turns tallies into lines, the rest left out.
func shares(tallies []store.Tally, most int, name func(string) (string, string)) []share {
	var top int64
	for _, t := range tallies {
		top = max(top, t.Blocked+t.Detected)
	}
	var out []share
	for _, t := range tallies[:min(most, len(tallies))] {
		n := t.Blocked + t.Detected
		text, link := name(t.Name)
		out = append(out, share{Name: text, Link: link, Count: n, Part: max(1, int(n*100/top))})
	}
	return out
}
