package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/qorgan/qorgan/event"
)

// keyStep is the distance of two microseconds in keys.
const keyStep = 1 << 10

// firstKey returns the smallest key of an event at t.
func firstKey(t time.Time) int64 { return t.UnixMicro() * keyStep }

// Insert stores events, in one transaction and durably. Events whose ids it
// has are ignored: inserting a batch again changes nothing.
func (db *DB) Insert(ctx context.Context, events []event.Event) error {
	if len(events) == 0 {
		return nil
	}
	err := db.update(ctx, func(tx *sql.Tx) error {
		in, err := newInserter(ctx, tx)
		if err != nil {
			return err
		}
		for i := range events {
			if err := in.insert(ctx, &events[i]); err != nil {
				return errors.Join(fmt.Errorf("event %s: %w", events[i].ID, err), in.close())
			}
		}
		return errors.Join(count(ctx, tx, in.hours), in.close())
	})
	if err != nil {
		return fmt.Errorf("store events: %w", err)
	}
	return nil
}

// hour is one row of the table of hours.
type hour struct {
	hour                int64
	site, class, action string
}

type inserter struct {
	has, event, rule, words *sql.Stmt
	hours                   map[hour]int64
}

func newInserter(ctx context.Context, tx *sql.Tx) (*inserter, error) {
	in := &inserter{hours: map[hour]int64{}}
	for _, s := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&in.has, `SELECT 1 FROM events WHERE id = ?`},
		{&in.event, `INSERT INTO events (key, id, code, site, kind, class, action, client, body)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING`},
		{&in.rule, `INSERT OR IGNORE INTO event_rules VALUES (?, ?)`},
		{&in.words, `INSERT INTO event_words (rowid, words) VALUES (?, ?)`},
	} {
		stmt, err := tx.PrepareContext(ctx, s.text)
		if err != nil {
			return nil, errors.Join(err, in.close())
		}
		*s.stmt = stmt
	}
	return in, nil
}

func (in *inserter) close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{in.has, in.event, in.rule, in.words} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(errs...)
}

func (in *inserter) insert(ctx context.Context, e *event.Event) error {
	id, err := uuid.Parse(e.ID)
	if err != nil {
		return err
	}
	var one int
	if err := in.has.QueryRowContext(ctx, id[:]).Scan(&one); err == nil {
		return nil
	} else if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	class := string(e.Class())
	key := firstKey(e.Time)
	for {
		result, err := in.event.ExecContext(ctx, key, id[:], e.Code, e.Site, string(e.Kind), class,
			string(e.Action), address(e.Client.Addr), string(body))
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil {
			return err
		} else if n > 0 {
			break
		}
		key++
	}
	for _, rule := range e.Rules {
		if _, err := in.rule.ExecContext(ctx, rule, key); err != nil {
			return err
		}
	}
	if _, err := in.words.ExecContext(ctx, key, wordsOf(e)); err != nil {
		return err
	}
	in.hours[hour{e.Time.Unix() / 3600, e.Site, class, string(e.Action)}]++
	return nil
}

// count adds what was inserted to the table of hours.
func count(ctx context.Context, tx *sql.Tx, hours map[hour]int64) error {
	for h, n := range hours {
		_, err := tx.ExecContext(ctx, `INSERT INTO hours VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET count = count + excluded.count`, h.hour, h.site, h.class, h.action, n)
		if err != nil {
			return err
		}
	}
	return nil
}

// wordsOf returns what a search for text looks at.
func wordsOf(e *event.Event) string {
	var b strings.Builder
	add := func(s string, limit int) {
		if len(s) > limit {
			s = s[:limit]
		}
		b.WriteString(s)
		b.WriteByte('\n')
	}
	add(e.Request.Method, 16)
	add(e.Request.Host, 128)
	add(e.Request.Target, 512)
	for _, f := range e.Request.Headers {
		if strings.EqualFold(f.Name, "user-agent") {
			add(f.Value, 256)
		}
	}
	add(e.Reason, 64)
	for _, m := range e.Matches {
		if b.Len() > 2048 {
			break
		}
		add(m.Message, 128)
		add(m.Key, 64)
		add(m.Value, 160)
		for _, tag := range m.Tags {
			if strings.HasPrefix(strings.ToLower(tag), "cve-") {
				add(tag, 32)
			}
		}
	}
	return strings.ToValidUTF8(b.String(), " ")
}

// address returns the column value of an address.
func address(a netip.Addr) any {
	if !a.IsValid() {
		return nil
	}
	b := a.As16()
	return b[:]
}
