package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Desk is the tenant at the top of the tree. On a machine of one owner it is
// the only one.
const Desk int64 = 0

// Errors of the tree of tenants.
var (
	ErrTooDeep = errors.New("tenants lie at most two below the desk")
	ErrInUse   = errors.New("tenant has people, sites, edges or tenants below it")
	ErrTaken   = errors.New("name is taken")
)

// Tenant is somebody whose sites are protected: the desk, a hoster below it,
// or an owner below either.
type Tenant struct {
	ID      int64
	Parent  int64 // the desk's is itself
	Name    string
	Keep    time.Duration // how long its events are kept, full days; zero: as long as everybody's
	Created time.Time

	branch int64
}

// Level is 0 for the desk, 1 right below it and 2 below a hoster.
func (t Tenant) Level() int {
	switch {
	case t.ID == Desk:
		return 0
	case t.ID == t.branch:
		return 1
	}
	return 2
}

// placeOf returns where a tenant is, or ErrNotFound.
func placeOf(ctx context.Context, q queryer, tenant int64) (place, error) {
	p := place{tenant: tenant}
	err := q.QueryRowContext(ctx, `SELECT branch FROM tenants WHERE id = ?`, tenant).Scan(&p.branch)
	return p, missing(err)
}

// Tenants returns the tenants that s sees: each above those below it, those of
// one parent by their names.
func (db *DB) Tenants(ctx context.Context, s Scope) ([]Tenant, error) {
	where, args := s.sqlTenants()
	all, err := scanAll(ctx, db.read, func(rows *sql.Rows, t *Tenant) error {
		var keep, created int64
		err := rows.Scan(&t.ID, &t.Parent, &t.branch, &t.Name, &keep, &created)
		t.Keep, t.Created = time.Duration(keep)*24*time.Hour, time.Unix(created, 0).UTC()
		return err
	}, `SELECT t.id, t.parent, t.branch, t.name, t.keep, t.created FROM tenants t JOIN tenants b ON b.id = t.branch
		WHERE `+where+` ORDER BY b.id <> 0, b.name, b.id, t.id <> t.branch, t.name, t.id`, args...)
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	return all, nil
}

// sqlTenants is sql for the table of tenants itself.
func (s Scope) sqlTenants() (condition string, args []any) {
	switch {
	case !s.some:
		return "1 = 0", nil
	case s.only:
		return "t.id = ?", []any{s.at.tenant}
	case s.at.tenant == Desk:
		return "1 = 1", nil
	case s.at.tenant == s.at.branch:
		return "t.branch = ?", []any{s.at.branch}
	}
	return "t.id = ?", []any{s.at.tenant}
}

// AddTenant makes a tenant below parent, which s must see. It fails with
// ErrNotFound, ErrTooDeep or ErrTaken.
func (db *DB) AddTenant(ctx context.Context, s Scope, parent int64, name string, now time.Time) (Tenant, error) {
	t := Tenant{Parent: parent, Name: name, Created: now.UTC().Truncate(time.Second)}
	err := db.update(ctx, func(tx *sql.Tx) error {
		above, err := placeOf(ctx, tx, parent)
		if err != nil {
			return err
		}
		if !s.sees(above) {
			return ErrNotFound
		}
		if above.tenant != above.branch {
			return ErrTooDeep
		}
		var taken int
		err = tx.QueryRowContext(ctx, `SELECT count(*) FROM tenants WHERE parent = ? AND name = ?`, parent, name).Scan(&taken)
		if err == nil && taken > 0 {
			err = ErrTaken
		}
		if err != nil {
			return err
		}
		t.ID = rand.Int64N(1<<48) + 1 // never one that there was before: the trail remembers it
		if t.branch = above.branch; above.tenant == Desk {
			t.branch = t.ID
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO tenants (id, parent, branch, name, keep, created) VALUES (?, ?, ?, ?, 0, ?)`,
			t.ID, parent, t.branch, name, now.Unix())
		return err
	})
	if err != nil {
		return Tenant{}, fmt.Errorf("add tenant: %w", err)
	}
	return t, nil
}

// ChangeTenant renames a tenant that s sees and sets how long its events are
// kept. It fails with ErrNotFound or ErrTaken.
func (db *DB) ChangeTenant(ctx context.Context, s Scope, tenant int64, name string, keep time.Duration) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		at, err := placeOf(ctx, tx, tenant)
		if err != nil {
			return err
		}
		if !s.sees(at) {
			return ErrNotFound
		}
		var taken int
		err = tx.QueryRowContext(ctx, `SELECT count(*) FROM tenants WHERE name = ? AND id <> ? AND id <> 0
			AND parent = (SELECT parent FROM tenants WHERE id = ?)`, name, tenant, tenant).Scan(&taken)
		if err == nil && taken > 0 {
			err = ErrTaken
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE tenants SET name = ?, keep = ? WHERE id = ?`, name, int64(keep/(24*time.Hour)), tenant)
		return err
	})
	if err != nil {
		return fmt.Errorf("change tenant: %w", err)
	}
	return nil
}

// RemoveTenant removes a tenant that s sees and that nobody and nothing
// belongs to any more: its sites, edges and people go first. It fails with
// ErrNotFound or ErrInUse. What was done in its name stays in the trail.
func (db *DB) RemoveTenant(ctx context.Context, s Scope, tenant int64) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		at, err := placeOf(ctx, tx, tenant)
		if err != nil {
			return err
		}
		if !s.sees(at) || tenant == Desk {
			return ErrNotFound
		}
		for _, what := range []string{
			`sites WHERE tenant = ?`, `edges WHERE retired IS NULL AND tenant = ?`, `people WHERE tenant = ?`,
			`events WHERE tenant = ?`, `tenants WHERE parent = ?`,
		} {
			var one int
			err := tx.QueryRowContext(ctx, `SELECT 1 FROM `+what+` LIMIT 1`, tenant).Scan(&one)
			if err == nil {
				return ErrInUse
			}
			if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		for _, query := range []string{
			`DELETE FROM site_rules WHERE home = ?`, `DELETE FROM site_rules WHERE tenant = ?`, `DELETE FROM sites WHERE home = ?`,
			`DELETE FROM hours WHERE tenant = ?`, `DELETE FROM tallies WHERE tenant = ?`, `DELETE FROM losses WHERE tenant = ?`,
			`DELETE FROM invitations WHERE tenant = ?`,
			`UPDATE edges SET branch = 0, tenant = 0 WHERE tenant = ?`, // retired ones: the desk remembers them
			`DELETE FROM tenants WHERE id = ?`,
		} {
			if _, err := tx.ExecContext(ctx, query, tenant); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove tenant: %w", err)
	}
	return nil
}
