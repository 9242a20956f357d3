package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"time"
)

// Act is something a person did in the console.
type Act struct {
	Number int64     // counts from 1; set by InsertAct
	Time   time.Time // UTC, to the microsecond
	Person string    // the name it had then
	Act    string    // stable name: "sign-in", "password-changed"
	Object string    // what it was done to, without secrets
	Client string    // the address it came from
	Tenant int64     // whose person did it; those above see it too

	branch int64
}

// InsertAct writes an act down, sealed together with all before it.
func (db *DB) InsertAct(ctx context.Context, a Act) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		if err := db.engine.serial(ctx, tx, "acts"); err != nil {
			return err
		}
		var last []byte
		err := tx.QueryRowContext(ctx, `SELECT number, seal FROM acts ORDER BY number DESC LIMIT 1`).Scan(&a.Number, &last)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		at, err := placeOf(ctx, tx, a.Tenant)
		if err != nil {
			return err
		}
		a.Number++
		a.branch = at.branch
		_, err = tx.ExecContext(ctx, `INSERT INTO acts (number, time, person, act, object, client, seal, branch, tenant)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			a.Number, a.Time.UnixMicro(), a.Person, a.Act, a.Object, a.Client, a.seal(last), at.branch, at.tenant)
		return err
	})
	if err != nil {
		return fmt.Errorf("write down %s: %w", a.Act, err)
	}
	return nil
}

// seal returns the act's seal on top of the seal before it. Every part is
// written with its length, so that no two acts have one text.
func (a Act) seal(before []byte) []byte {
	h := sha256.New()
	writePart(h, before)
	writeNumber(h, a.Number)
	writeNumber(h, a.Time.UnixMicro())
	for _, s := range []string{a.Person, a.Act, a.Object, a.Client} {
		writePart(h, []byte(s))
	}
	if a.Tenant != Desk || a.branch != Desk { // what the desk did is sealed as before there were tenants
		writeNumber(h, a.branch)
		writeNumber(h, a.Tenant)
	}
	return h.Sum(nil)
}

func writePart(h hash.Hash, b []byte) {
	writeNumber(h, int64(len(b)))
	h.Write(b)
}

func writeNumber(h hash.Hash, n int64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	h.Write(b[:])
}

const actColumns = `number, time, person, act, object, client, branch, tenant, seal`

// Acts returns the latest acts of people within s, newest first.
func (db *DB) Acts(ctx context.Context, s Scope, limit int) ([]Act, error) {
	where, args := s.sql("")
	acts, err := scanAll(ctx, db.read, func(rows *sql.Rows, a *sealedAct) error { return a.scan(rows) },
		`SELECT `+actColumns+` FROM acts WHERE `+where+` ORDER BY number DESC LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("list acts: %w", err)
	}
	out := make([]Act, len(acts))
	for i, a := range acts {
		out[i] = a.Act
	}
	return out, nil
}

// CheckActs walks the whole trail and returns the number of the first act
// that was changed, or that follows one that was taken out; 0 when there is
// none. Acts taken off the end do not show, nor does a trail that somebody
// with the file in hand has sealed anew.
func (db *DB) CheckActs(ctx context.Context) (int64, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT `+actColumns+` FROM acts ORDER BY number`)
	if err != nil {
		return 0, fmt.Errorf("check acts: %w", err)
	}
	defer rows.Close()
	var before []byte
	for next := int64(1); rows.Next(); next++ {
		var a sealedAct
		if err := a.scan(rows); err != nil {
			return 0, fmt.Errorf("check acts: %w", err)
		}
		if a.Number != next || string(a.mark) != string(a.Act.seal(before)) {
			return a.Number, nil
		}
		before = a.mark
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("check acts: %w", err)
	}
	return 0, nil
}

type sealedAct struct {
	Act
	mark []byte
}

func (a *sealedAct) scan(rows *sql.Rows) error {
	var at int64
	err := rows.Scan(&a.Number, &at, &a.Person, &a.Act.Act, &a.Object, &a.Client, &a.branch, &a.Tenant, &a.mark)
	a.Time = time.UnixMicro(at).UTC()
	return err
}
