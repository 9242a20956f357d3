package store

import (
	"context"
	"database/sql"
	"strings"
	"time"
)

// engine is a database and what it does in its own way. Everything else is one
// set of SQL for all of them, with these habits: a value is a ? or a ?1; a
// conflict names its columns, ON CONFLICT (id) DO NOTHING; a comparison with
// what may be NULL is IS DISTINCT FROM; a table in FROM has an alias when it is
// a query; what one writer must do at a time is behind serial.
type engine interface {
	// prepare refuses a database that is not ours and, when write is set,
	// marks an empty one as ours and makes what migrations stand on.
	prepare(ctx context.Context, pool *sql.DB, write bool) error
	// schema turns the text of a migration into the engine's own.
	schema(text string) string
	// suffix names the engine in the names of migrations of its own.
	suffix() string
	// serial waits until no other transaction is at what name says, and has
	// others wait until tx has ended.
	serial(ctx context.Context, tx *sql.Tx, name string) error
	// announce tells other consoles, once tx is committed, what changed.
	announce(ctx context.Context, tx *sql.Tx, t Topic) error

	// ready makes the places where rows with these keys go.
	ready(ctx context.Context, pool *sql.DB, rows []eventRow) error
	// insertEvents stores rows with distinct ids, and says for each whether
	// it was new. It may move keys.
	insertEvents(ctx context.Context, tx *sql.Tx, rows []eventRow) (fresh []bool, err error)
	// search returns what to read for events with all these words, the last
	// of which may go on, and the condition with its value.
	search(words []string) (from, condition string, value any)
	// byRule is what to read for events with a rule, which is r.rule.
	byRule() string
	// trim deletes the oldest events, see [DB.Trim].
	trim(ctx context.Context, db *DB, before time.Time, maxBytes int64) (int64, error)
	// erase deletes events and sees to it that nothing of them is left in
	// the store's files.
	erase(ctx context.Context, db *DB, rows []erasable) error
	// removeEvents deletes the events with these keys.
	removeEvents(ctx context.Context, tx *sql.Tx, keys []int64) error
	// size returns the bytes that the store takes.
	size(ctx context.Context, pool *sql.DB) (int64, error)
}

// isAddress reports whether place is the address of a server and not a file.
func isAddress(place string) bool {
	return strings.HasPrefix(place, "postgres://") || strings.HasPrefix(place, "postgresql://")
}

// eventRow is an event as it is stored.
type eventRow struct {
	key                             int64
	id                              []byte
	code, site, kind, class, action string
	client                          any // []byte or nil
	rules                           []int
	words                           string
	body                            []byte
	hour                            int64
	at                              place // whose it is; known in the transaction that stores it
}
