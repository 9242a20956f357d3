package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver named "sqlite"

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
	path  string
	read  *sql.DB
	write *sql.DB // nil when open for reading only
	lock  *os.File
}

// Open opens the store at path for reading and writing, makes it when there
// is none, and brings its schema up to date. It fails with ErrHeld while
// another process has it open for writing and with ErrNewer when a newer
// program has been at work.
func Open(ctx context.Context, path string) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	lock, err := hold.File(path + ".lock")
	if held := (*hold.HeldError)(nil); errors.As(err, &held) {
		err = &HintError{ErrHeld, held.Hint + ", or use another --data folder"}
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	db := &DB{path: path, lock: lock}
	if err := db.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), db.Close())
	}
	return db, nil
}

// OpenReadOnly opens the store at path for reading, also while another
// process writes to it. It fails with ErrNotFound when there is none.
func OpenReadOnly(ctx context.Context, path string) (*DB, error) {
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = &HintError{ErrNotFound, "name the folder that `qorgan run` was given with --data"}
		}
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	read, err := connect(path, "ro", 4)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	db := &DB{path: path, read: read}
	if err := db.known(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), db.Close())
	}
	return db, nil
}

// OpenBeside opens the store at path for a small write while another process
// may have it open with Open: SQLite lets them take turns. It is for a command
// that changes a row and ends; it never changes the schema and deletes
// nothing. It fails with ErrNotFound when there is no store.
func OpenBeside(ctx context.Context, path string) (*DB, error) {
	db, err := OpenReadOnly(ctx, path)
	if err != nil {
		return nil, err
	}
	if db.write, err = connect(path, "rw", 1); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), db.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context) (err error) {
	// The file is made with its final permissions before SQLite touches it;
	// its side files inherit them.
	f, err := os.OpenFile(db.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if db.write, err = connect(db.path, "rw", 1); err != nil {
		return err
	}
	if err := db.migrate(ctx); err != nil {
		return err
	}
	db.read, err = connect(db.path, "ro", 4)
	return err
}

// connect opens a pool of connections. Writes are durable when they return
// (synchronous=FULL): they come in batches, so that one fsync serves many
// events.
func connect(path, mode string, size int) (*sql.DB, error) {
	v := url.Values{"mode": {mode}, "_txlock": {"immediate"}}
	pragmas := []string{"busy_timeout(5000)", "foreign_keys(1)", "temp_store(memory)", "cache_size(-16000)"}
	if mode == "rw" {
		pragmas = append(pragmas, "auto_vacuum(incremental)", "journal_mode(wal)", "synchronous(full)", "journal_size_limit(67108864)")
	} else {
		v.Set("_txlock", "deferred")
		pragmas = append(pragmas, "query_only(1)")
	}
	v["_pragma"] = pragmas
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: v.Encode()}
	pool, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return pool, nil
}

// Close closes the store and lets other processes write to it.
func (db *DB) Close() error {
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
