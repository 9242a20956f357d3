package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// InsertLink stores a sign-in link for a person, by the SHA-256 of its
// secret. Earlier links of that person stop working.
func (db *DB) InsertLink(ctx context.Context, token []byte, person int64, expires time.Time) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM links WHERE person = ?`, person); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO links (token, person, expires) VALUES (?, ?, ?)`, token, person, expires.Unix())
		return err
	})
	if err != nil {
		return fmt.Errorf("store link: %w", err)
	}
	return nil
}

// UseLink spends a link and returns whom it signs in. It returns ErrNotFound
// for a link that is unknown, spent or expired at now. Of several calls with
// one link one succeeds.
func (db *DB) UseLink(ctx context.Context, token []byte, now time.Time) (Person, error) {
	var p Person
	var created int64
	err := db.update(ctx, func(tx *sql.Tx) error {
		var person int64
		err := tx.QueryRowContext(ctx, `DELETE FROM links WHERE token = ? AND expires > ? RETURNING person`, token, now.Unix()).Scan(&person)
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT `+personColumns+` FROM people p WHERE p.id = ?`, person).Scan(p.fields(&created)...)
	})
	if err != nil {
		return Person{}, fmt.Errorf("use link: %w", missing(err))
	}
	p.Created = time.Unix(created, 0).UTC()
	return p, nil
}

// Link returns whom a link would sign in at now, without spending it, or
// ErrNotFound.
func (db *DB) Link(ctx context.Context, token []byte, now time.Time) (Person, error) {
	var p Person
	var created int64
	err := db.read.QueryRowContext(ctx, `SELECT `+personColumns+` FROM links l JOIN people p ON p.id = l.person
		WHERE l.token = ? AND l.expires > ?`, token, now.Unix()).Scan(p.fields(&created)...)
	if err != nil {
		return Person{}, fmt.Errorf("link: %w", missing(err))
	}
	p.Created = time.Unix(created, 0).UTC()
	return p, nil
}
