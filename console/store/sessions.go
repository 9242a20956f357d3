package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Session is one browser that is signed in.
type Session struct {
	Token   []byte // SHA-256 of the cookie's value
	Handle  string // what a page may call it; knowing it does not sign anybody in
	Person  Person
	Created time.Time
	Seen    time.Time
	Client  string // address of the last request
	Agent   string // User-Agent at sign-in
}

// InsertSession stores a session for s.Person.ID.
func (db *DB) InsertSession(ctx context.Context, s Session) error {
	_, err := db.exec(ctx, `INSERT INTO sessions (token, person, handle, created, seen, client, agent) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		s.Token, s.Person.ID, s.Handle, s.Created.Unix(), s.Seen.Unix(), s.Client, s.Agent)
	if err != nil {
		return fmt.Errorf("store session: %w", err)
	}
	return nil
}

// Session returns the session with that token, or ErrNotFound. Whether it is
// still good is the caller's to say.
func (db *DB) Session(ctx context.Context, token []byte) (Session, error) {
	rows, err := db.sessions(ctx, `s.token = ?`, token)
	if err == nil && len(rows) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Session{}, fmt.Errorf("session: %w", err)
	}
	return rows[0], nil
}

// Sessions returns a person's sessions, the last seen first.
func (db *DB) Sessions(ctx context.Context, person int64) ([]Session, error) {
	rows, err := db.sessions(ctx, `s.person = ?`, person)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return rows, nil
}

func (db *DB) sessions(ctx context.Context, condition string, args ...any) ([]Session, error) {
	return scanAll(ctx, db.read, func(rows *sql.Rows, s *Session) error {
		var born, created, seen int64
		err := rows.Scan(append(s.Person.fields(&born), &s.Token, &s.Handle, &created, &seen, &s.Client, &s.Agent)...)
		s.Person.Created = time.Unix(born, 0).UTC()
		s.Created, s.Seen = time.Unix(created, 0).UTC(), time.Unix(seen, 0).UTC()
		return err
	}, `SELECT `+personColumns+`, s.token, s.handle, s.created, s.seen, s.client, s.agent
		FROM sessions s JOIN people p ON p.id = s.person WHERE `+condition+` ORDER BY s.seen DESC, s.handle`, args...)
}

// TouchSession notes that a session was used.
func (db *DB) TouchSession(ctx context.Context, token []byte, seen time.Time, client string) error {
	if _, err := db.exec(ctx, `UPDATE sessions SET seen = ?, client = ? WHERE token = ?`, seen.Unix(), client, token); err != nil {
		return fmt.Errorf("touch session: %w", err)
	}
	return nil
}

// EndSession ends the session with that token.
func (db *DB) EndSession(ctx context.Context, token []byte) error {
	if _, err := db.exec(ctx, `DELETE FROM sessions WHERE token = ?`, token); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// EndSessionOf ends a person's session by its handle; ErrNotFound when the
// person has none by that handle.
func (db *DB) EndSessionOf(ctx context.Context, person int64, handle string) error {
	n, err := db.exec(ctx, `DELETE FROM sessions WHERE person = ? AND handle = ?`, person, handle)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// EndOldSessions ends sessions made before created or not used since seen,
// and forgets links that have expired.
func (db *DB) EndOldSessions(ctx context.Context, created, seen time.Time) error {
	_, err := db.exec(ctx, `DELETE FROM sessions WHERE created < ? OR seen < ?`, created.Unix(), seen.Unix())
	if err == nil {
		_, err = db.exec(ctx, `DELETE FROM links WHERE expires < ?`, time.Now().Unix())
	}
	if err != nil {
		return fmt.Errorf("end old sessions: %w", err)
	}
	return nil
}
