package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5/pgconn"
)

// Events stand in partitions of a day (UTC), so that what is old goes at once
// and without a trace. What is so old that no edge can have held it, or wrong,
// stands in one for the rest.
const (
	dayLength = 24 * time.Hour
	dayKeys   = int64(dayLength/time.Microsecond) * keyStep
	oldest    = 400 * dayLength
	newest    = 2 * dayLength
)

func dayOf(key int64) int64 { return key / dayKeys }

// dayName is how the partitions of a day are called: events_20261124.
func dayName(table string, day int64) string {
	return table + "_" + time.Unix(day*int64(dayLength/time.Second), 0).UTC().Format("20060102")
}

// ready makes the partitions of the days of rows.
func (p *postgres) ready(ctx context.Context, pool *sql.DB, rows []eventRow) error {
	now := time.Now()
	first, last := dayOf(firstKey(now.Add(-oldest))), dayOf(firstKey(now.Add(newest)))
	var missing []int64
	p.mu.Lock()
	for i := range rows {
		day := dayOf(rows[i].key)
		if day >= first && day <= last && !p.days[day] && !slices.Contains(missing, day) {
			missing = append(missing, day)
		}
	}
	p.mu.Unlock()
	for _, day := range missing {
		if err := p.makeDay(ctx, pool, day); err != nil {
			return fmt.Errorf("make room for a day: %w", err)
		}
		p.mu.Lock()
		p.days[day] = true
		p.mu.Unlock()
	}
	return nil
}

