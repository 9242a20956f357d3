package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// TrimTenants deletes the events of tenants that keep theirs for a shorter time
// than everybody, a step at a time, and returns how many, also with an error.
// Counts by the hour stay.
func (db *DB) TrimTenants(ctx context.Context, now time.Time) (removed int64, err error) {
	tenants, err := db.Tenants(ctx, Whole())
	if err != nil {
		return 0, err
	}
	for _, t := range tenants {
		if t.Keep <= 0 || t.ID == Desk {
			continue
		}
		where, of := "(tenant = ? AND tenant <> branch)", t.ID
		if t.Level() == 1 {
			where = "(branch = ? AND branch <> 0 AND tenant = branch)"
		}
		before := firstKey(now.Add(-t.Keep))
		for n := trimStep; n == trimStep; {
			err := db.update(ctx, func(tx *sql.Tx) error {
				keys, err := scanAll(ctx, tx, func(rows *sql.Rows, key *int64) error { return rows.Scan(key) },
					`SELECT key FROM events WHERE `+where+` AND key < ? ORDER BY key LIMIT ?`, of, before, trimStep)
				if n = len(keys); err != nil || n == 0 {
					return err
				}
				return db.engine.removeEvents(ctx, tx, keys)
			})
			if err != nil {
				return removed, fmt.Errorf("trim tenant %d: %w", t.ID, err)
			}
			removed += int64(n)
		}
	}
	return removed, nil
}
