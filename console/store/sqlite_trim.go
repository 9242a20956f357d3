package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// trimStep is how many events one transaction deletes, so that a batch that
// waits to be stored waits some milliseconds.
const trimStep = 500

// trim deletes what is older than before, a step at a time, then the oldest
// until the file is no larger than maxBytes, and gives the space back.
func (sqlite) trim(ctx context.Context, db *DB, before time.Time, maxBytes int64) (removed int64, err error) {
	for !before.IsZero() {
		n, err := removeOldest(ctx, db, firstKey(before))
		removed += n
		if err != nil {
			return removed, err
		}
		if n == 0 {
			break
		}
	}
	for maxBytes > 0 {
		used, err := db.Size(ctx)
		if err != nil {
			return removed, err
		}
		if used <= maxBytes {
			break
		}
		n, err := removeOldest(ctx, db, 1<<63-1)
		removed += n
		if err != nil {
			return removed, err
		}
		if n == 0 {
			break
		}
	}
	if removed > 0 {
		if err := shrink(ctx, db.write); err != nil {
			return removed, fmt.Errorf("give space back: %w", err)
		}
	}
	return removed, nil
}

func (sqlite) removeEvents(ctx context.Context, tx *sql.Tx, keys []int64) error {
	for _, query := range []string{
		`DELETE FROM event_words WHERE rowid = ?`,
		`DELETE FROM event_rules WHERE (rule, key) IN (SELECT j.value, e.key FROM events e, json_each(e.body, '$.rules') j WHERE e.key = ?)`,
		`DELETE FROM events WHERE key = ?`,
	} {
		stmt, err := tx.PrepareContext(ctx, query)
		if err != nil {
			return err // statements of a transaction end with it
		}
		for _, key := range keys {
			if _, err := stmt.ExecContext(ctx, key); err != nil {
				return err
			}
		}
	}
	return nil
}

func (sqlite) size(ctx context.Context, pool *sql.DB) (bytes int64, err error) {
	err = pool.QueryRowContext(ctx, `SELECT ((SELECT page_count FROM pragma_page_count) -
		(SELECT freelist_count FROM pragma_freelist_count)) * (SELECT page_size FROM pragma_page_size)`).Scan(&bytes)
	return bytes, err
}

// removeOldest deletes the oldest events below key, a step of them.
func removeOldest(ctx context.Context, db *DB, key int64) (removed int64, err error) {
	err = db.update(ctx, func(tx *sql.Tx) error {
		var last sql.NullInt64
		err := tx.QueryRowContext(ctx, `SELECT max(key) FROM (SELECT key FROM events WHERE key < ? ORDER BY key LIMIT ?)`,
			key, trimStep).Scan(&last)
		if err != nil || !last.Valid {
			return err
		}
		for _, query := range []string{
			`DELETE FROM event_words WHERE rowid IN (SELECT key FROM events WHERE key <= ?)`,
			`DELETE FROM event_rules WHERE (rule, key) IN (SELECT j.value, e.key
				FROM events e, json_each(e.body, '$.rules') j WHERE e.key <= ?)`,
			`DELETE FROM events WHERE key <= ?`,
		} {
			result, err := tx.ExecContext(ctx, query, last.Int64)
			if err != nil {
				return err
			}
			if removed, err = result.RowsAffected(); err != nil {
				return err
			}
		}
		return nil
	})
	return removed, err
}

// shrink gives free pages back to the file system, a few thousand at a time.
func shrink(ctx context.Context, pool *sql.DB) error {
	for {
		var free int64
		if err := pool.QueryRowContext(ctx, `PRAGMA freelist_count`).Scan(&free); err != nil {
			return err
		}
		if free < 64 {
			return nil
		}
		if _, err := pool.ExecContext(ctx, `PRAGMA incremental_vacuum(2000)`); err != nil {
			return err
		}
		var after int64
		if err := pool.QueryRowContext(ctx, `PRAGMA freelist_count`).Scan(&after); err != nil || after >= free {
			return err
		}
	}
}
