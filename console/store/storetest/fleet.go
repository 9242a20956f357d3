package storetest

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/report/wire"
)

func tallies(t *testing.T, db *store.DB) {
	one := event.Tally{First: start, Last: start.Add(time.Minute), Count: 1200, Site: "site0.kz", Action: event.Blocked,
		Class: event.ClassSQL, Rule: 942100, Network: netip.MustParsePrefix("203.0.113.0/24"), Path: "/product/#"}
	one.ID, _ = event.NewID()
	other := event.Tally{First: start, Last: start, Count: 3, Site: "site1.kz", Action: event.Blocked, Class: event.ClassScript}
	other.ID, _ = event.NewID()
	for _, batch := range [][]event.Tally{{one}, {one, other}, {other}} {
		if err := db.InsertTallies(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.Tallies(t.Context(), store.Whole(), start, "", 10)
	if err != nil || !reflect.DeepEqual(got, []event.Tally{one, other}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := db.Tallies(t.Context(), store.Whole(), start, "site1.kz", 10); err != nil || len(got) != 1 || got[0].ID != other.ID {
		t.Errorf("of one site: %+v, %v", got, err)
	}
	classes, err := db.Classes(t.Context(), store.Whole(), start, start.Add(time.Hour), "site0.kz")
	if err != nil || len(classes) != 1 || classes[0].Blocked != 1200 {
		t.Errorf("a flood does not count: %+v, %v", classes, err)
	}
	if _, err := db.Trim(t.Context(), start.Add(time.Hour), 0); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Tallies(t.Context(), store.Whole(), time.Time{}, "", 10); err != nil || len(got) != 0 {
		t.Errorf("after their time: %+v, %v", got, err)
	}
}

func enrol(t *testing.T, db *store.DB, id string) {
	t.Helper()
	code := []byte("code of " + id)
	if err := db.InsertInvitation(t.Context(), store.Whole(), code, "aigerim", start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	e := store.Edge{ID: id, Name: id, Key: ed25519.PublicKey("key of " + id), Enrolled: start, Version: "1"}
	if err := db.Enroll(t.Context(), code, e); err != nil {
		t.Fatal(err)
	}
}

// reports sends the same records late, twice, out of order and again after
// everything, and every record is there once.
func reports(t *testing.T, db *store.DB) {
	enrol(t, db, "edge")
	const total, size = 120, 6
	var batches []store.Reports
	for from := 1; from <= total; from += size {
		b := store.Reports{Edge: "edge", Epoch: "e", Lane: 1, After: uint64(from - 1)}
		for _, part := range [][2]int{{from, from + 1}, {from + 2, from + size - 1}} {
			f := store.Frame{First: uint64(part[0]), Last: uint64(part[1])}
			for i := part[0]; i <= part[1]; i++ {
				f.Items = append(f.Items, item(i))
			}
			b.Frames = append(b.Frames, f)
		}
		batches = append(batches, b)
	}
	heard := store.Heard{Edge: "edge", At: start, Boot: "b"}
	r := rand.New(rand.NewPCG(1, 2))
	for sent := 0; sent < len(batches); {
		i := min(len(batches)-1, max(0, sent+r.IntN(5)-2))
		mark, err := db.InsertReports(t.Context(), batches[i], heard)
		var gap *store.GapError
		switch {
		case errors.As(err, &gap):
			if i <= sent || gap.Committed != batches[sent].After {
				t.Fatalf("batch %d after %d: %v", i, sent, err)
			}
		case err != nil:
			t.Fatal(err)
		case i == sent:
			sent++
			fallthrough
		default:
			if want := uint64(sent * size); mark != want {
				t.Fatalf("committed %d, want %d", mark, want)
			}
		}
	}
	var weight int64
	page, err := db.Events(t.Context(), store.Whole(), store.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	weight += int64(len(page.Events))
	counts, err := db.Tallies(t.Context(), store.Whole(), time.Time{}, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range counts {
		weight += c.Count
	}
	lost, err := db.Losses(t.Context(), store.Whole(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lost {
		weight += l.Count
	}
	var want int64
	for i := 1; i <= total; i++ {
		want += item(i).Weight()
	}
	if weight != want || len(counts) == 0 || len(lost) == 0 {
		t.Errorf("weight %d, want %d, of %d events, %d counts, %d losses", weight, want, len(page.Events), len(counts), len(lost))
	}
	// Another lane and another epoch begin for themselves.
	for _, b := range []store.Reports{{Edge: "edge", Epoch: "e", Lane: 500, After: 499}, {Edge: "edge", Epoch: "f", Lane: 1}} {
		b.Frames = []store.Frame{{First: b.After + 1, Last: b.After + 1, Items: []wire.Item{item(1000)}}}
		if mark, err := db.InsertReports(t.Context(), b, heard); err != nil || mark != b.After+1 {
			t.Errorf("%s/%d: %d, %v", b.Epoch, b.Lane, mark, err)
		}
	}
}

func item(i int) wire.Item {
	switch {
	case i%10 == 3:
		tally := event.Tally{First: start, Last: start, Count: int64(i), Site: "s", Action: event.Blocked, Class: event.ClassSQL}
		tally.ID, _ = event.NewID()
		return wire.Item{Tally: &tally}
	case i%10 == 7:
		return wire.Item{Loss: &event.Loss{ID: fmt.Sprint(i), First: start, Last: start, Count: int64(2 * i), Reason: "damaged"}}
	}
	e := Event(i)
	return wire.Item{Event: &e}
}

func enrolment(t *testing.T, db *store.DB) {
	enrol(t, db, "astana")
	e := store.Edge{ID: "second", Name: "second", Key: ed25519.PublicKey("k2"), Enrolled: start}
	if err := db.Enroll(t.Context(), []byte("code of astana"), e); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a code was used twice: %v", err)
	}
	if err := db.InsertInvitation(t.Context(), store.Whole(), []byte("late"), "aigerim", start.Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := db.Enroll(t.Context(), []byte("late"), e); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a code that has expired: %v", err)
	}
	got, err := db.Edge(t.Context(), "astana")
	want := store.Edge{ID: "astana", Name: "astana", Key: ed25519.PublicKey("key of astana"), Enrolled: start, Invited: "aigerim", Seen: start, Version: "1"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	heard := store.Heard{Edge: "astana", At: start.Add(time.Minute), Boot: "a", Version: "2", Ahead: -3 * time.Second, Waiting: 17}
	if err := db.HearEdge(t.Context(), heard); err != nil {
		t.Fatal(err)
	}
	if err := db.Retire(t.Context(), store.Whole(), "astana", start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := db.HearEdge(t.Context(), heard); !errors.Is(err, store.ErrRetired) {
		t.Errorf("a retired edge was heard: %v", err)
	}
	want.Seen, want.Version, want.Ahead, want.Waiting, want.Retired = heard.At, "2", heard.Ahead, 17, start.Add(time.Hour)
	all, err := db.Edges(t.Context(), store.Whole())
	if err != nil || !reflect.DeepEqual(all, []store.Edge{want}) {
		t.Errorf("%+v, %v", all, err)
	}
	for _, id := range []string{"astana", "nobody"} {
		if err := db.Retire(t.Context(), store.Whole(), id, start); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("retire %s: %v", id, err)
		}
	}
}

// clonedEdge: a restart is no clone; two processes heard in turn are.
func clonedEdge(t *testing.T, db *store.DB) {
	enrol(t, db, "edge")
	hear := func(boot string, minute int) time.Time {
		t.Helper()
		if err := db.HearEdge(t.Context(), store.Heard{Edge: "edge", At: start.Add(time.Duration(minute) * time.Minute), Boot: boot}); err != nil {
			t.Fatal(err)
		}
		e, err := db.Edge(t.Context(), "edge")
		if err != nil {
			t.Fatal(err)
		}
		return e.Cloned
	}
	for minute, boot := range []string{"a", "a", "b", "b", "c"} {
		if at := hear(boot, minute); !at.IsZero() {
			t.Fatalf("%s made it a clone", boot)
		}
	}
	if at := hear("b", 6); !at.Equal(start.Add(6 * time.Minute)) {
		t.Errorf("two in turn: cloned %s", at)
	}
}
