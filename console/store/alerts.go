package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// ChannelKind is how a channel is reached.
type ChannelKind string

// The kinds of channels.
const (
	ByMail     ChannelKind = "mail"
	ByTelegram ChannelKind = "telegram"
	ByWebhook  ChannelKind = "webhook"
	BySyslog   ChannelKind = "syslog"
)

// Channel is somebody who is told.
type Channel struct {
	ID          int64
	Tenant      int64 // whose news it is told
	Kind        ChannelKind
	Address     string // e-mail address, number of a chat, URL
	Secret      []byte // signs a webhook
	Language    string // BCP 47
	Quiet, Loud int    // minutes since midnight between which nothing is told; equal: none
	Person      string // who made it
	Made        time.Time
	Sent        time.Time // last delivery; zero when there was none
	Next        time.Time // not before
	Tries       int       // failed since the last delivery
	Cause       string    // of the last failure, a stable word
}

// AlertKind is what an alert is about.
type AlertKind string

// The kinds of alerts.
const (
	OnClient      AlertKind = "client"      // one client is refused again and again
	OnSite        AlertKind = "site"        // a site has many refusals
	OnCertificate AlertKind = "certificate" // a certificate runs out
	OnEdge        AlertKind = "edge"        // an edge is silent
	OnLoss        AlertKind = "loss"        // reports were lost
)

// lasting are the kinds of which it is news too that it is no longer so.
var lasting = []AlertKind{OnCertificate, OnEdge}

// AlertRule says of what to tell.
type AlertRule struct {
	ID     int64
	Tenant int64
	Kind   AlertKind
	Site   string        // empty: all
	Count  int64         // refusals that are still no news
	Within time.Duration // in which they are counted, or before which a certificate must not run out
	Urgent bool          // also in quiet hours
	Person string
	Made   time.Time
}

// News is one thing to be told to a channel.
type News struct {
	ID      int64
	Channel int64
	Kind    AlertKind
	Site    string
	Object  string // a client, a site, a name, an edge
	Count   int64
	Within  time.Duration
	Over    bool
	Urgent  bool
	At      time.Time
}

// Finding is an object of which a rule holds now.
type Finding struct {
	Object string
	Count  int64
}

// again is how long the object of a rule that does not last must be away
// before it is news once more.
const again = time.Hour

// own is the condition for what is of the tenant at the top of s itself, and
// not of those below it.
func (s Scope) own() (condition string, args []any) {
	if !s.some {
		return "1 = 0", nil
	}
	return "tenant = ?", []any{s.at.tenant}
}

// InsertChannel stores a channel of the tenant at the top of s and returns its
// ID.
func (db *DB) InsertChannel(ctx context.Context, s Scope, c Channel) (id int64, err error) {
	err = db.update(ctx, func(tx *sql.Tx) error {
		if !s.some {
			return ErrNotFound
		}
		return tx.QueryRowContext(ctx, `INSERT INTO alert_channels (tenant, kind, address, secret, language, quiet, loud, person, made, sent, next, tries, cause)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, '') RETURNING id`,
			s.at.tenant, string(c.Kind), c.Address, append([]byte{}, c.Secret...), c.Language, c.Quiet, c.Loud, c.Person, c.Made.UnixMicro()).Scan(&id)
	})
	if err != nil {
		return 0, fmt.Errorf("store channel: %w", err)
	}
	return id, nil
}

// Channels returns the channels of the tenant at the top of s, in the order in
// which they were made.
func (db *DB) Channels(ctx context.Context, s Scope) ([]Channel, error) {
	where, args := s.own()
	return db.channels(ctx, where, args...)
}

// EveryChannel returns the channels of all tenants: it is for what tells them.
func (db *DB) EveryChannel(ctx context.Context) ([]Channel, error) {
	return db.channels(ctx, "1 = 1")
}

