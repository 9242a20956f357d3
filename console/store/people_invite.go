package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// PersonInvitation is a link by which somebody may join, once.
type PersonInvitation struct {
	Handle  string // what a page may call it; knowing it lets nobody in
	Tenant  int64
	Role    Role
	Invited string // by whom
	Note    string // who is meant
	Created time.Time
	Expires time.Time

	branch int64
}

const personInvitationColumns = `handle, branch, tenant, role, invited, note, created, expires`

func (i *PersonInvitation) scan(scan func(...any) error) error {
	var created, expires int64
	err := scan(&i.Handle, &i.branch, &i.Tenant, &i.Role, &i.Invited, &i.Note, &created, &expires)
	i.Created, i.Expires = time.Unix(created, 0).UTC(), time.Unix(expires, 0).UTC()
	return err
}

// InvitePerson stores an invitation by the SHA-256 of its secret. It fails with
// ErrNotFound when s does not see the tenant.
func (db *DB) InvitePerson(ctx context.Context, s Scope, token []byte, i PersonInvitation) error {
	at, err := db.Narrow(ctx, s, i.Tenant)
	if err == nil {
		_, err = db.exec(ctx, `INSERT INTO people_invitations (token, `+personInvitationColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			token, i.Handle, at.at.branch, i.Tenant, string(i.Role), i.Invited, i.Note, i.Created.Unix(), i.Expires.Unix())
	}
	if err != nil {
		return fmt.Errorf("invite person: %w", err)
	}
	return nil
}

// PersonInvitations returns the invitations within s that are open at now, the
// latest first.
func (db *DB) PersonInvitations(ctx context.Context, s Scope, now time.Time) ([]PersonInvitation, error) {
	where, args := s.sql("")
	all, err := scanAll(ctx, db.read, func(rows *sql.Rows, i *PersonInvitation) error { return i.scan(rows.Scan) },
		`SELECT `+personInvitationColumns+` FROM people_invitations WHERE expires > ? AND `+where+` ORDER BY created DESC, handle`,
		append([]any{now.Unix()}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("list invitations: %w", err)
	}
	return all, nil
}

// PersonInvitation returns the invitation with that token, or ErrNotFound when
// it is unknown, used or expired.
func (db *DB) PersonInvitation(ctx context.Context, token []byte, now time.Time) (PersonInvitation, error) {
	var i PersonInvitation
	err := i.scan(db.read.QueryRowContext(ctx, `SELECT `+personInvitationColumns+` FROM people_invitations
		WHERE token = ? AND expires > ?`, token, now.Unix()).Scan)
	if err != nil {
		return PersonInvitation{}, fmt.Errorf("invitation: %w", missing(err))
	}
	return i, nil
}

// WithdrawInvitation takes an invitation within s back, by its handle.
func (db *DB) WithdrawInvitation(ctx context.Context, s Scope, handle string) error {
	where, args := s.sql("")
	n, err := db.exec(ctx, `DELETE FROM people_invitations WHERE handle = ? AND `+where, append([]any{handle}, args...)...)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("withdraw invitation: %w", err)
	}
	return nil
}

// Join spends an invitation and makes the person. It fails with ErrNotFound for
// an invitation that is unknown, used or expired, and with ErrTaken for a name
// that somebody has; that does not spend it.
func (db *DB) Join(ctx context.Context, token []byte, name, password string, now time.Time) (Person, error) {
	err := db.update(ctx, func(tx *sql.Tx) error {
		var i PersonInvitation
		err := i.scan(tx.QueryRowContext(ctx, `DELETE FROM people_invitations WHERE token = ? AND expires > ?
			RETURNING `+personInvitationColumns, token, now.Unix()).Scan)
		if err != nil {
			return missing(err)
		}
		result, err := tx.ExecContext(ctx, `INSERT INTO people (name, password, language, role, branch, tenant, created)
			VALUES (?, ?, '', ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING`, name, password, string(i.Role), i.branch, i.Tenant, now.Unix())
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil && n == 0 {
			err = ErrTaken
		}
		return err
	})
	if err != nil {
		return Person{}, fmt.Errorf("join: %w", err)
	}
	return db.Person(ctx, name)
}

// ForgetInvitations forgets invitations and ceremonies that expired before now.
func (db *DB) ForgetInvitations(ctx context.Context, now time.Time) error {
	_, err := db.exec(ctx, `DELETE FROM people_invitations WHERE expires < ?`, now.Unix())
	_, err2 := db.exec(ctx, `DELETE FROM ceremonies WHERE expires < ?`, now.Unix())
	if err := errors.Join(err, err2); err != nil {
		return fmt.Errorf("forget invitations: %w", err)
	}
	return nil
}
