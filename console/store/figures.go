package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/qorgan/qorgan/event"
)

// Hour is how many events there were in one hour.
type Hour struct {
	Start    time.Time // UTC
	Blocked  int64
	Detected int64
}

// Tally is how many events a site, or a class of attack, had.
type Tally struct {
	Name     string
	Blocked  int64
	Detected int64
	Last     time.Time // the start of the last hour with any
}

// Hours returns the counts within s from from to to, oldest first, an entry for every
// hour that has begun between them. An empty site is all sites.
func (db *DB) Hours(ctx context.Context, s Scope, from, to time.Time, site string) ([]Hour, error) {
	return db.Counts(ctx, s, from, to, site, "", "")
}

// Counts is Hours for one class of attack and one action; empty ones are all.
func (db *DB) Counts(ctx context.Context, s Scope, from, to time.Time, site string, class event.Class, action event.Action) ([]Hour, error) {
	first, end := from.Unix()/3600, (to.Unix()+3599)/3600
	hours := make([]Hour, max(0, end-first))
	for i := range hours {
		hours[i].Start = time.Unix((first+int64(i))*3600, 0).UTC()
	}
	where, args := s.sql("")
	args = append([]any{event.Blocked, event.Detected, first, end, site, site, class, class, action, action}, args...)
	type row struct {
		hour              int64
		blocked, detected int64
	}
	rows, err := scanAll(ctx, db.read, func(rows *sql.Rows, r *row) error { return rows.Scan(&r.hour, &r.blocked, &r.detected) },
		`SELECT hour, `+actions+` FROM hours WHERE hour >= ? AND hour < ? AND (? = '' OR site = ?)
			AND (? = '' OR class = ?) AND (? = '' OR action = ?) AND `+where+` GROUP BY hour`, args...)
	if err != nil {
		return nil, fmt.Errorf("count hours: %w", err)
	}
	for _, r := range rows {
		h := &hours[r.hour-first]
		h.Blocked, h.Detected = r.blocked, r.detected
	}
	return hours, nil
}

const actions = `sum(CASE WHEN action = ? THEN count ELSE 0 END), sum(CASE WHEN action = ? THEN count ELSE 0 END)`

// Sites returns the sites within s that had events from from to to, the busiest first.
func (db *DB) Sites(ctx context.Context, s Scope, from, to time.Time) ([]Tally, error) {
	return db.tally(ctx, s, "site", from, to, "")
}

// Classes returns the classes of attack within s from from to to, the most frequent
// first. An empty site is all sites.
func (db *DB) Classes(ctx context.Context, s Scope, from, to time.Time, site string) ([]Tally, error) {
	return db.tally(ctx, s, "class", from, to, site)
}

// tally groups hours by column, which is a name from this file.
func (db *DB) tally(ctx context.Context, s Scope, column string, from, to time.Time, site string) ([]Tally, error) {
	scan := func(rows *sql.Rows, t *Tally) error {
		var last int64
		err := rows.Scan(&t.Name, &t.Blocked, &t.Detected, &last)
		t.Last = time.Unix(last*3600, 0).UTC()
		return err
	}
	where, args := s.sql("")
	args = append([]any{event.Blocked, event.Detected, from.Unix() / 3600, (to.Unix() + 3599) / 3600, site, site}, args...)
	tallies, err := scanAll(ctx, db.read, scan, `SELECT `+column+`, `+actions+`, max(hour) FROM hours
		WHERE hour >= ? AND hour < ? AND (? = '' OR site = ?) AND `+where+` GROUP BY 1 ORDER BY sum(count) DESC, 1`, args...)
	if err != nil {
		return nil, fmt.Errorf("count by %s: %w", column, err)
	}
	return tallies, nil
}

// SiteDays returns, for every site within s with events, how many it had on each of
// days days from from on, which must be a full hour. Days have 24 hours.
func (db *DB) SiteDays(ctx context.Context, s Scope, from time.Time, days int) (map[string][]int64, error) {
	type cell struct {
		site       string
		day, count int64
	}
	first := from.Unix() / 3600
	where, args := s.sql("")
	args = append([]any{first, first, first + int64(days)*24}, args...)
	cells, err := scanAll(ctx, db.read, func(rows *sql.Rows, c *cell) error { return rows.Scan(&c.site, &c.day, &c.count) },
		`SELECT site, (hour - ?) / 24, sum(count) FROM hours WHERE hour >= ? AND hour < ? AND `+where+` GROUP BY 1, 2`, args...)
	if err != nil {
		return nil, fmt.Errorf("count days: %w", err)
	}
	all := map[string][]int64{}
	for _, c := range cells {
		if all[c.site] == nil {
			all[c.site] = make([]int64, days)
		}
		all[c.site][c.day] = c.count
	}
	return all, nil
}
