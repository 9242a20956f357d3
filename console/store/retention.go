package store

import (
	"context"
	"fmt"
	"time"
)

// Trim deletes events older than before, then the oldest ones until the store
// takes no more than maxBytes. A zero time or size sets no bound. Counts of
// floods go with their age, counts by the hour stay. A PostgreSQL drops whole
// days (UTC): the rest of the day in which before lies, and the newest day,
// stay. It returns how many events it deleted, also with an error.
func (db *DB) Trim(ctx context.Context, before time.Time, maxBytes int64) (int64, error) {
	if db.write == nil {
		return 0, fmt.Errorf("trim store: %w", ErrReadOnly)
	}
	removed, err := db.engine.trim(ctx, db, before, maxBytes)
	if err == nil && !before.IsZero() {
		_, err = db.exec(ctx, `DELETE FROM tallies WHERE last < ?`, before.UnixMicro())
	}
	if err != nil {
		return removed, fmt.Errorf("trim store: %w", err)
	}
	return removed, nil
}

// Size returns the bytes that the store takes.
func (db *DB) Size(ctx context.Context) (int64, error) { return db.engine.size(ctx, db.read) }
