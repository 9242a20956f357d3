package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/qorgan/qorgan/event"
)

// Query selects events. Zero fields select everything; several together
// select what satisfies all of them. Events come newest first.
type Query struct {
	From, To time.Time    // From <= time < To
	Site     string       // the site's name
	Rule     int          // an id among the event's rules
	Client   netip.Prefix // the client's address or network
	Action   event.Action
	Kind     event.Kind
	Class    event.Class
	Code     string // incident code, in any spelling
	Text     string // every word must occur in the request or the matches, the last may go on

	Limit  int    // 50 by default, 1000 at most
	Before Cursor // only what is older
	After  Cursor // only what is newer, the oldest of it
}

// Cursor is a place between two events, from a Page. The empty Cursor is no
// place. It may stand in an address.
type Cursor string

// Beginning is the place before the first event: Query.After it reads
// everything, the oldest first.
const Beginning Cursor = "0"

// Page is a piece of a list, newest first.
type Page struct {
	Events []event.Event
	Older  Cursor // for Query.Before; empty when there is nothing older
	Newer  Cursor // for Query.After; where a later look goes on, even when there is nothing newer yet
	More   bool   // there is something newer
}

// Events returns a page of events within s.
func (db *DB) Events(ctx context.Context, s Scope, q Query) (Page, error) {
	if q.Limit <= 0 {
		q.Limit = 50
	}
	q.Limit = min(q.Limit, 1000)
	from, where, args, err := q.sql(db.engine, s)
	if err != nil {
		return Page{}, fmt.Errorf("list events: %w", err)
	}
	order := "DESC"
	if q.After != "" {
		order = "ASC"
	}
	args = append(args, q.Limit+1)
	rows, err := scanAll(ctx, db.read, scanEvent, `SELECT e.key, e.body FROM `+from+where+
		` ORDER BY `+keyColumn(from)+` `+order+` LIMIT ?`, args...)
	if err != nil {
		return Page{}, fmt.Errorf("list events: %w", err)
	}
	beyond := len(rows) > q.Limit
	rows = rows[:min(len(rows), q.Limit)]
	if q.After != "" {
		slices.Reverse(rows)
	}
	page := Page{Events: make([]event.Event, len(rows)), Newer: q.After}
	for i, row := range rows {
		page.Events[i] = row.event
	}
	if len(rows) > 0 {
		page.Newer = cursor(rows[0].key)
		if beyond && q.After == "" || q.After != "" {
			page.Older = cursor(rows[len(rows)-1].key)
		}
	}
	page.More = q.After != "" && beyond || q.Before != ""
	return page, nil
}

