package report

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/report/wire"
)

func refusal(i int, site string) event.Event {
	id, code := event.NewID()
	return event.Event{ID: id, Code: code, Time: time.Now().UTC(), Site: site, Action: event.Blocked, Kind: event.KindRule,
		Rules: []int{942100}, Client: event.Client{Addr: netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})},
		Request: event.Request{Target: fmt.Sprintf("/product/%d?id=1", i)}}
}

// TestFloodConserves: whatever a flood's size and however often its counts
// cannot be stored, what came is what was kept and counted.
func TestFloodConserves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept, counted, calls atomic.Int64
		f, err := NewFlood(FloodOptions{
			Full: func(event.Event) { kept.Add(1) },
			Tallies: func(_ context.Context, all []event.Tally) error {
				if calls.Add(1)%2 == 1 {
					return errors.New("disk full")
				}
				for _, t := range all {
					counted.Add(t.Count)
				}
				return nil
			},
			Keys: 100, Rate: 20, Burst: 200,
		})
		if err != nil {
			t.Fatal(err)
		}
		const events = 50_000
		for i := range events {
			f.Record(refusal(i, []string{"shop", "blog"}[i%2]))
			if i%10_000 == 0 {
				time.Sleep(4 * time.Second)
			}
		}
		for range 3 { // every second call fails
			if err = f.hand(t.Context()); err == nil {
				break
			}
		}
		if err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if kept.Load()+counted.Load() != events {
			t.Errorf("%d kept and %d counted of %d", kept.Load(), counted.Load(), events)
		}
		if kept.Load() < 400 || kept.Load() > 1200 {
			t.Errorf("%d kept one by one", kept.Load())
		}
		if f.Tallied() != counted.Load() {
			t.Errorf("%d tallied, %d counted", f.Tallied(), counted.Load())
		}
	})
}

// TestFloodLeavesOthersAlone: a site in peace keeps every event of its own
// while another is flooded.
func TestFloodLeavesOthersAlone(t *testing.T) {
	var quiet atomic.Int64
	f, err := NewFlood(FloodOptions{
		Full: func(e event.Event) {
			if e.Site == "quiet" {
				quiet.Add(1)
			}
		},
		Tallies: func(context.Context, []event.Tally) error { return nil },
		Rate:    20, Burst: 200,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20_000 {
		f.Record(refusal(i, "flooded"))
		if i%200 == 0 {
			f.Record(refusal(i, "quiet"))
		}
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if quiet.Load() != 100 {
		t.Errorf("%d of 100", quiet.Load())
	}
}

// TestFold: fewer records of the same weight; losses stay, and the first event
// of each kind unless there is no room.
func TestFold(t *testing.T) {
	var records [][]byte
	put := func(i wire.Item) {
		b, err := i.Encode()
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, b)
	}
	var want int64
	for i := range 900 {
		e := refusal(i%40, fmt.Sprint("site", i%3))
		put(wire.Item{Event: &e})
		want++
	}
	loss := event.Loss{ID: "l", Count: 7, Reason: "queue-full"}
	put(wire.Item{Loss: &loss})
	tally := event.Tally{ID: "t", Count: 11, Site: "site1", Action: event.Blocked, Class: event.ClassSQL}
	put(wire.Item{Tally: &tally})
	records = append(records, []byte("{no record"), []byte(`{"event":null}`))
	want += 7 + 11 + 2

	for _, pressed := range []bool{false, true} {
		folded := Fold(records, pressed)
		var weight int64
		events := map[string]int{}
		for _, r := range folded {
			item, err := wire.DecodeItem(r)
			if err != nil {
				t.Fatal(err)
			}
			weight += item.Weight()
			if item.Event != nil {
				events[item.Event.Site]++
			}
		}
		if weight != want {
			t.Errorf("pressed %t: weight %d, want %d", pressed, weight, want)
		}
		if pressed && (len(folded) > 8 || len(events) > 0) {
			t.Errorf("pressed: %d records, events %v", len(folded), events)
		}
		if !pressed && (len(folded) > 300 || len(events) != 3 || events["site1"] != 1) {
			t.Errorf("%d records, events %v", len(folded), events)
		}
	}
}

func TestPathShape(t *testing.T) {
	for target, want := range map[string]string{
		"/product/17?id=3":                    "/product/#",
		"/":                                   "/",
		"*":                                   "/*",
		"/2026/11/24/post":                    "/#/#/#/post",
		"/a/b/c/d/e/f/g":                      "/a/b/c/d/e/f/…",
		"/wp-content/uploads/2026/11/pic.php": "/wp-content/uploads/#/#/pic.php",
	} {
		if got := pathShape(target); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}
