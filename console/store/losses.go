package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/qorgan/qorgan/event"
)

const lossStatement = `INSERT INTO losses VALUES (?, ?, ?, ?, ?)
	ON CONFLICT (id) DO UPDATE SET count = excluded.count, last = excluded.last WHERE excluded.count > losses.count`

func lossValues(l event.Loss) []any {
	return []any{l.ID, l.First.UnixMicro(), l.Last.UnixMicro(), l.Count, l.Reason}
}

// InsertLoss writes a loss down. A loss that is there already, by id, is
// replaced by one with a higher count.
func (db *DB) InsertLoss(ctx context.Context, l event.Loss) error {
	_, err := db.exec(ctx, lossStatement, lossValues(l)...)
	if err != nil {
		return fmt.Errorf("store loss: %w", err)
	}
	return nil
}

// Losses returns the losses that ended at or after from, newest first, at
// most a hundred.
func (db *DB) Losses(ctx context.Context, from time.Time) ([]event.Loss, error) {
	losses, err := scanAll(ctx, db.read, func(rows *sql.Rows, l *event.Loss) error {
		var first, last int64
		err := rows.Scan(&l.ID, &first, &last, &l.Count, &l.Reason)
		l.First, l.Last = time.UnixMicro(first).UTC(), time.UnixMicro(last).UTC()
		return err
	}, `SELECT id, first, last, count, reason FROM losses WHERE last >= ? ORDER BY last DESC LIMIT 100`, from.UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("list losses: %w", err)
	}
	return losses, nil
}
