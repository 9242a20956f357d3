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

// Trim deletes events older than before, then the oldest ones until the
// database file is no larger than maxBytes. A zero time or size sets no
// bound. Counts of floods go with their age, counts by the hour stay. It returns how many events it deleted, also
// with an error.
func (db *DB) Trim(ctx context.Context, before time.Time, maxBytes int64) (int64, error) {
	if db.write == nil {
		return 0, fmt.Errorf("trim store: %w", ErrReadOnly)
	}
	var removed int64
	for !before.IsZero() {
		n, err := db.removeOldest(ctx, firstKey(before))
		removed += n
		if err != nil {
			return removed, fmt.Errorf("trim store: %w", err)
		}
		if n == 0 {
			break
		}
	}
	for maxBytes > 0 {
		used, err := db.Size(ctx)
		if err != nil {
			return removed, fmt.Errorf("trim store: %w", err)
		}
		if used <= maxBytes {
			break
		}
		n, err := db.removeOldest(ctx, 1<<63-1)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("trim store: %w", err)
		}
		if n == 0 {
			break
		}
	}
	if !before.IsZero() {
		if _, err := db.exec(ctx, `DELETE FROM tallies WHERE last < ?`, before.UnixMicro()); err != nil {
			return removed, fmt.Errorf("trim store: %w", err)
		}
	}
	if removed > 0 {
		if err := db.shrink(ctx); err != nil {
			return removed, fmt.Errorf("shrink store: %w", err)
		}
	}
	return removed, nil
}

// Size returns the bytes of the database that are in use.
func (db *DB) Size(ctx context.Context) (int64, error) {
	var bytes int64
	err := db.read.QueryRowContext(ctx, `SELECT ((SELECT page_count FROM pragma_page_count) -
		(SELECT freelist_count FROM pragma_freelist_count)) * (SELECT page_size FROM pragma_page_size)`).Scan(&bytes)
	return bytes, err
}

// removeOldest deletes the oldest events below key, a step of them.
func (db *DB) removeOldest(ctx context.Context, key int64) (removed int64, err error) {
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
func (db *DB) shrink(ctx context.Context) error {
	for {
		var free int64
		if err := db.write.QueryRowContext(ctx, `PRAGMA freelist_count`).Scan(&free); err != nil {
			return err
		}
		if free < 64 {
			return nil
		}
		if _, err := db.write.ExecContext(ctx, `PRAGMA incremental_vacuum(2000)`); err != nil {
			return err
		}
		var after int64
		if err := db.write.QueryRowContext(ctx, `PRAGMA freelist_count`).Scan(&after); err != nil || after >= free {
			return err
		}
	}
}
