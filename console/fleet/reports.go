package fleet

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/report/wire"
)

// ahead is how far an event's time may lie in the future. Beyond it the edge's
// clock is wrong, and the event gets the time at which it came: as it is it
// would stand above everything else for ever.
const ahead = 10 * time.Minute

var epochForm = regexp.MustCompile(`^[0-9a-f]{1,32}$`)

func (d *Door) reports(w http.ResponseWriter, r *http.Request) {
	b, ok := body(w, r, maxBatch)
	if !ok {
		return
	}
	claim, edge, ok := d.edge(r.Context(), w, r, b)
	if !ok {
		return
	}
	reports, err := head(r.URL.Query())
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	leave, ok := d.enter(claim.Edge)
	if !ok {
		refuse(w, http.StatusTooManyRequests, "another batch is under way")
		return
	}
	defer leave()

	now := d.now().UTC()
	heard := store.Heard{Edge: claim.Edge, At: now, Boot: clip(claim.Boot, 40), Version: clip(claim.Version, 40),
		Ahead: claim.Time.Sub(now).Round(time.Second), Waiting: max(0, claim.Waiting)}
	reports.Edge = claim.Edge
	var unreadable error
	var committed uint64
	if reports.Frames, unreadable = frames(b, claim.Edge, now); unreadable != nil {
		err = d.db.HearEdge(r.Context(), heard)
	} else {
		// An edge that hangs up meanwhile comes again, and is told what is there.
		committed, err = d.db.InsertReports(context.WithoutCancel(r.Context()), reports, heard)
	}
	var gap *store.GapError
	switch {
	case errors.Is(err, store.ErrRetired):
		refuse(w, http.StatusUnauthorized, store.ErrRetired.Error())
	case errors.As(err, &gap):
		answer(w, http.StatusConflict, wire.Receipt{Committed: gap.Committed, Error: gap.Error()})
	case err != nil:
		d.log.Error().Err(err).Str("edge", claim.Edge).Msg("reports were not stored")
		refuse(w, http.StatusServiceUnavailable, "the console's store takes nothing")
	case unreadable != nil:
		d.log.Warn().Err(unreadable).Str("edge", claim.Edge).Msg("reports cannot be read")
		refuse(w, http.StatusBadRequest, unreadable.Error())
	default:
		d.notice(edge, reports.Frames)
		answer(w, http.StatusOK, wire.Receipt{Committed: committed})
	}
}

// head reads which records a request brings.
func head(q url.Values) (store.Reports, error) {
	r := store.Reports{Epoch: q.Get("epoch")}
	lane, err1 := strconv.ParseUint(q.Get("lane"), 10, 63)
	after, err2 := strconv.ParseUint(q.Get("after"), 10, 63)
	if err1 != nil || err2 != nil || lane == 0 || after < lane-1 || !epochForm.MatchString(r.Epoch) {
		return store.Reports{}, errors.New("no epoch, lane and number in the address")
	}
	r.Lane, r.After = lane, after
	if gone := q.Get("gone"); gone != "" {
		n, err := strconv.ParseUint(gone, 10, 63)
		if err != nil || n >= after {
			return store.Reports{}, errors.New("records that are gone come before those that are here")
		}
		r.Gone = &n
	}
	return r, nil
}

// frames reads a body. What of it is no record becomes a loss, so that one bad
// record does not hold up those behind it; what is no frame is an error.
func frames(b []byte, edge string, now time.Time) ([]store.Frame, error) {
	decoder, err := wire.NewDecoder()
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	var all []store.Frame
	var last uint64
	for left := maxPlain; len(b) > 0; {
		h, records, err := decoder.Records(b)
		if err != nil {
			return nil, err
		}
		if h.First <= last || h.Last >= 1<<63 {
			return nil, wire.ErrDamaged
		}
		f := store.Frame{First: h.First, Last: h.Last}
		for _, r := range records {
			if left -= len(r); left < 0 {
				return nil, wire.ErrTooBig
			}
			f.Items = append(f.Items, read(r, edge, now))
		}
		all, last, b = append(all, f), h.Last, b[h.Size:]
	}
	return all, nil
}

// read reads one record of an edge.
func read(record []byte, edge string, now time.Time) wire.Item {
	item, err := wire.DecodeItem(record)
	switch {
	case err != nil:
	case item.Event != nil:
		e := item.Event
		if _, err := uuid.Parse(e.ID); err == nil {
			e.Edge = edge
			e.Time = sane(e.Time, now)
			return item
		}
	case item.Tally != nil:
		t := item.Tally
		if _, err := uuid.Parse(t.ID); err == nil && t.Count > 0 {
			t.First, t.Last = sane(t.First, now), sane(t.Last, now)
			return item
		}
	case item.Loss != nil:
		if l := item.Loss; l.ID != "" && len(l.ID) <= 64 && l.Count > 0 {
			l.First, l.Last = sane(l.First, now), sane(l.Last, now)
			return item
		}
	}
	id, _ := event.NewID()
	return wire.Item{Loss: &event.Loss{ID: id, First: now, Last: now, Count: 1, Reason: "unreadable"}}
}

func sane(t, now time.Time) time.Time {
	if t.After(now.Add(ahead)) || t.Year() < 2020 {
		return now
	}
	return t.UTC()
}
