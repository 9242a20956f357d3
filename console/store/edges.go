package store

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// ErrRetired says that nothing is taken from an edge any more.
var ErrRetired = errors.New("edge is retired")

// Edge is an edge elsewhere that reports to this console.
type Edge struct {
	ID       string
	Name     string
	Tenant   int64 // for whom it was enrolled: what it reports is his, or of somebody below him
	Key      ed25519.PublicKey
	Enrolled time.Time
	Invited  string    // by whom
	Retired  time.Time // zero while it serves
	Seen     time.Time
	Version  string
	Cloned   time.Time     // when two processes with its key were heard in turn; zero when never
	Ahead    time.Duration // its clock before ours
	Waiting  int64         // records that it still held when it was heard
}

const edgeColumns = `id, name, tenant, key, enrolled, invited, retired, seen, version, cloned, ahead, waiting`

func scanEdge(scan func(...any) error, e *Edge) error {
	var enrolled, seen, ahead int64
	var retired, cloned sql.NullInt64
	err := scan(&e.ID, &e.Name, &e.Tenant, (*[]byte)(&e.Key), &enrolled, &e.Invited, &retired, &seen, &e.Version, &cloned, &ahead, &e.Waiting)
	e.Enrolled, e.Seen = time.UnixMicro(enrolled).UTC(), time.UnixMicro(seen).UTC()
	e.Ahead = time.Duration(ahead) * time.Millisecond
	if retired.Valid {
		e.Retired = time.UnixMicro(retired.Int64).UTC()
	}
	if cloned.Valid {
		e.Cloned = time.UnixMicro(cloned.Int64).UTC()
	}
	return err
}

// InsertInvitation stores the SHA-256 of a code with which one edge may enrol,
// for the tenant at the top of s.
func (db *DB) InsertInvitation(ctx context.Context, s Scope, code []byte, person string, expires time.Time) error {
	if !s.some {
		return fmt.Errorf("store invitation: %w", ErrNotFound)
	}
	_, err := db.exec(ctx, `INSERT INTO invitations (code, person, expires, tenant) VALUES (?, ?, ?, ?)`,
		code, person, expires.UnixMicro(), s.Tenant())
	if err != nil {
		return fmt.Errorf("store invitation: %w", err)
	}
	return nil
}

// Enroll spends the invitation and stores the edge with its ID, Name, Key,
// Enrolled and Version. It returns ErrNotFound for a code that is unknown,
// spent or expired.
func (db *DB) Enroll(ctx context.Context, code []byte, e Edge) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `DELETE FROM invitations WHERE code = ? AND expires > ? RETURNING person, tenant`,
			code, e.Enrolled.UnixMicro()).Scan(&e.Invited, &e.Tenant)
		if err != nil {
			return err
		}
		home, err := placeOf(ctx, tx, e.Tenant)
		if err != nil {
			return err
		}
		at := e.Enrolled.UnixMicro()
		_, err = tx.ExecContext(ctx, `INSERT INTO edges (id, name, key, enrolled, invited, retired, seen, version, boot, former, cloned, ahead, waiting, branch, tenant)
			VALUES (?, ?, ?, ?, ?, NULL, ?, ?, '', '', NULL, 0, 0, ?, ?)`,
			e.ID, e.Name, []byte(e.Key), at, e.Invited, at, e.Version, home.branch, home.tenant)
		return err
	})
	if err != nil {
		return fmt.Errorf("enrol edge: %w", missing(err))
	}
	return nil
}

// Edge returns an edge, or ErrNotFound. It is for the door, which asks who
// signed a request.
func (db *DB) Edge(ctx context.Context, id string) (Edge, error) {
	var e Edge
	row := db.read.QueryRowContext(ctx, `SELECT `+edgeColumns+` FROM edges WHERE id = ?`, id)
	if err := scanEdge(row.Scan, &e); err != nil {
		return Edge{}, fmt.Errorf("edge %s: %w", id, missing(err))
	}
	return e, nil
}

// Edges returns the edges within s by their names, retired ones last.
func (db *DB) Edges(ctx context.Context, s Scope) ([]Edge, error) {
	where, args := s.sql("")
	all, err := scanAll(ctx, db.read, func(rows *sql.Rows, e *Edge) error { return scanEdge(rows.Scan, e) },
		`SELECT `+edgeColumns+` FROM edges WHERE `+where+` ORDER BY retired IS NOT NULL, name, id`, args...)
	if err != nil {
		return nil, fmt.Errorf("list edges: %w", err)
	}
	return all, nil
}

// Retire takes nothing from the edge any more. It returns ErrNotFound when
// there is none within s, or it is retired already.
func (db *DB) Retire(ctx context.Context, s Scope, id string, at time.Time) error {
	where, args := s.sql("")
	n, err := db.exec(ctx, `UPDATE edges SET retired = ? WHERE id = ? AND retired IS NULL AND `+where, append([]any{at.UnixMicro(), id}, args...)...)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("retire edge %s: %w", id, err)
	}
	return nil
}

// Heard is what an edge said of itself with a report.
type Heard struct {
	Edge    string
	At      time.Time
	Boot    string // the process, a new name at every start
	Version string
	Ahead   time.Duration
	Waiting int64
}

// HearEdge notes that an edge was heard. It returns ErrRetired for one that is
// retired. When a process is heard again after another with the same key was,
// both run: the machine was cloned, which the edge's Cloned then tells.
func (db *DB) HearEdge(ctx context.Context, h Heard) error {
	return db.update(ctx, func(tx *sql.Tx) error { return hearEdge(ctx, tx, h) })
}

func hearEdge(ctx context.Context, tx *sql.Tx, h Heard) error {
	at := h.At.UnixMicro()
	result, err := tx.ExecContext(ctx, `UPDATE edges SET seen = ?1, version = ?2, ahead = ?3, waiting = ?4,
			cloned = CASE WHEN boot <> ?5 AND former = ?5 THEN ?1 ELSE cloned END,
			former = CASE WHEN boot <> ?5 THEN boot ELSE former END,
			boot   = ?5
		WHERE id = ?6 AND retired IS NULL`, at, h.Version, h.Ahead.Milliseconds(), h.Waiting, h.Boot, h.Edge)
	if err == nil {
		var n int64
		if n, err = result.RowsAffected(); err == nil && n == 0 {
			err = ErrRetired
		}
	}
	if err != nil {
		return fmt.Errorf("note edge %s: %w", h.Edge, err)
	}
	return nil
}
