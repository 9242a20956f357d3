package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/qorgan/qorgan/internal/hold"
)

// File is the database's usual name in a data folder.
const File = "qorgan.db"

// Errors that callers tell apart.
var (
	ErrNotFound = errors.New("not found")
	ErrHeld     = errors.New("store is held by another process")
	ErrNewer    = errors.New("store was written by a newer qorgan")
	ErrReadOnly = errors.New("store is open for reading only")
)

// HintError is an error with a sentence on what to do about it.
type HintError struct {
	Err  error
	Hint string
}

// Error implements error.
func (e *HintError) Error() string { return e.Err.Error() + ". Try: " + e.Hint }

// Unwrap returns the error without its hint.
func (e *HintError) Unwrap() error { return e.Err }

// DB is an open store. The zero value is not usable.
type DB struct {
	engine engine
	read   *sql.DB
	write  *sql.DB // nil when open for reading only; a server's is the same as read
	group  *group  // of those who write to a file
	lock   *os.File
	news   *news
}

// Open opens the store at a place for reading and writing, makes it when there
// is none, and brings its schema up to date. The place is a file, or the
// address of a PostgreSQL (postgres://user@host/database) that several consoles
// may share; what the address does not say, libpq's variables do: PGPASSWORD,
// PGPASSFILE, PGSSLROOTCERT. It fails with ErrHeld while another process has the
// file open for writing and with ErrNewer when a newer program has been at work.
func Open(ctx context.Context, place string) (*DB, error) {
	db, err := open(ctx, place, true, true)
	if err != nil {
		return nil, err
	}
	if err := db.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", named(place), err), db.Close())
	}
	if p, ok := db.engine.(*postgres); ok {
		db.listen(p)
	}
	return db, nil
}

// OpenReadOnly opens the store at a place, as [Open] takes it, for reading, also
// while another process writes to it. It fails with ErrNotFound when there is
// none.
func OpenReadOnly(ctx context.Context, place string) (*DB, error) {
	return openBeside(ctx, place, false)
}

// OpenBeside opens the store at a place, as [Open] takes it, for a small write
// while another process may have it open with Open. It is for a command that
// changes a row and ends; it never changes the schema and deletes nothing. It
// fails with ErrNotFound when there is no store.
func OpenBeside(ctx context.Context, place string) (*DB, error) {
	return openBeside(ctx, place, true)
}

func openBeside(ctx context.Context, place string, write bool) (*DB, error) {
	db, err := open(ctx, place, write, false)
	if err != nil {
		return nil, err
	}
	if err := db.known(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", named(place), err), db.Close())
	}
	return db, nil
}

// open connects. Only an owner makes a store that is not there, and has a file
// for itself.
func open(ctx context.Context, place string, write, owner bool) (*DB, error) {
	db := &DB{news: &news{waiting: map[Topic]chan struct{}{}}}
	err := db.connect(ctx, place, write, owner)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", named(place), err), db.Close())
	}
	return db, nil
}

func (db *DB) connect(ctx context.Context, place string, write, owner bool) (err error) {
	if isAddress(place) {
		p, err := newPostgres(place)
		if err != nil {
			return err
		}
		db.engine, db.read = p, p.connect(!write)
		if write {
			db.write = db.read
		}
		return p.reach(ctx, db.read)
	}
	db.engine, db.group = sqlite{}, &group{}
	if owner {
		if db.lock, err = own(place); err != nil {
			return err
		}
	} else if _, err := os.Stat(place); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = &HintError{ErrNotFound, "name the folder that `qorgan run` was given with --data"}
		}
		return err
	}
	if write {
		if db.write, err = (sqlite{}).connect(place, "rw", 1); err != nil {
			return err
		}
	}
	db.read, err = sqlite{}.connect(place, "ro", 4)
	return err
}

// own makes the file with its final permissions before SQLite touches it, which
// gives them to its side files, and locks it for this process.
func own(file string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	lock, err := hold.File(file + ".lock")
	if held := (*hold.HeldError)(nil); errors.As(err, &held) {
		err = &HintError{ErrHeld, held.Hint + ", or use another --data folder"}
	}
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return lock, err
	}
	return lock, f.Close()
}

// named returns a place as it may stand in a message: without a password.
func named(place string) string {
	if !isAddress(place) {
		return place
	}
	u, err := url.Parse(place)
	if err != nil {
		return "at an address"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// Close closes the store and lets other processes write to it.
func (db *DB) Close() error {
	db.news.close()
	var errs []error
	for _, pool := range []*sql.DB{db.read, db.write} {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	if db.lock != nil {
		errs = append(errs, hold.Release(db.lock))
	}
	return errors.Join(errs...)
}

// update runs f in a transaction.
func (db *DB) update(ctx context.Context, f func(*sql.Tx) error) error {
	if db.write == nil {
		return ErrReadOnly
	}
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		if undo := tx.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
			err = errors.Join(err, undo)
		}
		return err
	}
	return tx.Commit()
}

// exec runs one statement that writes and returns how many rows it changed.
func (db *DB) exec(ctx context.Context, query string, args ...any) (int64, error) {
	if db.write == nil {
		return 0, ErrReadOnly
	}
	result, err := db.write.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// missing turns "no rows" into ErrNotFound.
func missing(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}
