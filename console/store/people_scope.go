package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrLast says that nobody would be left who may say who else may.
var ErrLast = errors.New("person is the last administrator of the desk")

// Member is a person as those see him who may say what he may.
type Member struct {
	Person
	Seen          time.Time // of his latest session; zero without one
	Sessions      int
	Authenticator bool
	Passkeys      int
}

// Members returns the people within s, by the tree of tenants and then by their
// names.
func (db *DB) Members(ctx context.Context, s Scope) ([]Member, error) {
	where, args := s.sql("p.")
	return db.members(ctx, where, args...)
}

// Member returns the person with that id, or ErrNotFound when there is none
// within s.
func (db *DB) Member(ctx context.Context, s Scope, id int64) (Member, error) {
	where, args := s.sql("p.")
	found, err := db.members(ctx, where+" AND p.id = ?", append(args, id)...)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Member{}, fmt.Errorf("person: %w", err)
	}
	return found[0], nil
}

func (db *DB) members(ctx context.Context, where string, args ...any) ([]Member, error) {
	all, err := scanAll(ctx, db.read, func(rows *sql.Rows, m *Member) error {
		var born int64
		var seen sql.NullInt64
		err := rows.Scan(append(m.fields(&born), &seen, &m.Sessions, &m.Authenticator, &m.Passkeys)...)
		m.Created = time.Unix(born, 0).UTC()
		if seen.Valid {
			m.Seen = time.Unix(seen.Int64, 0).UTC()
		}
		return err
	}, `SELECT `+personColumns+`, (SELECT max(seen) FROM sessions WHERE person = p.id), (SELECT count(*) FROM sessions WHERE person = p.id),
			EXISTS (SELECT 1 FROM authenticators WHERE person = p.id), (SELECT count(*) FROM passkeys WHERE person = p.id)
		FROM people p WHERE `+where+` ORDER BY p.branch, p.tenant, p.name`, args...)
	if err != nil {
		return nil, fmt.Errorf("list people: %w", err)
	}
	return all, nil
}

// changePerson runs f for a person within s, and undoes it with ErrLast when
// the desk would be left without an administrator.
func (db *DB) changePerson(ctx context.Context, s Scope, id int64, f func(*sql.Tx) error) error {
	return db.update(ctx, func(tx *sql.Tx) error {
		if err := db.engine.serial(ctx, tx, "people"); err != nil {
			return err
		}
		var at place
		err := tx.QueryRowContext(ctx, `SELECT branch, tenant FROM people WHERE id = ?`, id).Scan(&at.branch, &at.tenant)
		if err = missing(err); err == nil && !s.sees(at) {
			err = ErrNotFound
		}
		if err == nil {
			err = f(tx)
		}
		if err != nil {
			return err
		}
		var left int
		err = tx.QueryRowContext(ctx, `SELECT count(*) FROM people WHERE tenant = 0 AND role = ?`, string(Administrator)).Scan(&left)
		if err == nil && left == 0 {
			err = ErrLast
		}
		return err
	})
}

// SetRole changes what a person within s may do.
func (db *DB) SetRole(ctx context.Context, s Scope, person int64, role Role) error {
	if !slices.Contains(Roles, role) {
		return fmt.Errorf("set role: no role %q", role)
	}
	err := db.changePerson(ctx, s, person, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE people SET role = ? WHERE id = ?`, string(role), person)
		return err
	})
	if err != nil {
		return fmt.Errorf("set role: %w", err)
	}
	return nil
}

// RemovePerson removes a person within s, with all his sessions and keys. What
// he did stays in the trail.
func (db *DB) RemovePerson(ctx context.Context, s Scope, person int64) error {
	err := db.changePerson(ctx, s, person, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM people WHERE id = ?`, person)
		return err
	})
	if err != nil {
		return fmt.Errorf("remove person: %w", err)
	}
	return nil
}

// EndSessions signs a person within s out everywhere.
func (db *DB) EndSessions(ctx context.Context, s Scope, person int64) error {
	err := db.changePerson(ctx, s, person, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE person = ?`, person)
		return err
	})
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

// ResetPerson takes password, authenticator, recovery codes, passkeys and
// sessions from a person within s: what is left to sign in is a link.
func (db *DB) ResetPerson(ctx context.Context, s Scope, person int64) error {
	err := db.changePerson(ctx, s, person, func(tx *sql.Tx) error {
		for _, query := range []string{
			`UPDATE people SET password = '' WHERE id = ?`, `DELETE FROM authenticators WHERE person = ?`, `DELETE FROM recovery_codes WHERE person = ?`,
			`DELETE FROM passkeys WHERE person = ?`, `DELETE FROM sessions WHERE person = ?`, `DELETE FROM ceremonies WHERE person = ?`,
			`DELETE FROM links WHERE person = ?`,
		} {
			if _, err := tx.ExecContext(ctx, query, person); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reset person: %w", err)
	}
	return nil
}