func (db *DB) channels(ctx context.Context, where string, args ...any) ([]Channel, error) {
	all, err := scanAll(ctx, db.read, scanChannel, `SELECT id, tenant, kind, address, secret, language, quiet, loud, person, made, sent, next, tries, cause
		FROM alert_channels WHERE `+where+` ORDER BY id`, args...)
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	return all, nil
}

func scanChannel(rows *sql.Rows, c *Channel) error {
	var made, sent, next int64
	err := rows.Scan(&c.ID, &c.Tenant, (*string)(&c.Kind), &c.Address, &c.Secret, &c.Language, &c.Quiet, &c.Loud, &c.Person, &made, &sent, &next, &c.Tries, &c.Cause)
	c.Made, c.Sent, c.Next = time.UnixMicro(made).UTC(), sometime(sent), sometime(next)
	return err
}

// sometime is a time that may not have come: 0.
func sometime(micro int64) time.Time {
	if micro == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micro).UTC()
}

// DeleteChannel deletes a channel of the tenant at the top of s and what it was
// still to be told. It returns ErrNotFound when there is none.
func (db *DB) DeleteChannel(ctx context.Context, s Scope, id int64) error {
	return db.deleteOne(ctx, "channel", `DELETE FROM alert_channels`, s, id)
}

// InsertAlertRule stores a rule of the tenant at the top of s.
func (db *DB) InsertAlertRule(ctx context.Context, s Scope, r AlertRule) error {
	if !s.some {
		return fmt.Errorf("store alert rule: %w", ErrNotFound)
	}
	_, err := db.exec(ctx, `INSERT INTO alert_rules (tenant, kind, site, count, within, urgent, person, made) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		s.at.tenant, string(r.Kind), r.Site, r.Count, int64(r.Within/time.Second), number(r.Urgent), r.Person, r.Made.UnixMicro())
	if err != nil {
		return fmt.Errorf("store alert rule: %w", err)
	}
	return nil
}

// AlertRules returns the rules of the tenant at the top of s, in the order in
// which they were made.
func (db *DB) AlertRules(ctx context.Context, s Scope) ([]AlertRule, error) {
	where, args := s.own()
	return db.alertRules(ctx, where, args...)
}

// EveryAlertRule returns the rules of all tenants: it is for what looks after
// them.
func (db *DB) EveryAlertRule(ctx context.Context) ([]AlertRule, error) {
	return db.alertRules(ctx, "1 = 1")
}

func (db *DB) alertRules(ctx context.Context, where string, args ...any) ([]AlertRule, error) {
	all, err := scanAll(ctx, db.read, func(rows *sql.Rows, r *AlertRule) error {
		var within, urgent, made int64
		err := rows.Scan(&r.ID, &r.Tenant, (*string)(&r.Kind), &r.Site, &r.Count, &within, &urgent, &r.Person, &made)
		r.Within, r.Urgent, r.Made = time.Duration(within)*time.Second, urgent != 0, time.UnixMicro(made).UTC()
		return err
	}, `SELECT id, tenant, kind, site, count, within, urgent, person, made FROM alert_rules WHERE `+where+` ORDER BY id`, args...)
	if err != nil {
		return nil, fmt.Errorf("list alert rules: %w", err)
	}
	return all, nil
}

// DeleteAlertRule deletes a rule of the tenant at the top of s. It returns
// ErrNotFound when there is none.
func (db *DB) DeleteAlertRule(ctx context.Context, s Scope, id int64) error {
	return db.deleteOne(ctx, "alert rule", `DELETE FROM alert_rules`, s, id)
}

func (db *DB) deleteOne(ctx context.Context, what, statement string, s Scope, id int64) error {
	where, args := s.own()
	n, err := db.exec(ctx, statement+` WHERE `+where+` AND id = ?`, append(args, id)...)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("delete %s %d: %w", what, id, err)
	}
	return nil
}

func number(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// Note takes what the rule holds of now and makes news, for every channel of
// its tenant, of what is new, and of what is over where that is news.
func (db *DB) Note(ctx context.Context, r AlertRule, found []Finding, now time.Time) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		type state struct {
			object string
			last   int64
		}
		states, err := scanAll(ctx, tx, func(rows *sql.Rows, s *state) error { return rows.Scan(&s.object, &s.last) },
			`SELECT object, last FROM alert_states WHERE rule = ? ORDER BY object`, r.ID)
		if err != nil {
			return err
		}
		holds := map[string]bool{}
		for _, f := range found {
			holds[f.Object] = true
			if !slices.ContainsFunc(states, func(s state) bool { return s.object == f.Object }) {
				if err := insertNews(ctx, tx, r, f, false, now); err != nil {
					return err
				}
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO alert_states VALUES (?1, ?2, ?3, ?3)
				ON CONFLICT (rule, object) DO UPDATE SET last = excluded.last`, r.ID, f.Object, now.UnixMicro())
			if err != nil {
				return err
			}
		}
		over := slices.Contains(lasting, r.Kind)
		for _, s := range states {
			if holds[s.object] || !over && now.Sub(time.UnixMicro(s.last)) < max(again, r.Within) {
				continue
			}
			if over {
				if err := insertNews(ctx, tx, r, Finding{Object: s.object}, true, now); err != nil {
					return err
				}
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM alert_states WHERE rule = ? AND object = ?`, r.ID, s.object); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note alert rule %d: %w", r.ID, err)
	}
	return nil
}

func insertNews(ctx context.Context, tx *sql.Tx, r AlertRule, f Finding, over bool, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO alert_news (channel, kind, site, object, count, within, over, urgent, at)
		SELECT id, ?, ?, ?, ?, ?, ?, ?, ? FROM alert_channels WHERE tenant = ?`,
		string(r.Kind), r.Site, f.Object, f.Count, int64(r.Within/time.Second), number(over), number(r.Urgent), now.UnixMicro(), r.Tenant)
	return err
}

