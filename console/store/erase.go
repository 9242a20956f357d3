package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/qorgan/qorgan/event"
)

// Erased is what [DB.Erase] found.
type Erased struct {
	Events   int64 // deleted
	Sessions int64 // ended
	Acts     int64 // of the trail, that were done from the address or name it: they stay, or its seals would break
}

// erasable is an event that is to go without a trace.
type erasable struct {
	key   int64
	rules []int
}

// Erase deletes every event in which an address stands, be it the client's or
// anywhere in what he sent, and the sessions it was last seen with, and sees to
// it that the deleted bytes are in no file of the store's any more. What was
// counted stays counted; a count of a flood names a network, not an address. It
// reads every event, which may take minutes. A file is written anew, for which
// the disk must have room; a PostgreSQL keeps others from the days that it
// erases from meanwhile.
func (db *DB) Erase(ctx context.Context, a netip.Addr) (done Erased, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("erase: %w", err)
		}
	}()
	if db.write == nil {
		return done, ErrReadOnly
	}
	forms := spellings(a)
	found, err := db.containing(ctx, a, forms)
	if err != nil {
		return done, err
	}
	for _, f := range forms {
		n, err := db.exec(ctx, `DELETE FROM sessions WHERE client = ?`, f)
		if err != nil {
			return done, err
		}
		done.Sessions += n
	}
	if err := db.engine.erase(ctx, db, found); err != nil {
		return done, err
	}
	done.Events = int64(len(found))
	acts, err := scanAll(ctx, db.read, func(rows *sql.Rows, text *string) error {
		var object string
		err := rows.Scan(text, &object)
		*text += " " + object
		return err
	}, `SELECT client, object FROM acts`)
	for _, text := range acts {
		if holds([]byte(text), forms) {
			done.Acts++
		}
	}
	return done, err
}

// containing returns the events in which an address stands.
func (db *DB) containing(ctx context.Context, a netip.Addr, forms []string) ([]erasable, error) {
	client := address(a)
	condition, args := `client = ?`, []any{client}
	for _, f := range forms {
		condition += ` OR body LIKE ?`
		args = append(args, "%"+f+"%")
	}
	rows, err := db.read.QueryContext(ctx, `SELECT key, client, body FROM events WHERE `+condition, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []erasable
	for rows.Next() {
		var r erasable
		var by, body []byte
		if err := rows.Scan(&r.key, &by, &body); err != nil {
			return nil, err
		}
		if !bytes.Equal(by, client.([]byte)) && !holds(body, forms) {
			continue
		}
		var e event.Event
		if err := json.Unmarshal(body, &e); err != nil {
			return nil, err
		}
		r.rules = e.Rules
		all = append(all, r)
	}
	return all, rows.Err()
}

// spellings are the ways in which programs write an address.
func spellings(a netip.Addr) []string {
	a = a.Unmap().WithZone("")
	forms := []string{a.String()}
	if a.Is6() {
		forms = append(forms, strings.ToUpper(a.String()), a.StringExpanded(), strings.ToUpper(a.StringExpanded()),
			strings.ReplaceAll(a.String(), ":", "%3A"), strings.ReplaceAll(a.String(), ":", "%3a"))
	}
	return forms
}

// holds reports whether an address stands in a text, and is no part of a longer
// one.
func holds(text []byte, forms []string) bool {
	for _, f := range forms {
		for at := 0; ; {
			i := bytes.Index(text[at:], []byte(f))
			if i < 0 {
				break
			}
			from, to := at+i, at+i+len(f)
			before := from > 0 && (digit(text[from-1]) || text[from-1] == '.' && from > 1 && digit(text[from-2]))
			after := to < len(text) && (digit(text[to]) || text[to] == '.' && to+1 < len(text) && digit(text[to+1]))
			if strings.Contains(f, ":") { // hexadecimal parts
				before = from > 0 && (hexadecimal(text[from-1]) || text[from-1] == ':')
				after = to < len(text) && (hexadecimal(text[to]) || text[to] == ':' && to+1 < len(text) && hexadecimal(text[to+1]))
			}
			if !before && !after {
				return true
			}
			at = from + 1
		}
	}
	return false
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func hexadecimal(c byte) bool { return digit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// removeEvents deletes events and their rules; words is what else stands under
// a key, if anything does.
func removeEvents(ctx context.Context, tx *sql.Tx, rows []erasable, words string) error {
	for _, r := range rows {
		if words != "" {
			if _, err := tx.ExecContext(ctx, words, r.key); err != nil {
				return err
			}
		}
		for _, rule := range r.rules {
			if _, err := tx.ExecContext(ctx, `DELETE FROM event_rules WHERE rule = ? AND key = ?`, rule, r.key); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM events WHERE key = ?`, r.key); err != nil {
			return err
		}
	}
	return nil
}

// erase writes the whole file anew, without what it deletes, and empties the
// log. Overwriting alone is not enough: pages that were moved leave copies.
func (sqlite) erase(ctx context.Context, db *DB, rows []erasable) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		return removeEvents(ctx, tx, rows, `DELETE FROM event_words WHERE rowid = ?`)
	})
	if err != nil {
		return err
	}
	for _, query := range []string{
		`INSERT INTO event_words (event_words) VALUES ('optimize')`, // without the words of what is deleted
		`PRAGMA temp_store = FILE`,                                  // it may be larger than the memory
		`VACUUM`,
		`PRAGMA temp_store = MEMORY`,
	} {
		if _, err := db.write.ExecContext(ctx, query); err != nil {
			return err
		}
	}
	var busy, log, done int
	if err := db.write.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &log, &done); err != nil {
		return err
	}
	if busy != 0 {
		return &HintError{fmt.Errorf("what is deleted stands in the log of the database still"), "do it again, when nobody exports incidents"}
	}
	return nil
}

// erase writes the days that it deletes from anew: otherwise the bytes stay in
// their pages until others take their place.
func (p *postgres) erase(ctx context.Context, db *DB, rows []erasable) error {
	if err := db.update(ctx, func(tx *sql.Tx) error { return removeEvents(ctx, tx, rows, "") }); err != nil {
		return err
	}
	tables := map[string]bool{}
	for _, r := range rows {
		name := dayName("events", dayOf(r.key))
		if !tables[name] {
			var there bool
			if err := db.read.QueryRowContext(ctx, `SELECT to_regclass(?) IS NOT NULL`, name).Scan(&there); err != nil {
				return err
			}
			if !there {
				name = "events_rest"
			}
		}
		tables[name] = true
	}
	for name := range tables {
		if _, err := db.write.ExecContext(ctx, `VACUUM FULL `+name); err != nil {
			return err
		}
	}
	// Only some names may; where it is refused the server does it by itself
	// within minutes.
	_, _ = db.write.ExecContext(ctx, `CHECKPOINT`)
	return nil
}
