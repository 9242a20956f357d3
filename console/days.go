package console

import (
	"net/http"
	"time"

	"github.com/qorgan/qorgan/console/store"
)

// days is a picture of what the list selects, a bar a day, in a box of Width by
// daysHeight units. Each bar leads to its day.
type days struct {
	Width int
	Bars  []dayColumn
	First time.Time
	Last  time.Time
	Top   int64 // on the busiest day
	Sum   int64
}

type dayColumn struct {
	X, Y, Height        int // stopped
	NotedY, NotedHeight int // only noted, on top
	Start               time.Time
	Blocked, Detected   int64
	Link                string
}

const (
	daysHeight = 60
	dayStep    = 10
	dayWidth   = 8
	maxDays    = 92
)

// newDays draws the counts of whole days for filters that the counts know: the
// rest (rules, clients, words) they do not, and there is no picture then, nor for
// less than two days.
func (s *Server) newDays(r *http.Request, v *visit, f filters, q store.Query) (*days, error) {
	now := v.now
	if f.Rule+f.Client+f.Text != "" || f.Span == "hour" || f.Span == "day" {
		return nil, nil
	}
	end := midnight(now).AddDate(0, 0, 1)
	if !q.To.IsZero() && q.To.Before(end) {
		end = q.To
	}
	first := midnight(now).AddDate(0, 0, 1-maxDays)
	if !q.From.IsZero() && q.From.After(first) {
		first = midnight(q.From.In(now.Location()))
	}
	if !first.Before(end.AddDate(0, 0, -1)) {
		return nil, nil
	}
	hours, err := s.db.Counts(r.Context(), v.scope, first, end, f.Site, q.Class, q.Action)
	if err != nil {
		return nil, err
	}
	d := &days{First: first, Last: end.AddDate(0, 0, -1)}
	byDay := map[time.Time]int{}
	for day := first; day.Before(end); day = day.AddDate(0, 0, 1) {
		byDay[day] = len(d.Bars)
		with := f
		with.Span, with.From, with.To = "", day.Format(time.DateOnly), day.Format(time.DateOnly)
		d.Bars = append(d.Bars, dayColumn{X: len(d.Bars) * dayStep, Start: day, Link: listURL(with)})
	}
	d.Width = max(1, len(d.Bars)*dayStep)
	for _, h := range hours {
		if i, ok := byDay[midnight(h.Start.In(now.Location()))]; ok {
			d.Bars[i].Blocked += h.Blocked
			d.Bars[i].Detected += h.Detected
		}
	}
	for _, b := range d.Bars {
		d.Top, d.Sum = max(d.Top, b.Blocked+b.Detected), d.Sum+b.Blocked+b.Detected
	}
	if d.Sum == 0 {
		return nil, nil
	}
	d.scale()
	return d, nil
}

// scale sets the bars' heights. A day with any count is seen beside a flood.
func (d *days) scale() {
	tall := func(n int64) int {
		if n == 0 {
			return 0
		}
		return max(2, int(n*(daysHeight-2)/d.Top))
	}
	for i := range d.Bars {
		b := &d.Bars[i]
		b.Height, b.NotedHeight = tall(b.Blocked), tall(b.Detected)
		b.NotedHeight = min(b.NotedHeight, daysHeight-b.Height)
		b.Y = daysHeight - b.Height
		b.NotedY = b.Y - b.NotedHeight
	}
}

// Count is all of a day.
func (b dayColumn) Count() int64 { return b.Blocked + b.Detected }
