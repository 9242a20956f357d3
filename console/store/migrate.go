package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// migrations hold the schema. A file is applied once, in the order of the
// names, and is never changed afterwards. It is written for SQLite; the engine
// of a server translates the types, see postgres.schema. Where more differs, a
// file with the same name and the ending .postgres.sql stands in for it.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date.
func (db *DB) migrate(ctx context.Context) error {
	if err := db.engine.prepare(ctx, db.write, true); err != nil {
		return err
	}
	known := knownMigrations(db.engine.suffix())
	return db.update(ctx, func(tx *sql.Tx) error {
		if err := db.engine.serial(ctx, tx, "migrations"); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, db.engine.schema(`CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied INTEGER NOT NULL) STRICT`))
		if err != nil {
			return err
		}
		applied, err := appliedMigrations(ctx, tx)
		if err != nil {
			return err
		}
		if err := notNewer(applied, known); err != nil {
			return err
		}
		for _, m := range known {
			if slices.Contains(applied, m.name) {
				continue
			}
			if _, err := tx.ExecContext(ctx, db.engine.schema(m.text)); err != nil {
				return fmt.Errorf("migrate to %s: %w", m.name, err)
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO migrations VALUES (?, ?)`, m.name, time.Now().Unix()); err != nil {
				return err
			}
		}
		return nil
	})
}

// known refuses a store that this program cannot read.
func (db *DB) known(ctx context.Context) error {
	if err := db.engine.prepare(ctx, db.read, false); err != nil {
		return err
	}
	applied, err := appliedMigrations(ctx, db.read)
	if err != nil {
		return err
	}
	known := knownMigrations(db.engine.suffix())
	if err := notNewer(applied, known); err != nil {
		return err
	}
	if len(applied) < len(known) {
		return &HintError{errors.New("store was written by an older qorgan"), "start `qorgan run` or `qorgan console` once with this version"}
	}
	return nil
}

func notNewer(applied []string, known []migration) error {
	for _, name := range applied {
		if !slices.ContainsFunc(known, func(m migration) bool { return m.name == name }) {
			return &HintError{fmt.Errorf("%w (it has %s)", ErrNewer, name), "run the newer version again, or restore the copy made before it ran"}
		}
	}
	return nil
}

func appliedMigrations(ctx context.Context, q queryer) ([]string, error) {
	return scanAll(ctx, q, func(rows *sql.Rows, name *string) error { return rows.Scan(name) },
		`SELECT name FROM migrations ORDER BY name`)
}

// migration is a step of the schema.
type migration struct{ name, text string }

// knownMigrations returns the steps in their order.
func knownMigrations(suffix string) []migration {
	entries, err := migrations.ReadDir("migrations")
	if err != nil {
		panic(err) // embedded
	}
	var known []migration
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".sql")
		if path.Ext(name) != "" {
			continue
		}
		text, err := migrations.ReadFile("migrations/" + name + suffix + ".sql")
		if errors.Is(err, fs.ErrNotExist) {
			text, err = migrations.ReadFile("migrations/" + e.Name())
		}
		if err != nil {
			panic(err) // embedded
		}
		known = append(known, migration{name, string(text)})
	}
	slices.SortFunc(known, func(a, b migration) int { return strings.Compare(a.name, b.name) })
	return known
}

// queryer is a pool or a transaction.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// scanAll runs a query and returns its rows.
func scanAll[T any](ctx context.Context, q queryer, scan func(*sql.Rows, *T) error, query string, args ...any) (_ []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
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
