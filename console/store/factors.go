package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// ErrUsed says that a code was used before.
var ErrUsed = errors.New("code was used before")

// SetAuthenticator gives a person an authenticator in place of the one he may
// have, with the step of the code that proved it, and new recovery codes by
// their hashes.
func (db *DB) SetAuthenticator(ctx context.Context, person int64, secret []byte, used int64, recovery [][]byte, now time.Time) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO authenticators (person, secret, used, created) VALUES (?, ?, ?, ?)
			ON CONFLICT (person) DO UPDATE SET secret = excluded.secret, used = excluded.used, created = excluded.created`,
			person, secret, used, now.Unix())
		if err != nil {
			return err
		}
		return setRecoveryCodes(ctx, tx, person, recovery)
	})
	if err != nil {
		return fmt.Errorf("set authenticator: %w", err)
	}
	return nil
}

func setRecoveryCodes(ctx context.Context, tx *sql.Tx, person int64, hashes [][]byte) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM recovery_codes WHERE person = ?`, person); err != nil {
		return err
	}
	for _, h := range hashes {
		if _, err := tx.ExecContext(ctx, `INSERT INTO recovery_codes (person, code) VALUES (?, ?)`, person, h); err != nil {
			return err
		}
	}
	return nil
}

// SetRecoveryCodes replaces a person's recovery codes, by their hashes.
func (db *DB) SetRecoveryCodes(ctx context.Context, person int64, hashes [][]byte) error {
	if err := db.update(ctx, func(tx *sql.Tx) error { return setRecoveryCodes(ctx, tx, person, hashes) }); err != nil {
		return fmt.Errorf("set recovery codes: %w", err)
	}
	return nil
}

// Authenticator returns the secret of a person's authenticator, or ErrNotFound.
func (db *DB) Authenticator(ctx context.Context, person int64) (secret []byte, err error) {
	err = db.read.QueryRowContext(ctx, `SELECT secret FROM authenticators WHERE person = ?`, person).Scan(&secret)
	if err != nil {
		return nil, fmt.Errorf("authenticator: %w", missing(err))
	}
	return secret, nil
}

// UseStep notes that the code of a step was taken. Of several calls with one
// step, or with an earlier one, one succeeds; the others get ErrUsed (RFC 6238,
// 5.2: a code is for one use).
func (db *DB) UseStep(ctx context.Context, person int64, step int64) error {
	n, err := db.exec(ctx, `UPDATE authenticators SET used = ? WHERE person = ? AND used < ?`, step, person, step)
	if err == nil && n == 0 {
		err = ErrUsed
	}
	if err != nil {
		return fmt.Errorf("use code: %w", err)
	}
	return nil
}

// RemoveAuthenticator takes a person's authenticator and recovery codes away.
func (db *DB) RemoveAuthenticator(ctx context.Context, person int64) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM recovery_codes WHERE person = ?`, person); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM authenticators WHERE person = ?`, person)
		return err
	})
	if err != nil {
		return fmt.Errorf("remove authenticator: %w", err)
	}
	return nil
}

// RecoveryCodes returns how many recovery codes a person has left.
func (db *DB) RecoveryCodes(ctx context.Context, person int64) (n int, err error) {
	err = db.read.QueryRowContext(ctx, `SELECT count(*) FROM recovery_codes WHERE person = ?`, person).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count recovery codes: %w", err)
	}
	return n, nil
}

// UseRecoveryCode spends a recovery code by its hash. Of several calls with one
// code one succeeds; the others get ErrNotFound.
func (db *DB) UseRecoveryCode(ctx context.Context, person int64, hash []byte) error {
	n, err := db.exec(ctx, `DELETE FROM recovery_codes WHERE person = ? AND code = ?`, person, hash)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("use recovery code: %w", err)
	}
	return nil
}

// Ceremony is what began in one request and ends in another.
type Ceremony struct {
	Kind   string
	Person Person // zero when nobody is known yet
	Data   string
}

// BeginCeremony stores a ceremony by the SHA-256 of its secret. person is 0
// when nobody is known yet.
func (db *DB) BeginCeremony(ctx context.Context, token []byte, kind string, person int64, data string, expires time.Time) error {
	_, err := db.exec(ctx, `INSERT INTO ceremonies (token, kind, person, data, expires) VALUES (?, ?, ?, ?, ?)`,
		token, kind, sql.NullInt64{Int64: person, Valid: person != 0}, data, expires.Unix())
	if err != nil {
		return fmt.Errorf("begin %s: %w", kind, err)
	}
	return nil
}

