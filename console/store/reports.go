package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/report/wire"
)

// Reports is what an edge sent at a time: records of one lane, in order.
type Reports struct {
	Edge, Epoch string
	Lane        uint64
	After       uint64  // the number before the first
	Gone        *uint64 // when not nil: the edge has no records any more between this number and After
	Frames      []Frame
}

// Frame is the items with the numbers First to Last.
type Frame struct {
	First, Last uint64
	Items       []wire.Item
}

// GapError says that records are missing before those that came.
type GapError struct{ Committed uint64 }

// Error implements error.
func (e *GapError) Error() string {
	return fmt.Sprintf("records after %d are missing", e.Committed)
}

// InsertReports notes that an edge was heard, as [DB.HearEdge] does, and stores
// what it sent, durably and in one transaction with the number up to which its
// lane is committed, which it returns. Frames up to that number are ignored:
// each record is stored once, however often it comes. It fails with a
// [*GapError] when there are records missing before these; the edge was heard
// all the same.
func (db *DB) InsertReports(ctx context.Context, r Reports, h Heard) (committed uint64, err error) {
	var rows []eventRow
	if rows, err = rowsOf(r.Frames); err != nil {
		return 0, fmt.Errorf("store reports: %w", err)
	}
	var gap *GapError
	err = db.updateEvents(ctx, rows, func(tx *sql.Tx) error {
		gap = nil
		if err := hearEdge(ctx, tx, h); err != nil {
			return err
		}
		var home place // of the edge: what it writes of itself is not asked
		if err := tx.QueryRowContext(ctx, `SELECT branch, tenant FROM edges WHERE id = ?`, r.Edge).Scan(&home.branch, &home.tenant); err != nil {
			return err
		}
		mark := int64(r.Lane) - 1
		err := tx.QueryRowContext(ctx, `SELECT seq FROM watermarks WHERE edge = ? AND epoch = ? AND lane = ?`,
			r.Edge, r.Epoch, int64(r.Lane)).Scan(&mark)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		committed = uint64(mark)
		before := committed
		if r.After > committed {
			if r.Gone == nil || *r.Gone != committed {
				gap = &GapError{committed}
				return nil
			}
			if err := insertLoss(ctx, tx, r.gap(committed), home); err != nil {
				return err
			}
			committed = r.After
		}
		if err := db.insertFrames(ctx, tx, newDealer(home), r.Frames, rows, &committed); err != nil {
			return err
		}
		if committed == before {
			return nil
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO watermarks VALUES (?, ?, ?, ?) ON CONFLICT (edge, epoch, lane) DO UPDATE SET seq = excluded.seq`,
			r.Edge, r.Epoch, int64(r.Lane), int64(committed))
		return err
	})
	if err == nil && gap != nil {
		err = gap
	}
	if err != nil {
		return 0, fmt.Errorf("store reports: %w", err)
	}
	return committed, nil
}

// gap is the loss of the records after the number committed: more than were
// there, when the edge skipped numbers.
func (r Reports) gap(committed uint64) event.Loss {
	now := time.Now().UTC()
	return event.Loss{ID: fmt.Sprintf("gap-%s-%s-%d-%d", r.Edge, r.Epoch, r.Lane, r.After), First: now, Last: now,
		Count: int64(r.After - committed), Reason: "gone"}
}

// rowsOf returns the events of frames, in their order, as they are stored.
func rowsOf(frames []Frame) ([]eventRow, error) {
	var rows []eventRow
	for _, f := range frames {
		for _, item := range f.Items {
			if item.Event == nil {
				continue
			}
			row, err := rowOf(item.Event)
			if err != nil {
				return nil, fmt.Errorf("event %s: %w", item.Event.ID, err)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// insertFrames stores the frames after *committed, whose events are the last of
// rows, and moves it.
func (db *DB) insertFrames(ctx context.Context, tx *sql.Tx, deal *dealer, frames []Frame, rows []eventRow, committed *uint64) error {
	hours := map[hour]int64{}
	for _, f := range frames {
		known := f.Last <= *committed
		for _, item := range f.Items {
			var err error
			switch {
			case known && item.Event != nil:
				rows = rows[1:]
			case known || item.Event != nil:
			case item.Tally != nil:
				err = insertTally(ctx, tx, item.Tally, deal, hours)
			case item.Loss != nil:
				err = insertLoss(ctx, tx, *item.Loss, deal.home)
			}
			if err != nil {
				return err
			}
		}
		*committed = max(*committed, f.Last)
	}
	if err := db.insertRows(ctx, tx, deal, rows, hours); err != nil {
		return err
	}
	return count(ctx, tx, hours)
}

func insertLoss(ctx context.Context, tx *sql.Tx, l event.Loss, home place) error {
	_, err := tx.ExecContext(ctx, lossStatement, lossValues(l, home)...)
	return err
}
