package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/qorgan/qorgan/event"
)

// InsertTallies stores counts of this machine's own edge, in one transaction and durably. Those whose ids
// it has are ignored.
func (db *DB) InsertTallies(ctx context.Context, tallies []event.Tally) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		hours, deal := map[hour]int64{}, newDealer(place{})
		for i := range tallies {
			if err := insertTally(ctx, tx, &tallies[i], deal, hours); err != nil {
				return err
			}
		}
		return count(ctx, tx, hours)
	})
	if err != nil {
		return fmt.Errorf("store counts: %w", err)
	}
	return nil
}

func insertTally(ctx context.Context, tx *sql.Tx, t *event.Tally, deal *dealer, hours map[hour]int64) error {
	id, err := uuid.Parse(t.ID)
	if err != nil {
		return err
	}
	at, err := deal.site(ctx, tx, t.Site)
	if err != nil {
		return err
	}
	var network string
	if t.Network.IsValid() {
		network = t.Network.String()
	}
	result, err := tx.ExecContext(ctx, `INSERT INTO tallies (`+tallyColumns+`, branch, tenant)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		id[:], t.First.UnixMicro(), t.Last.UnixMicro(), t.Count, t.Site, string(t.Action), string(t.Class), t.Rule, t.Reason, network, t.Path,
		at.branch, at.tenant)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return err
	}
	hours[hour{t.First.Unix() / 3600, t.Site, string(t.Class), string(t.Action), at}] += t.Count
	return nil
}

const tallyColumns = `id, first, last, count, site, action, class, rule, reason, network, path`

// Tallies returns the counts within s that ended at or after from, newest first, at
// most limit. An empty site means all.
func (db *DB) Tallies(ctx context.Context, s Scope, from time.Time, site string, limit int) ([]event.Tally, error) {
	where, args := s.sql("")
	args = append(append([]any{from.UnixMicro(), site, site}, args...), limit)
	all, err := scanAll(ctx, db.read, func(rows *sql.Rows, t *event.Tally) error {
		var id []byte
		var first, last int64
		var network string
		err := rows.Scan(&id, &first, &last, &t.Count, &t.Site, &t.Action, &t.Class, &t.Rule, &t.Reason, &network, &t.Path)
		if err != nil {
			return err
		}
		name, err := uuid.FromBytes(id)
		t.ID = name.String()
		t.First, t.Last = time.UnixMicro(first).UTC(), time.UnixMicro(last).UTC()
		if network != "" {
			var wrong error
			t.Network, wrong = netip.ParsePrefix(network)
			err = errors.Join(err, wrong)
		}
		return err
	}, `SELECT `+tallyColumns+` FROM tallies WHERE last >= ? AND (? = '' OR site = ?) AND `+where+` ORDER BY last DESC LIMIT ?`, args...)
	if err != nil {
		return nil, fmt.Errorf("list counts: %w", err)
	}
	return all, nil
}
