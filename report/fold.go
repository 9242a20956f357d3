package report

import (
	"time"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/report/wire"
)

// Fold makes fewer records of many for an outbox that is full, and loses no
// count: the weights of what it returns are those of what it was given. Of
// each site's events by one rule it keeps the first whole and counts the rest;
// pressed, it keeps none and counts by site and class. Losses stay. A record
// that it cannot read becomes a loss.
func Fold(records [][]byte, pressed bool) [][]byte {
	var kept [][]byte
	var counted tallies
	type kind struct {
		site string
		rule int
	}
	seen := map[kind]bool{}
	var unreadable event.Loss
	for _, r := range records {
		item, err := wire.DecodeItem(r)
		switch {
		case err != nil:
			if unreadable.Count == 0 {
				id, _ := event.NewID()
				now := time.Now().UTC()
				unreadable = event.Loss{ID: id, First: now, Last: now, Reason: "damaged"}
			}
			unreadable.Count++
		case item.Loss != nil:
			kept = append(kept, r)
		case item.Tally != nil:
			k := keyOfTally(item.Tally)
			if pressed {
				k = k.coarse()
			}
			counted.add(k, item.Tally.Count, item.Tally.First, item.Tally.Last)
		default:
			k := keyOf(item.Event)
			if first := (kind{k.site, k.rule}); !pressed && !seen[first] {
				seen[first] = true
				kept = append(kept, r)
				continue
			}
			if pressed {
				k = k.coarse()
			}
			counted.add(k, 1, item.Event.Time, item.Event.Time)
		}
	}
	add := func(i wire.Item) {
		b, err := i.Encode()
		if err != nil {
			return // only values of ours, which encode
		}
		kept = append(kept, b)
	}
	if unreadable.Count > 0 {
		add(wire.Item{Loss: &unreadable})
	}
	for _, t := range counted.take() {
		add(wire.Item{Tally: &t})
	}
	return kept
}
