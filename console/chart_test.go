package console

import (
	"testing"
	"time"

	"github.com/qorgan/qorgan/console/store"
)

func TestChart(t *testing.T) {
	start := time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)
	hours := make([]store.Hour, 7*24)
	for i := range hours {
		hours[i].Start = start.Add(time.Duration(i) * time.Hour)
	}
	if c := newChart(hours, time.UTC); !c.Empty || len(c.Days) != 7 || len(c.Bars) != 0 {
		t.Errorf("an empty week: %+v", c)
	}
	hours[0].Blocked = 1
	if c := newChart(hours, time.UTC); c.Bars[0].Height > chartHeight/4 {
		t.Errorf("one refusal fills the picture: %+v", c.Bars[0])
	}
	hours[30].Blocked, hours[30].Detected = 900_000, 100_000
	c := newChart(hours, time.UTC)
	if len(c.Bars) != 2 || c.Top != 1_000_000 || c.Bars[0].Height < 2 {
		t.Errorf("beside a flood: %+v", c)
	}
	for _, b := range c.Bars {
		if b.Y < 0 || b.NotedY < 0 || b.Y+b.Height != chartHeight || b.NotedY+b.NotedHeight != b.Y || b.X+b.Width > c.Width {
			t.Errorf("a bar leaves the picture: %+v", b)
		}
	}
}