// Waiting is what a channel is still to be told.
type Waiting struct {
	News []News // the oldest
	More int    // beyond News
	Last int64  // ID of the newest, also of those beyond News
}

// Waiting returns what the channel is still to be told, at most limit of it
// one by one.
func (db *DB) Waiting(ctx context.Context, channel int64, limit int) (Waiting, error) {
	var w Waiting
	var total int
	err := db.read.QueryRowContext(ctx, `SELECT count(*), coalesce(max(id), 0) FROM alert_news WHERE channel = ?`, channel).Scan(&total, &w.Last)
	if err == nil && total > 0 {
		w.News, err = scanAll(ctx, db.read, scanNews, `SELECT id, channel, kind, site, object, count, within, over, urgent, at
			FROM alert_news WHERE channel = ? AND id <= ? ORDER BY id LIMIT ?`, channel, w.Last, limit)
	}
	if err != nil {
		return Waiting{}, fmt.Errorf("list news: %w", err)
	}
	w.More = total - len(w.News)
	return w, nil
}

func scanNews(rows *sql.Rows, n *News) error {
	var within, over, urgent, at int64
	err := rows.Scan(&n.ID, &n.Channel, (*string)(&n.Kind), &n.Site, &n.Object, &n.Count, &within, &over, &urgent, &at)
	n.Within, n.Over, n.Urgent, n.At = time.Duration(within)*time.Second, over != 0, urgent != 0, time.UnixMicro(at).UTC()
	return err
}

// Delivered takes the channel's news up to and with the ID last away.
func (db *DB) Delivered(ctx context.Context, channel, last int64, at time.Time) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM alert_news WHERE channel = ? AND id <= ?`, channel, last); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE alert_channels SET sent = ?, next = 0, tries = 0, cause = '' WHERE id = ?`, at.UnixMicro(), channel)
		return err
	})
	if err != nil {
		return fmt.Errorf("note delivery to channel %d: %w", channel, err)
	}
	return nil
}

