package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/qorgan/qorgan/report/wire"
)

// Sighting is what a tenant's edges reported of a network that attacks.
type Sighting struct {
	Network string // an address as a prefix, or a /64
	Tenant  int64
	Branch  int64
	First   time.Time
	Last    time.Time
	Count   int64
	Gravity int
	Kinds   []string // what was tried, a few
}

// mostKinds is how many kinds of attack are told apart.
const mostKinds = 8

// InsertSightings adds attacks to what is known of their networks.
func (db *DB) InsertSightings(ctx context.Context, list []Sighting) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		for _, s := range list {
			was, err := sighting(ctx, tx, s.Network, s.Tenant)
			if err != nil {
				return err
			}
			s.Kinds = join(was.Kinds, s.Kinds)
			_, err = tx.ExecContext(ctx, `INSERT INTO sightings (network, tenant, branch, first, last, count, gravity, kinds) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
				ON CONFLICT (network, tenant) DO UPDATE SET branch = excluded.branch, count = sightings.count + excluded.count, kinds = excluded.kinds,
					last = CASE WHEN excluded.last > sightings.last THEN excluded.last ELSE sightings.last END,
					gravity = CASE WHEN excluded.gravity > sightings.gravity THEN excluded.gravity ELSE sightings.gravity END`,
				s.Network, s.Tenant, s.Branch, s.First.UnixMicro(), s.Last.UnixMicro(), s.Count, s.Gravity, strings.Join(s.Kinds, " "))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store sightings: %w", err)
	}
	return nil
}

func join(a, b []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, list := range [][]string{a, b} {
		for _, k := range list {
			if !seen[k] && len(out) < mostKinds {
				seen[k] = true
				out = append(out, k)
			}
		}
	}
	return out
}

const sightingColumns = `network, tenant, branch, first, last, count, gravity, kinds`

func scanSighting(scan func(...any) error, s *Sighting) error {
	var first, last int64
	var kinds string
	err := scan(&s.Network, &s.Tenant, &s.Branch, &first, &last, &s.Count, &s.Gravity, &kinds)
	s.First, s.Last, s.Kinds = time.UnixMicro(first).UTC(), time.UnixMicro(last).UTC(), strings.Fields(kinds)
	return err
}

func sighting(ctx context.Context, tx *sql.Tx, network string, tenant int64) (s Sighting, err error) {
	err = scanSighting(tx.QueryRowContext(ctx, `SELECT `+sightingColumns+` FROM sightings WHERE network = ? AND tenant = ?`, network, tenant).Scan, &s)
	if missing(err) == ErrNotFound {
		return Sighting{}, nil
	}
	return s, err
}

// Sightings returns what is known of a network's attacks since a time.
func (db *DB) Sightings(ctx context.Context, network string, since time.Time) ([]Sighting, error) {
	all, err := scanAll(ctx, db.read, func(rows *sql.Rows, s *Sighting) error { return scanSighting(rows.Scan, s) },
		`SELECT `+sightingColumns+` FROM sightings WHERE network = ? AND last >= ? ORDER BY first`, network, since.UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("sightings of %s: %w", network, err)
	}
	return all, nil
}

// Agreed returns how many networks a tenant has reported since a time, and how
// many of them another branch's tenants have reported too.
func (db *DB) Agreed(ctx context.Context, tenant, branch int64, since time.Time) (reported, agreed int64, err error) {
	err = db.read.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(CASE WHEN EXISTS (
			SELECT 1 FROM sightings o WHERE o.network = s.network AND o.tenant <> s.tenant AND (o.branch <> ? OR o.branch = 0) AND o.last >= ?) THEN 1 ELSE 0 END), 0)
		FROM (SELECT network, tenant FROM sightings WHERE tenant = ? AND last >= ? ORDER BY last DESC LIMIT 500) s`,
		branch, since.UnixMicro(), tenant, since.UnixMicro()).Scan(&reported, &agreed)
	if err != nil {
		return 0, 0, fmt.Errorf("worth of tenant %d: %w", tenant, err)
	}
	return reported, agreed, nil
}

// Behind is who is behind an address, as one edge sees it.
type Behind struct {
	wire.Behind
	Edge   string
	Tenant int64
	Seen   time.Time
}

// InsertBehind stores what an edge sees behind addresses.
func (db *DB) InsertBehind(ctx context.Context, list []Behind) error {
	if len(list) == 0 {
		return nil
	}
	err := db.update(ctx, func(tx *sql.Tx) error {
		for _, b := range list {
			_, err := tx.ExecContext(ctx, `INSERT INTO behind (network, edge, tenant, seen, clean, attacks, agents, sessions) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
				ON CONFLICT (network, edge) DO UPDATE SET tenant = excluded.tenant, seen = excluded.seen, clean = excluded.clean,
					attacks = excluded.attacks, agents = excluded.agents, sessions = excluded.sessions`,
				b.Network.String(), b.Edge, b.Tenant, b.Seen.UnixMicro(), b.Clean, b.Attacks, b.Agents, b.Sessions)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store who is behind addresses: %w", err)
	}
	return nil
}

// BehindNetwork returns who is behind a network, as edges have seen it since a
// time.
func (db *DB) BehindNetwork(ctx context.Context, network string, since time.Time) ([]Behind, error) {
	all, err := scanAll(ctx, db.read, func(rows *sql.Rows, b *Behind) error {
		var seen int64
		err := rows.Scan(&b.Edge, &b.Tenant, &seen, &b.Clean, &b.Attacks, &b.Agents, &b.Sessions)
		b.Seen = time.UnixMicro(seen).UTC()
		return err
	}, `SELECT edge, tenant, seen, clean, attacks, agents, sessions FROM behind WHERE network = ? AND seen >= ? ORDER BY seen DESC LIMIT 200`, network, since.UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("who is behind %s: %w", network, err)
	}
	return all, nil
}

// Branch returns the tenant right below the desk under which a tenant lies; 0
// for the desk.
func (db *DB) Branch(ctx context.Context, tenant int64) (branch int64, err error) {
	err = db.read.QueryRowContext(ctx, `SELECT branch FROM tenants WHERE id = ?`, tenant).Scan(&branch)
	if err != nil {
		return 0, fmt.Errorf("branch of tenant %d: %w", tenant, missing(err))
	}
	return branch, nil
}
