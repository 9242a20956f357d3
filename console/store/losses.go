package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/qorgan/qorgan/event"
)

const lossStatement = `INSERT INTO losses (id, first, last, count, reason, branch, tenant) VALUES (?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (id) DO UPDATE SET count = excluded.count, last = excluded.last WHERE excluded.count > losses.count AND losses.tenant = excluded.tenant`

func lossValues(l event.Loss, home place) []any {
	return []any{l.ID, l.First.UnixMicro(), l.Last.UnixMicro(), l.Count, l.Reason, home.branch, home.tenant}
}

// InsertLoss writes a loss of this machine's own edge down. A loss that is
// there already, by id, is replaced by one with a higher count.
func (db *DB) InsertLoss(ctx context.Context, l event.Loss) error {
	_, err := db.exec(ctx, lossStatement, lossValues(l, place{})...)
	if err != nil {
		return fmt.Errorf("store loss: %w", err)
	}
	return nil
}

// Losses returns the losses of edges within s that ended at or after from,
// newest first, at most a hundred.
func (db *DB) Losses(ctx context.Context, s Scope, from time.Time) ([]event.Loss, error) {
	where, args := s.sql("")
	losses, err := scanAll(ctx, db.read, func(rows *sql.Rows, l *event.Loss) error {
		var first, last int64
		err := rows.Scan(&l.ID, &first, &last, &l.Count, &l.Reason)
		l.First, l.Last = time.UnixMicro(first).UTC(), time.UnixMicro(last).UTC()
		return err
	}, `SELECT id, first, last, count, reason FROM losses WHERE last >= ? AND `+where+` ORDER BY last DESC LIMIT 100`, append([]any{from.UnixMicro()}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("list losses: %w", err)
	}
	return losses, nil
}