// waitingLimit is how much news waits for a channel that fails.
const waitingLimit = 1000

// Undelivered notes a failure; the next try is not before next. Of what waits
// the newest thousand stay.
func (db *DB) Undelivered(ctx context.Context, channel int64, cause string, next time.Time) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM alert_news WHERE channel = ?1 AND id <=
			(SELECT id FROM alert_news WHERE channel = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`, channel, waitingLimit)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE alert_channels SET tries = tries + 1, cause = ?, next = ? WHERE id = ?`, cause, next.UnixMicro(), channel)
		return err
	})
	if err != nil {
		return fmt.Errorf("note failure of channel %d: %w", channel, err)
	}
	return nil
}

// Lease takes what name says for holder until the given time, unless another
// holds it now.
func (db *DB) Lease(ctx context.Context, name, holder string, now, until time.Time) (bool, error) {
	n, err := db.exec(ctx, `INSERT INTO leases VALUES (?1, ?2, ?3)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
		WHERE leases.holder = excluded.holder OR leases.until <= ?4`, name, holder, until.UnixMicro(), now.UnixMicro())
	if err != nil {
		return false, fmt.Errorf("take lease %s: %w", name, err)
	}
	return n == 1, nil
}

// BusyClients returns the clients that were refused more than limit times at
// or after from, within s, on one site or, when site is empty, on all together;
// the busiest first, at most fifty. Refusals that a flood made to counts are not
// among them.
func (db *DB) BusyClients(ctx context.Context, s Scope, from time.Time, site string, limit int64) ([]Finding, error) {
	where, args := busyWhere(s, site, "key >= ?", firstKey(from))
	return db.busy(ctx, `SELECT client, count(*) FROM events WHERE client IS NOT NULL AND `+where+`
		GROUP BY client HAVING count(*) > ? ORDER BY 2 DESC LIMIT 50`, func(rows *sql.Rows, f *Finding) error {
		var client []byte
		err := rows.Scan(&client, &f.Count)
		if a, ok := netip.AddrFromSlice(client); ok {
			f.Object = a.Unmap().String()
		}
		return err
	}, append(args, limit)...)
}

// BusySites returns the sites within s with more than limit refusals at or
// after from, those of floods among them; the busiest first, at most fifty.
func (db *DB) BusySites(ctx context.Context, s Scope, from time.Time, site string, limit int64) ([]Finding, error) {
	events, args := busyWhere(s, site, "key >= ?", firstKey(from))
	floods, more := busyWhere(s, site, "last >= ?", from.UnixMicro())
	return db.busy(ctx, `SELECT a.site, sum(a.n) FROM (
			SELECT site, count(*) AS n FROM events WHERE `+events+` GROUP BY site
			UNION ALL
			SELECT site, sum(count) AS n FROM tallies WHERE `+floods+` GROUP BY site
		) AS a GROUP BY a.site HAVING sum(a.n) > ? ORDER BY 2 DESC LIMIT 50`, func(rows *sql.Rows, f *Finding) error {
		return rows.Scan(&f.Object, &f.Count)
	}, append(append(args, more...), limit)...)
}

// busyWhere is the condition for refusals within s, since some time, on one
// site or, when site is empty, on all.
func busyWhere(s Scope, site, since string, from int64) (condition string, args []any) {
	condition, args = s.sql("")
	condition, args = since+" AND action = 'blocked' AND "+condition, append([]any{from}, args...)
	if site != "" {
		condition, args = condition+" AND site = ?", append(args, site)
	}
	return condition, args
}

func (db *DB) busy(ctx context.Context, query string, scan func(*sql.Rows, *Finding) error, args ...any) ([]Finding, error) {
	found, err := scanAll(ctx, db.read, scan, query, args...)
	if err != nil {
		return nil, fmt.Errorf("count refusals: %w", err)
	}
	return found, nil
}