// Ceremony returns a ceremony that has not expired at now, or ErrNotFound. With
// end set it is over: of several such calls one succeeds.
func (db *DB) Ceremony(ctx context.Context, token []byte, kind string, now time.Time, end bool) (Ceremony, error) {
	c := Ceremony{Kind: kind}
	err := db.update(ctx, func(tx *sql.Tx) error {
		query := `SELECT person, data FROM ceremonies WHERE token = ? AND kind = ? AND expires > ?`
		if end {
			query = `DELETE FROM ceremonies WHERE token = ? AND kind = ? AND expires > ? RETURNING person, data`
		}
		var person sql.NullInt64
		if err := tx.QueryRowContext(ctx, query, token, kind, now.Unix()).Scan(&person, &c.Data); err != nil {
			return err
		}
		if !person.Valid {
			return nil
		}
		var created int64
		err := tx.QueryRowContext(ctx, `SELECT `+personColumns+` FROM people p WHERE p.id = ?`, person.Int64).Scan(c.Person.fields(&created)...)
		c.Person.Created = time.Unix(created, 0).UTC()
		return err
	})
	if err != nil {
		return Ceremony{}, fmt.Errorf("%s: %w", kind, missing(err))
	}
	return c, nil
}

// Passkey is a key that a person's device or key ring holds.
type Passkey struct {
	ID         []byte
	Person     int64
	Handle     string // what a page may call it
	Name       string
	Credential string // the public key and what belongs to it
	Created    time.Time
	Used       time.Time // zero when never
}

const passkeyColumns = `id, person, handle, name, credential, created, used`

func (k *Passkey) scan(scan func(...any) error) error {
	var created, used int64
	err := scan(&k.ID, &k.Person, &k.Handle, &k.Name, &k.Credential, &created, &used)
	k.Created = time.Unix(created, 0).UTC()
	if used != 0 {
		k.Used = time.Unix(used, 0).UTC()
	}
	return err
}

// AddPasskey stores a passkey. It fails with ErrTaken for an id that somebody
// has.
func (db *DB) AddPasskey(ctx context.Context, k Passkey) error {
	n, err := db.exec(ctx, `INSERT INTO passkeys (`+passkeyColumns+`) VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT (id) DO NOTHING`,
		k.ID, k.Person, k.Handle, k.Name, k.Credential, k.Created.Unix())
	if err == nil && n == 0 {
		err = ErrTaken
	}
	if err != nil {
		return fmt.Errorf("add passkey: %w", err)
	}
	return nil
}

// Passkeys returns a person's passkeys, the oldest first.
func (db *DB) Passkeys(ctx context.Context, person int64) ([]Passkey, error) {
	all, err := scanAll(ctx, db.read, func(rows *sql.Rows, k *Passkey) error { return k.scan(rows.Scan) },
		`SELECT `+passkeyColumns+` FROM passkeys WHERE person = ? ORDER BY created, handle`, person)
	if err != nil {
		return nil, fmt.Errorf("list passkeys: %w", err)
	}
	return all, nil
}

// Passkey returns the passkey with that id and whose it is, or ErrNotFound.
func (db *DB) Passkey(ctx context.Context, id []byte) (Passkey, Person, error) {
	var k Passkey
	err := k.scan(db.read.QueryRowContext(ctx, `SELECT `+passkeyColumns+` FROM passkeys WHERE id = ?`, id).Scan)
	var p Person
	if err == nil && bytes.Equal(k.ID, id) {
		var created int64
		err = db.read.QueryRowContext(ctx, `SELECT `+personColumns+` FROM people p WHERE p.id = ?`, k.Person).Scan(p.fields(&created)...)
		p.Created = time.Unix(created, 0).UTC()
	}
	if err != nil {
		return Passkey{}, Person{}, fmt.Errorf("passkey: %w", missing(err))
	}
	return k, p, nil
}

// UsePasskey notes that a passkey was used, with its credential as it is now.
func (db *DB) UsePasskey(ctx context.Context, id []byte, credential string, now time.Time) error {
	if _, err := db.exec(ctx, `UPDATE passkeys SET credential = ?, used = ? WHERE id = ?`, credential, now.Unix(), id); err != nil {
		return fmt.Errorf("use passkey: %w", err)
	}
	return nil
}

// RemovePasskey removes a person's passkey by its handle; ErrNotFound when he
// has none by that handle.
func (db *DB) RemovePasskey(ctx context.Context, person int64, handle string) error {
	n, err := db.exec(ctx, `DELETE FROM passkeys WHERE person = ? AND handle = ?`, person, handle)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("remove passkey: %w", err)
	}
	return nil
}
