package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// migrations hold the schema. A file is applied once, in the order of the
// names, in one transaction, and is never changed afterwards.
//
//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks a SQLite file as ours ("Qorg").
const applicationID = 0x516f7267

// migrate brings the schema up to date.
func (db *DB) migrate(ctx context.Context) error {
	if err := ours(ctx, db.write); err != nil {
		return err
	}
	err := db.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d;
			CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied INTEGER NOT NULL) STRICT`, applicationID))
		return err
	})
	if err != nil {
		return err
	}
	applied, err := appliedMigrations(ctx, db.write)
	if err != nil {
		return err
	}
	known := knownMigrations()
	if err := notNewer(applied, known); err != nil {
		return err
	}
	for _, name := range known {
		if slices.Contains(applied, name) {
			continue
		}
		text, err := migrations.ReadFile("migrations/" + name + ".sql")
		if err != nil {
			return err
		}
		err = db.update(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, string(text)); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO migrations VALUES (?, ?)`, name, time.Now().Unix())
			return err
		})
		if err != nil {
			return fmt.Errorf("migrate to %s: %w", name, err)
		}
	}
	return nil
}

// known refuses a store that this program cannot read.
func (db *DB) known(ctx context.Context) error {
	if err := ours(ctx, db.read); err != nil {
		return err
	}
	applied, err := appliedMigrations(ctx, db.read)
	if err != nil {
		return err
	}
	known := knownMigrations()
	if err := notNewer(applied, known); err != nil {
		return err
	}
	if len(applied) < len(known) {
		return &HintError{errors.New("store was written by an older qorgan"), "start `qorgan run` or `qorgan console` once with this version"}
	}
	return nil
}

// ours refuses a database that another program made.
func ours(ctx context.Context, pool *sql.DB) error {
	var id, tables int
	err := pool.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)`).Scan(&id, &tables)
	if err != nil {
		return err
	}
	if tables > 0 && id != applicationID {
		return &HintError{errors.New("file is another program's database"), "use another --data folder"}
	}
	return nil
}

func notNewer(applied, known []string) error {
	for _, name := range applied {
		if !slices.Contains(known, name) {
			return &HintError{fmt.Errorf("%w (it has %s)", ErrNewer, name), "run the newer version again, or restore the copy made before it ran"}
		}
	}
	return nil
}

func appliedMigrations(ctx context.Context, pool *sql.DB) ([]string, error) {
	return scanAll(ctx, pool, func(rows *sql.Rows, name *string) error { return rows.Scan(name) },
		`SELECT name FROM migrations ORDER BY name`)
}

func knownMigrations() []string {
	entries, err := migrations.ReadDir("migrations")
	if err != nil {
		panic(err) // embedded
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".sql"))
	}
	slices.Sort(names)
	return names
}

// scanAll runs a query and returns its rows.
func scanAll[T any](ctx context.Context, pool *sql.DB, scan func(*sql.Rows, *T) error, query string, args ...any) (_ []T, err error) {
	rows, err := pool.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []T
	for rows.Next() {
		var one T
		if err := scan(rows, &one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