// makeDay makes a day's partitions. They are made beside their tables and then
// attached, for which nobody who reads or writes has to wait.
func (p *postgres) makeDay(ctx context.Context, pool *sql.DB, day int64) error {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := p.serial(ctx, tx, "days"); err != nil {
		return err
	}
	var there bool
	if err := tx.QueryRowContext(ctx, `SELECT to_regclass(?) IS NOT NULL`, dayName("events", day)).Scan(&there); err != nil || there {
		return err
	}
	for _, table := range []string{"events", "event_rules"} {
		name := dayName(table, day)
		statements := []string{
			fmt.Sprintf(`CREATE TABLE %s (LIKE %s INCLUDING ALL)`, name, table),
			fmt.Sprintf(`ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)`, table, name, day*dayKeys, (day+1)*dayKeys),
		}
		if table == "events" {
			statements = slices.Insert(statements, 1, fmt.Sprintf(`CREATE UNIQUE INDEX %[1]s_id ON %[1]s (id)`, name))
		}
		for _, s := range statements {
			if _, err := tx.ExecContext(ctx, s); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}

// forget is for when a partition that was there is not: another console
// dropped the day.
func (p *postgres) forget(err error) {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "23514" {
		p.mu.Lock()
		clear(p.days)
		p.mu.Unlock()
	}
}

// insertEvents stores all rows in a few statements. An event's id is unique in
// its day, and its day is its own: it comes again with the same time.
func (p *postgres) insertEvents(ctx context.Context, tx *sql.Tx, rows []eventRow) (fresh []bool, err error) {
	fresh = make([]bool, len(rows))
	index := make(map[string]int, len(rows))
	left := make([]int, len(rows))
	for i := range rows {
		index[string(rows[i].id)], left[i] = i, i
	}
	for try := 0; len(left) > 0; try++ {
		stored, err := insertBodies(ctx, tx, rows, left)
		if err != nil {
			p.forget(err)
			return nil, err
		}
		for _, id := range stored {
			fresh[index[string(id)]] = true
		}
		if len(stored) == len(left) {
			break
		}
		if left, err = displaced(ctx, tx, rows, left, fresh); err != nil {
			return nil, err
		}
		for _, i := range left {
			rows[i].next(try)
		}
	}
	var ruleIDs, ruleKeys []int64
	for i, r := range rows {
		if fresh[i] {
			for _, rule := range r.rules {
				ruleIDs, ruleKeys = append(ruleIDs, int64(rule)), append(ruleKeys, r.key)
			}
		}
	}
	if len(ruleIDs) > 0 {
		_, err = tx.ExecContext(ctx, `INSERT INTO event_rules (rule, key) SELECT DISTINCT * FROM unnest(?::bigint[], ?::bigint[]) ON CONFLICT DO NOTHING`, ruleIDs, ruleKeys)
	}
	return fresh, err
}

// insertBodies stores the rows that left names, and returns the ids of those
// that were new and found their place free.
func insertBodies(ctx context.Context, tx *sql.Tx, rows []eventRow, left []int) ([][]byte, error) {
	keys := make([]int64, len(left))
	ids, clients := make([][]byte, len(left)), make([][]byte, len(left))
	branches, tenants := make([]int64, len(left)), make([]int64, len(left))
	var texts [7][]string
	for n, i := range left {
		r := &rows[i]
		keys[n], ids[n] = r.key, r.id
		clients[n], _ = r.client.([]byte)
		branches[n], tenants[n] = r.at.branch, r.at.tenant
		for c, s := range [...]string{r.code, r.site, r.kind, r.class, r.action, lexemes(r.words), string(r.body)} {
			texts[c] = append(texts[c], plain(s))
		}
	}
	return scanAll(ctx, tx, func(rows *sql.Rows, id *[]byte) error { return rows.Scan(id) },
		`INSERT INTO events (key, branch, tenant, id, client, code, site, kind, class, action, words, body)
		SELECT key, branch, tenant, id, client, code, site, kind, class, action, words::tsvector, body
		FROM unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bytea[], ?::bytea[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[])
			AS t (key, branch, tenant, id, client, code, site, kind, class, action, words, body)
		ORDER BY key ON CONFLICT DO NOTHING RETURNING id`,
		keys, branches, tenants, ids, clients, texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], texts[6])
}

// displaced returns which of the rows that were not stored are new all the
// same: another event has their key.
func displaced(ctx context.Context, tx *sql.Tx, rows []eventRow, left []int, fresh []bool) ([]int, error) {
	var ids [][]byte
	for _, i := range left {
		if !fresh[i] {
			ids = append(ids, rows[i].id)
		}
	}
	known, err := scanAll(ctx, tx, func(rows *sql.Rows, id *[]byte) error { return rows.Scan(id) },
		`SELECT id FROM events WHERE id = ANY (?::bytea[])`, ids)
	if err != nil {
		return nil, err
	}
	has := make(map[string]bool, len(known))
	for _, id := range known {
		has[string(id)] = true
	}
	return slices.DeleteFunc(left, func(i int) bool { return fresh[i] || has[string(rows[i].id)] }), nil
}

// lexemes returns the words of a text as a tsvector writes them.
func lexemes(text string) string {
	fields := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	slices.Sort(fields)
	return strings.Join(slices.Compact(fields), " ")
}

// trim drops the days that are older than before, then the oldest until there
// is room. The newest day stays.
func (p *postgres) trim(ctx context.Context, db *DB, before time.Time, maxBytes int64) (removed int64, err error) {
	type part struct{ day, bytes int64 }
	days, err := scanAll(ctx, db.read, func(rows *sql.Rows, d *part) error {
		var name string
		if err := rows.Scan(&name, &d.bytes); err != nil {
			return err
		}
		at, err := time.Parse("20060102", strings.TrimPrefix(name, "events_"))
		d.day = at.Unix() / int64(dayLength/time.Second)
		return err
	}, `SELECT c.relname, pg_total_relation_size(c.oid) + pg_total_relation_size(to_regclass('event_rules' || substr(c.relname, 7)))
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = to_regclass('events') AND c.relname <> 'events_rest' ORDER BY 1`)
	if err != nil {
		return 0, err
	}
	var used int64
	for _, d := range days {
		used += d.bytes
	}
	for i, d := range days {
		old := !before.IsZero() && (d.day+1)*dayKeys <= firstKey(before)
		if !old && (maxBytes <= 0 || used <= maxBytes || i == len(days)-1) {
			break
		}
		n, err := p.dropDay(ctx, db, d.day)
		removed += n
		if err != nil {
			return removed, err
		}
		used -= d.bytes
	}
	if !before.IsZero() {
		for _, query := range []string{`DELETE FROM event_rules_rest WHERE key < ?`, `DELETE FROM events_rest WHERE key < ?`} {
			n, err := db.exec(ctx, query, firstKey(before))
			if err != nil {
				return removed, err
			}
			if strings.Contains(query, "events_rest") {
				removed += n
			}
		}
	}
	return removed, nil
}

// dropDay waits a few seconds for those who read, and no longer: while it waits,
// those who come after it wait too.
func (p *postgres) dropDay(ctx context.Context, db *DB, day int64) (n int64, err error) {
	err = db.update(ctx, func(tx *sql.Tx) error {
		if err := p.serial(ctx, tx, "days"); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM `+dayName("events", day)).Scan(&n); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf(`SET LOCAL lock_timeout = '5s'; DROP TABLE %s, %s`, dayName("event_rules", day), dayName("events", day)))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("drop a day: %w", err)
	}
	p.mu.Lock()
	delete(p.days, day)
	p.mu.Unlock()
	return n, nil
}

func (*postgres) removeEvents(ctx context.Context, tx *sql.Tx, keys []int64) error {
	for _, query := range []string{`DELETE FROM event_rules WHERE key = ANY (?::bigint[])`, `DELETE FROM events WHERE key = ANY (?::bigint[])`} {
		if _, err := tx.ExecContext(ctx, query, keys); err != nil {
			return err
		}
	}
	return nil
}

// size counts tables with their indexes.
func (*postgres) size(ctx context.Context, pool *sql.DB) (bytes int64, err error) {
	err = pool.QueryRowContext(ctx, `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'`).Scan(&bytes)
	return bytes, err
}
