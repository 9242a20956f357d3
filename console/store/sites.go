package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// dealer says whose what an edge reports is: of the tenant that owns the site,
// within the edge's own tenant. One serves one transaction.
type dealer struct {
	home  place
	known map[string]place
}

func newDealer(home place) *dealer { return &dealer{home, map[string]place{}} }

// site returns whose a site is. A new one goes where the rules of the edge's
// tenant, and of those below it, send it.
func (d *dealer) site(ctx context.Context, tx *sql.Tx, name string) (place, error) {
	if at, ok := d.known[name]; ok {
		return at, nil
	}
	var at place
	err := tx.QueryRowContext(ctx, `SELECT branch, tenant FROM sites WHERE home = ? AND name = ?`, d.home.tenant, name).Scan(&at.branch, &at.tenant)
	if errors.Is(err, sql.ErrNoRows) {
		if at, err = dealt(ctx, tx, d.home, name); err == nil {
			_, err = tx.ExecContext(ctx, `INSERT INTO sites (home, name, branch, tenant) VALUES (?, ?, ?, ?)
				ON CONFLICT (home, name) DO NOTHING`, d.home.tenant, name, at.branch, at.tenant)
		}
	}
	if err != nil {
		return place{}, fmt.Errorf("owner of site %s: %w", name, err)
	}
	d.known[name] = at
	return at, nil
}

// dealt follows the rules down from a tenant: each deals out what it got.
func dealt(ctx context.Context, tx *sql.Tx, at place, name string) (place, error) {
	for range 3 { // the desk, a hoster, an owner
		var next place
		found := false
		for _, suffix := range suffixes(name) {
			err := tx.QueryRowContext(ctx, `SELECT t.branch, t.id FROM site_rules r JOIN tenants t ON t.id = r.tenant
				WHERE r.home = ? AND r.suffix = ?`, at.tenant, suffix).Scan(&next.branch, &next.tenant)
			if err == nil {
				found = true
				break
			}
			if !errors.Is(err, sql.ErrNoRows) {
				return place{}, err
			}
		}
		if !found || next == at || !(Scope{some: true, at: at}).sees(next) {
			break
		}
		at = next
	}
	return at, nil
}

// suffixes returns the suffixes by which a rule may name a site, the longest
// first: ".shop.example.kz" for the site itself too, ".example.kz", ".kz".
func suffixes(name string) []string {
	name = strings.ToLower(name)
	list := []string{"." + name}
	for {
		dot := strings.IndexByte(name, '.')
		if dot < 0 || len(list) == 8 {
			return list
		}
		name = name[dot+1:]
		list = append(list, "."+name)
	}
}

// OwnSites returns which sites of this machine's own edge s sees.
func (db *DB) OwnSites(ctx context.Context, s Scope) (func(name string) bool, error) {
	if s.Whole() {
		return func(string) bool { return true }, nil
	}
	where, args := s.sql("")
	names, err := scanAll(ctx, db.read, func(rows *sql.Rows, name *string) error { return rows.Scan(name) },
		`SELECT name FROM sites WHERE home = 0 AND `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("list own sites: %w", err)
	}
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		seen[name] = true
	}
	return func(name string) bool { return seen[name] }, nil
}

// SetSiteRule has the new sites of the tenant home whose names end in suffix
// (".kitap.kz"; "kitap.kz" itself ends in it too) go to a tenant below home.
// s must see both. Sites that are known already stay where they are.
func (db *DB) SetSiteRule(ctx context.Context, s Scope, home int64, suffix string, tenant int64) error {
	suffix = "." + strings.Trim(strings.ToLower(suffix), ".*")
	err := db.update(ctx, func(tx *sql.Tx) error {
		at, err := placeOf(ctx, tx, home)
		to, toErr := placeOf(ctx, tx, tenant)
		if err = errors.Join(err, toErr); err != nil {
			return err
		}
		if !s.sees(at) || at == to || !(Scope{some: true, at: at}).sees(to) {
			return ErrNotFound
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO site_rules (home, suffix, tenant) VALUES (?, ?, ?)
			ON CONFLICT (home, suffix) DO UPDATE SET tenant = excluded.tenant`, home, suffix, tenant)
		return err
	})
	if err != nil {
		return fmt.Errorf("set rule for sites: %w", err)
	}
	return nil
}
