package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/qorgan/qorgan/event"
)

// keyStep is the distance of two microseconds in keys.
const keyStep = 1 << 10

// firstKey returns the smallest key of an event at t.
func firstKey(t time.Time) int64 { return t.UnixMicro() * keyStep }

// Insert stores events of this machine's own edge, in one transaction and
// durably. Events whose ids it has are ignored: inserting a batch again changes
// nothing.
func (db *DB) Insert(ctx context.Context, events []event.Event) error {
	rows := make([]eventRow, 0, len(events))
	for i := range events {
		row, err := rowOf(&events[i])
		if err != nil {
			return fmt.Errorf("store events: event %s: %w", events[i].ID, err)
		}
		rows = append(rows, row)
	}
	err := db.updateEvents(ctx, rows, func(tx *sql.Tx) error {
		hours := map[hour]int64{}
		if err := db.insertRows(ctx, tx, newDealer(place{}), rows, hours); err != nil {
			return err
		}
		return count(ctx, tx, hours)
	})
	if err != nil {
		return fmt.Errorf("store events: %w", err)
	}
	return nil
}

// updateEvents is update for what stores some of rows. It may run f twice.
func (db *DB) updateEvents(ctx context.Context, rows []eventRow, f func(*sql.Tx) error) error {
	if db.write == nil {
		return ErrReadOnly
	}
	if err := db.engine.ready(ctx, db.write, rows); err != nil {
		return err
	}
	return db.announce(ctx, Events, f)
}

// insertRows stores the rows that are new and counts them in hours.
func (db *DB) insertRows(ctx context.Context, tx *sql.Tx, deal *dealer, rows []eventRow, hours map[hour]int64) error {
	seen := make(map[string]bool, len(rows))
	rows = slices.DeleteFunc(slices.Clone(rows), func(r eventRow) bool {
		twice := seen[string(r.id)]
		seen[string(r.id)] = true
		return twice
	})
	if len(rows) == 0 {
		return nil
	}
	for i := range rows {
		at, err := deal.site(ctx, tx, rows[i].site)
		if err != nil {
			return err
		}
		rows[i].at = at
	}
	spread(rows)
	fresh, err := db.engine.insertEvents(ctx, tx, rows)
	if err != nil {
		return err
	}
	for i, r := range rows {
		if fresh[i] {
			hours[hour{r.hour, r.site, r.class, r.action, r.at}]++
		}
	}
	return nil
}

// spread gives rows keys of their own, in the order of their times.
func spread(rows []eventRow) {
	slices.SortStableFunc(rows, func(a, b eventRow) int { return cmp.Compare(a.key, b.key) })
	for i := 1; i < len(rows); i++ {
		rows[i].key = max(rows[i].key, rows[i-1].key+1)
	}
}

// next moves a row whose key another event has, further with every try: a
// thousand events of one microsecond find their places all the same.
func (r *eventRow) next(try int) { r.key += 1 + rand.Int64N(1<<min(try, 20)) }

// hour is one row of the table of hours.
type hour struct {
	hour                int64
	site, class, action string
	at                  place
}

func (h hour) compare(o hour) int {
	return cmp.Or(cmp.Compare(h.hour, o.hour), cmp.Compare(h.site, o.site), cmp.Compare(h.class, o.class), cmp.Compare(h.action, o.action),
		cmp.Compare(h.at.tenant, o.at.tenant))
}

// count adds what was inserted to the table of hours, in one order, so that of
// two transactions none waits for the other's rows with its own in hand.
func count(ctx context.Context, tx *sql.Tx, hours map[hour]int64) error {
	for _, h := range slices.SortedFunc(maps.Keys(hours), hour.compare) {
		_, err := tx.ExecContext(ctx, `INSERT INTO hours (hour, site, class, action, branch, tenant, count) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (hour, site, class, action, tenant) DO UPDATE SET count = hours.count + excluded.count`,
			h.hour, h.site, h.class, h.action, h.at.branch, h.at.tenant, hours[h])
		if err != nil {
			return err
		}
	}
	return nil
}

// rowOf returns an event as it is stored.
func rowOf(e *event.Event) (eventRow, error) {
	id, err := uuid.Parse(e.ID)
	if err != nil {
		return eventRow{}, err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return eventRow{}, err
	}
	return eventRow{
		key: firstKey(e.Time), id: id[:], code: e.Code, site: e.Site, kind: string(e.Kind), class: string(e.Class()),
		action: string(e.Action), client: address(e.Client.Addr), rules: e.Rules, words: wordsOf(e), body: body, hour: e.Time.Unix() / 3600,
	}, nil
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