// Count returns how many events within s q selects, but stops counting at limit.
func (db *DB) Count(ctx context.Context, s Scope, q Query, limit int) (int, error) {
	from, where, args, err := q.sql(db.engine, s)
	if err != nil {
		return 0, fmt.Errorf("count events: %w", err)
	}
	var n int
	err = db.read.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM `+from+where+` LIMIT ?) found`,
		append(args, limit)...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count events: %w", err)
	}
	return n, nil
}

// Event returns the event with that id, or ErrNotFound: when there is none,
// and when s does not see it.
func (db *DB) Event(ctx context.Context, s Scope, id string) (event.Event, error) {
	u, err := uuid.Parse(id)
	if err != nil {
		return event.Event{}, fmt.Errorf("event %q: %w", id, ErrNotFound)
	}
	var row storedEvent
	where, args := s.sql("")
	err = db.read.QueryRowContext(ctx, `SELECT key, body FROM events WHERE id = ? AND `+where, append([]any{u[:]}, args...)...).Scan(&row.key, &row.body)
	if err != nil {
		return event.Event{}, fmt.Errorf("event %s: %w", id, missing(err))
	}
	if err := json.Unmarshal([]byte(row.body), &row.event); err != nil {
		return event.Event{}, fmt.Errorf("event %s: %w", id, err)
	}
	return row.event, nil
}

// EventsByCode returns the events within s with that incident code, newest first:
// almost always one, none when the code is not the code of any.
func (db *DB) EventsByCode(ctx context.Context, s Scope, code string) ([]event.Event, error) {
	page, err := db.Events(ctx, s, Query{Code: code})
	return page.Events, err
}

type storedEvent struct {
	key   int64
	body  string
	event event.Event
}

func scanEvent(rows *sql.Rows, e *storedEvent) error {
	if err := rows.Scan(&e.key, &e.body); err != nil {
		return err
	}
	return json.Unmarshal([]byte(e.body), &e.event)
}

func cursor(key int64) Cursor { return Cursor(strconv.FormatInt(key, 36)) }

func (c Cursor) key() (int64, error) {
	key, err := strconv.ParseInt(string(c), 36, 64)
	if err != nil {
		return 0, fmt.Errorf("cursor %q: not one of ours", string(c))
	}
	return key, nil
}

// keyColumn names the key in the table that leads the query, so that its
// index gives the order.
func keyColumn(from string) string {
	switch {
	case strings.HasPrefix(from, "event_words"):
		return "w.rowid"
	case strings.HasPrefix(from, "event_rules"):
		return "r.key"
	}
	return "e.key"
}

// sql returns the tables to read, the most selective first, and the
// conditions: those of s among them, whatever q says.
func (q Query) sql(e engine, s Scope) (from, where string, args []any, err error) {
	var conditions []string
	add := func(condition string, values ...any) {
		conditions = append(conditions, condition)
		args = append(args, values...)
	}
	match := words(q.Text)
	from = "events e"
	switch {
	case len(match) > 0:
		tables, condition, value := e.search(match)
		from = tables
		add(condition, value)
		if q.Rule != 0 {
			add("EXISTS (SELECT 1 FROM event_rules r WHERE r.rule = ? AND r.key = e.key)", q.Rule)
		}
	case q.Rule != 0:
		from = e.byRule()
		add("r.rule = ?", q.Rule)
	}
	key := keyColumn(from)
	if !q.From.IsZero() {
		add(key+" >= ?", firstKey(q.From))
	}
	if !q.To.IsZero() {
		add(key+" < ?", firstKey(q.To))
	}
	for _, c := range []struct {
		cursor Cursor
		is     string
	}{{q.Before, " < ?"}, {q.After, " > ?"}} {
		if c.cursor != "" {
			k, err := c.cursor.key()
			if err != nil {
				return "", "", nil, err
			}
			add(key+c.is, k)
		}
	}
	for _, c := range []struct{ column, value string }{
		{"site", q.Site}, {"action", string(q.Action)}, {"kind", string(q.Kind)}, {"class", string(q.Class)},
	} {
		if c.value != "" {
			add("e."+c.column+" = ?", c.value)
		}
	}
	if q.Code != "" {
		code, ok := event.ParseCode(q.Code)
		if !ok {
			code = q.Code // matches nothing
		}
		add("e.code = ?", code)
	}
	if q.Client.IsValid() {
		first, last := bounds(q.Client)
		if first == last {
			add("e.client = ?", first[:])
		} else {
			add("e.client BETWEEN ? AND ?", first[:], last[:])
		}
	}
	within, of := s.sql("e.")
	add(within, of...)
	return from, " WHERE " + strings.Join(conditions, " AND "), args, nil
}

// bounds returns the first and the last address of a network.
func bounds(p netip.Prefix) (first, last [16]byte) {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	first = p.Masked().Addr().As16()
	last = first
	for i := bits; i < 128; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	return first, last
}

// words returns the words, of letters and digits, of what a person typed.
func words(text string) []string {
	fields := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return fields[:min(len(fields), 16)]
}

// Valid reports whether c is empty or has the form of a cursor.
func (c Cursor) Valid() bool {
	_, err := c.key()
	return c == "" || err == nil
}
