package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// lease is how long a lock outlives its holder's last sign of life.
	lease = 6 * time.Second
	// signs is how often a holder gives one.
	signs = 2 * time.Second
	// poll is how often a lock that is held is tried.
	poll = 200 * time.Millisecond
	// openTime bounds the first contact.
	openTime = 15 * time.Second
)

const schema = `
create table if not exists qorgan_storage (
	key text primary key,
	value bytea not null,
	modified timestamptz not null default now()
);
create table if not exists qorgan_lock (
	name text primary key,
	holder text not null,
	until timestamptz not null
)`

// Storage is the tables qorgan_storage and qorgan_lock of a database.
type Storage struct {
	pool *pgxpool.Pool

	mu   sync.Mutex
	held map[string]*hold
}

var _ certmagic.Storage = (*Storage)(nil)

// hold is a lock in our hands.
type hold struct {
	holder string
	stop   context.CancelFunc
	over   chan struct{}
}

// Open connects to the database at address, a URL or what libpq takes, and makes
// the tables that are missing.
func Open(ctx context.Context, address string) (*Storage, error) {
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, errors.New("read address of the database: it is neither a URL nor keyword=value pairs") // the error holds the password
	}
	config.MaxConns = max(config.MaxConns, 8)
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := migrate(ctx, pool); err != nil {
		pool.Close()
		return nil, fmt.Errorf("prepare database: %w", err)
	}
	return &Storage{pool: pool, held: map[string]*hold{}}, nil
}

// migrate makes the tables, one edge at a time: PostgreSQL can refuse the second
// of two that make one table at once.
func migrate(ctx context.Context, pool *pgxpool.Pool) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtext('qorgan_storage'))`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, schema)
		return err
	})
}

// Close gives back every lock and ends the connections.
func (s *Storage) Close() error {
	s.mu.Lock()
	var names []string
	for name := range s.held {
		names = append(names, name)
	}
	s.mu.Unlock()
	var errs []error
	for _, name := range names {
		ctx, cancel := context.WithTimeout(context.Background(), signs)
		errs = append(errs, s.Unlock(ctx, name))
		cancel()
	}
	s.pool.Close()
	return errors.Join(errs...)
}

// Store puts value at key.
func (s *Storage) Store(ctx context.Context, key string, value []byte) error {
	_, err := s.pool.Exec(ctx, `insert into qorgan_storage (key, value) values ($1, $2)
		on conflict (key) do update set value = excluded.value, modified = now()`, key, value)
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	return nil
}

// Load returns what is at key; the error is fs.ErrNotExist when nothing is.
func (s *Storage) Load(ctx context.Context, key string) (value []byte, err error) {
	err = s.pool.QueryRow(ctx, `select value from qorgan_storage where key = $1`, key).Scan(&value)
	return value, absent(key, err)
}

func absent(key string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return fs.ErrNotExist
	}
	return fmt.Errorf("read %s: %w", key, err)
}

// Delete removes key and everything below it.
func (s *Storage) Delete(ctx context.Context, key string) error {
	_, err := s.pool.Exec(ctx, `delete from qorgan_storage where key = $1 or starts_with(key, $1 || '/')`, key)
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// Exists reports whether something is at key or below it; when the database
// does not answer, nothing is.
func (s *Storage) Exists(ctx context.Context, key string) (there bool) {
	err := s.pool.QueryRow(ctx, `select exists (select from qorgan_storage where key = $1 or starts_with(key, $1 || '/'))`, key).Scan(&there)
	return err == nil && there
}

// List returns the keys below a key: all of them, or each with what follows its
// next slash cut off.
func (s *Storage) List(ctx context.Context, below string, recursive bool) ([]string, error) {
	query := `select key from qorgan_storage where starts_with(key, $1 || '/') order by 1`
	if !recursive {
		query = `select distinct $1 || '/' || split_part(substr(key, length($1) + 2), '/', 1)
			from qorgan_storage where starts_with(key, $1 || '/') order by 1`
	}
	rows, err := s.pool.Query(ctx, query, below)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", below, err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	switch {
	case err != nil:
		return nil, fmt.Errorf("list %s: %w", below, err)
	case len(keys) == 0:
		return nil, fs.ErrNotExist
	}
	return keys, nil
}

// Stat says when key was written, and how long it is.
func (s *Storage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	info := certmagic.KeyInfo{Key: key, IsTerminal: true}
	err := s.pool.QueryRow(ctx, `select modified, length(value) from qorgan_storage where key = $1`, key).Scan(&info.Modified, &info.Size)
	if errors.Is(err, pgx.ErrNoRows) && s.Exists(ctx, key) {
		return certmagic.KeyInfo{Key: key}, nil
	}
	return info, absent(key, err)
}

// Lock waits until name is ours. The lease is renewed until Unlock, Close or the
// end of the process.
func (s *Storage) Lock(ctx context.Context, name string) error {
	holder := rand.Text()
	for {
		got, err := s.try(ctx, name, holder)
		if err != nil {
			return err
		}
		if got {
			s.keep(name, holder)
			return nil
		}
		wait := time.NewTimer(poll)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		}
	}
}

// try takes a lock that nobody holds, or whose holder gave no sign of life for a
// lease.
func (s *Storage) try(ctx context.Context, name, holder string) (bool, error) {
	tag, err := s.pool.Exec(ctx, `insert into qorgan_lock (name, holder, until) values ($1, $2, clock_timestamp() + $3)
		on conflict (name) do update set holder = excluded.holder, until = excluded.until
		where qorgan_lock.until < clock_timestamp()`, name, holder, lease)
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", name, err)
	}
	return tag.RowsAffected() == 1, nil
}

// keep gives signs of life for a lock.
func (s *Storage) keep(name, holder string) {
	ctx, stop := context.WithCancel(context.Background())
	h := &hold{holder: holder, stop: stop, over: make(chan struct{})}
	s.mu.Lock()
	s.held[name] = h
	s.mu.Unlock()
	go func() {
		defer close(h.over)
		tick := time.NewTicker(signs)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			// A sign that does not get through is tried again with the next.
			_, _ = s.pool.Exec(ctx, `update qorgan_lock set until = clock_timestamp() + $3 where name = $1 and holder = $2`, name, holder, lease)
		}
	}()
}

// Unlock gives name back. It is an error when it is not ours any more.
func (s *Storage) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	h := s.held[name]
	delete(s.held, name)
	s.mu.Unlock()
	if h == nil {
		return fmt.Errorf("unlock %s: it is not held", name)
	}
	h.stop()
	<-h.over
	tag, err := s.pool.Exec(ctx, `delete from qorgan_lock where name = $1 and holder = $2`, name, h.holder)
	switch {
	case err != nil:
		return fmt.Errorf("unlock %s: %w", name, err)
	case tag.RowsAffected() == 0:
		return fmt.Errorf("unlock %s: another has taken it meanwhile", name)
	}
	return nil
}
