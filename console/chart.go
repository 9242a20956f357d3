package console

import (
	"time"

	"github.com/qorgan/qorgan/console/store"
)

// chart is a picture of counts by the hour: bars in a box of chartWidth by
// chartHeight units, drawn by the template as SVG.
type chart struct {
	Width, Height int
	Bars          []bar
	Days          []chartDay
	Top           int64 // the tallest bar's count
	Empty         bool
}

type bar struct {
	X, Y, Width, Height int // stopped
	NotedY, NotedHeight int // only noted, on top
	Start               time.Time
	Blocked, Detected   int64
}

// chartDay is a day's name under the bars, and the line at its midnight.
type chartDay struct {
	X     int
	Start time.Time
}

const (
	chartHeight = 120
	barStep     = 6
	barWidth    = 4
	chartCalm   = 12 // fewer in an hour do not fill the picture
)

// newChart draws hours, oldest first, from a midnight on. A bar with any count is at least one
// unit tall, so that nothing disappears beside a flood.
func newChart(hours []store.Hour, zone *time.Location) chart {
	c := chart{Width: max(1, len(hours)*barStep), Height: chartHeight, Empty: true}
	for _, h := range hours {
		c.Top = max(c.Top, h.Blocked+h.Detected)
	}
	scale := max(c.Top, chartCalm)
	tall := func(n int64) int {
		if n == 0 {
			return 0
		}
		return max(2, int(n*(chartHeight-4)/scale))
	}
	for i, h := range hours {
		x := i * barStep
		if start := h.Start.In(zone); start.Hour() == 0 {
			c.Days = append(c.Days, chartDay{X: x, Start: start})
		}
		if h.Blocked+h.Detected == 0 {
			continue
		}
		c.Empty = false
		b := bar{X: x + 1, Width: barWidth, Start: h.Start.In(zone), Blocked: h.Blocked, Detected: h.Detected}
		b.Height, b.NotedHeight = tall(h.Blocked), tall(h.Detected)
		if b.Height+b.NotedHeight > chartHeight {
			b.NotedHeight = chartHeight - b.Height
		}
		b.Y = chartHeight - b.Height
		b.NotedY = b.Y - b.NotedHeight
		c.Bars = append(c.Bars, b)
	}
	return c
}
