package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// sqlite is the engine of one file.
type sqlite struct{}

// applicationID marks a SQLite file as ours ("Qorg").
const applicationID = 0x516f7267

// connect opens a pool of connections. Writes are durable when they return
// (synchronous=FULL): they come in batches, so that one fsync serves many
// events.
func (sqlite) connect(path, mode string, size int) (*sql.DB, error) {
	v := url.Values{"mode": {mode}, "_txlock": {"immediate"}}
	pragmas := []string{"busy_timeout(5000)", "foreign_keys(1)", "temp_store(memory)", "cache_size(-16000)"}
	if mode == "rw" {
		// A page that changes with every batch goes into the file once in a
		// while: after 32 MB of log.
		pragmas = append(pragmas, "cache_size(-64000)", "auto_vacuum(incremental)", "journal_mode(wal)", "synchronous(full)",
			"wal_autocheckpoint(8000)", "journal_size_limit(67108864)")
	} else {
		v.Set("_txlock", "deferred")
		pragmas = append(pragmas, "query_only(1)")
	}
	v["_pragma"] = pragmas
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: v.Encode()}
	pool, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return pool, nil
}

func (sqlite) prepare(ctx context.Context, pool *sql.DB, write bool) error {
	var id, tables int
	err := pool.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)`).Scan(&id, &tables)
	if err != nil {
		return err
	}
	if tables > 0 && id != applicationID {
		return &HintError{errors.New("file is another program's database"), "use another --data folder"}
	}
	if write {
		_, err = pool.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d`, applicationID))
	}
	return err
}

func (sqlite) schema(text string) string { return text }

func (sqlite) suffix() string { return ".sqlite" }

// serial has nothing to wait for: there is one connection that writes.
func (sqlite) serial(context.Context, *sql.Tx, string) error { return nil }

func (sqlite) ready(context.Context, *sql.DB, []eventRow) error { return nil }

func (sqlite) insertEvents(ctx context.Context, tx *sql.Tx, rows []eventRow) (fresh []bool, err error) {
	var has, event, rule, words *sql.Stmt
	for _, s := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&has, `SELECT 1 FROM events WHERE id = ?`},
		{&event, `INSERT INTO events (key, id, code, site, kind, class, action, client, body, branch, tenant)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`},
		{&rule, `INSERT INTO event_rules VALUES (?, ?) ON CONFLICT DO NOTHING`},
		{&words, `INSERT INTO event_words (rowid, words) VALUES (?, ?)`},
	} {
		if *s.stmt, err = tx.PrepareContext(ctx, s.text); err != nil {
			return nil, err // statements of a transaction end with it
		}
	}
	insert := func(r *eventRow) (bool, error) {
		for try := 0; ; try++ {
			result, err := event.ExecContext(ctx, r.key, r.id, r.code, r.site, r.kind, r.class, r.action, r.client, string(r.body), r.at.branch, r.at.tenant)
			if err != nil {
				return false, err
			}
			if n, err := result.RowsAffected(); err != nil || n > 0 {
				return true, err
			}
			var one int
			if err := has.QueryRowContext(ctx, r.id).Scan(&one); !errors.Is(err, sql.ErrNoRows) {
				return false, err
			}
			r.next(try)
		}
	}
	fresh = make([]bool, len(rows))
	for i := range rows {
		r := &rows[i]
		if fresh[i], err = insert(r); err != nil {
			return nil, err
		}
		if !fresh[i] {
			continue
		}
		for _, id := range r.rules {
			if _, err := rule.ExecContext(ctx, id, r.key); err != nil {
				return nil, err
			}
		}
		if _, err := words.ExecContext(ctx, r.key, r.words); err != nil {
			return nil, err
		}
	}
	return fresh, nil
}

// search: every word is a quoted string, so that nothing typed is an operator.
func (sqlite) search(words []string) (from, condition string, value any) {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(`"` + w + `"`)
	}
	b.WriteByte('*')
	return "event_words w CROSS JOIN events e ON e.key = w.rowid", "w.event_words MATCH ?", b.String()
}

// byRule: the order of a CROSS JOIN is the order in which SQLite reads.
func (sqlite) byRule() string { return "event_rules r CROSS JOIN events e ON e.key = r.key" }
