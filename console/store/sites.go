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

// ErrElsewhere says that edges report a site whose tenant is not above the one
// it should go to.
var ErrElsewhere = errors.New("site is reported by edges of somebody else")

// Site is a site and whose it is.
type Site struct {
	Name   string
	Tenant int64
	Home   int64 // the tenant of the edges that report it
}

// SitesOf returns the sites within s whose names contain a text, by their
// names, at most limit.
func (db *DB) SitesOf(ctx context.Context, s Scope, contains string, limit int) ([]Site, error) {
	where, args := s.sql("")
	pattern := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(contains)) + "%"
	all, err := scanAll(ctx, db.read, func(rows *sql.Rows, one *Site) error { return rows.Scan(&one.Name, &one.Tenant, &one.Home) },
		`SELECT name, tenant, home FROM sites WHERE lower(name) LIKE ? ESCAPE '\' AND `+where+` ORDER BY name, tenant, home LIMIT ?`,
		append(append([]any{pattern}, args...), limit)...)
	if err != nil {
		return nil, fmt.Errorf("list sites: %w", err)
	}
	return all, nil
}

// SiteRule says to whom a tenant's new sites go.
type SiteRule struct {
	Suffix string
	Home   int64
	Tenant int64
}

// SiteRules returns the rules of tenants within s.
func (db *DB) SiteRules(ctx context.Context, s Scope) ([]SiteRule, error) {
	where, args := s.sqlTenants()
	all, err := scanAll(ctx, db.read, func(rows *sql.Rows, r *SiteRule) error { return rows.Scan(&r.Suffix, &r.Home, &r.Tenant) },
		`SELECT r.suffix, r.home, r.tenant FROM site_rules r JOIN tenants t ON t.id = r.home WHERE `+where+` ORDER BY r.suffix, r.home`, args...)
	if err != nil {
		return nil, fmt.Errorf("list rules for sites: %w", err)
	}
	return all, nil
}

// RemoveSiteRule removes a rule of a tenant that s sees. Sites stay where they
// are.
func (db *DB) RemoveSiteRule(ctx context.Context, s Scope, home int64, suffix string) error {
	_, err := db.Narrow(ctx, s, home)
	if err == nil {
		var n int64
		if n, err = db.exec(ctx, `DELETE FROM site_rules WHERE home = ? AND suffix = ?`, home, suffix); err == nil && n == 0 {
			err = ErrNotFound
		}
	}
	if err != nil {
		return fmt.Errorf("remove rule for sites: %w", err)
	}
	return nil
}

// AddSite says whose a site of home's edges is, before they report it. s must
// see both tenants, and the tenant must be home's own or below it. A site that
// is known already is ErrTaken: it can be moved.
func (db *DB) AddSite(ctx context.Context, s Scope, home int64, name string, tenant int64) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		at, err := placeOf(ctx, tx, home)
		to, toErr := placeOf(ctx, tx, tenant)
		if err = errors.Join(err, toErr); err != nil {
			return err
		}
		if !s.sees(at) || !(Scope{some: true, at: at}).sees(to) {
			return ErrNotFound
		}
		result, err := tx.ExecContext(ctx, `INSERT INTO sites (home, name, branch, tenant) VALUES (?, ?, ?, ?) ON CONFLICT (home, name) DO NOTHING`,
			home, name, to.branch, to.tenant)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return ErrTaken
	})
	if err != nil {
		return fmt.Errorf("add site %s: %w", name, err)
	}
	return nil
}

// MoveSite gives a site of one tenant, with all its events and counts, to
// another. s must see both. It fails with ErrElsewhere when its edges are not
// those of the other tenant or of one above that.
func (db *DB) MoveSite(ctx context.Context, s Scope, name string, from, to int64) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		old, err := placeOf(ctx, tx, from)
		at, toErr := placeOf(ctx, tx, to)
		if err = errors.Join(err, toErr); err != nil {
			return err
		}
		if !s.sees(old) || !s.sees(at) {
			return ErrNotFound
		}
		homes, err := scanAll(ctx, tx, func(rows *sql.Rows, p *place) error { return rows.Scan(&p.branch, &p.tenant) },
			`SELECT t.branch, t.id FROM sites s JOIN tenants t ON t.id = s.home WHERE s.tenant = ? AND s.name = ?`, from, name)
		if err != nil {
			return err
		}
		if len(homes) == 0 {
			return ErrNotFound
		}
		for _, home := range homes {
			if !(Scope{some: true, at: home}).sees(at) {
				return ErrElsewhere
			}
		}
		if from == to {
			return nil
		}
		for _, step := range []struct {
			query string
			args  []any
		}{
			{`UPDATE sites SET branch = ?, tenant = ? WHERE tenant = ? AND name = ?`, []any{at.branch, to, from, name}},
			{`UPDATE events SET branch = ?, tenant = ? WHERE tenant = ? AND site = ?`, []any{at.branch, to, from, name}},
			{`UPDATE tallies SET branch = ?, tenant = ? WHERE tenant = ? AND site = ?`, []any{at.branch, to, from, name}},
			{`INSERT INTO hours (hour, site, class, action, branch, tenant, count)
				SELECT hour, site, class, action, CAST(? AS BIGINT), CAST(? AS BIGINT), count FROM hours WHERE tenant = ? AND site = ?
				ON CONFLICT (hour, site, class, action, tenant) DO UPDATE SET count = hours.count + excluded.count`, []any{at.branch, to, from, name}},
			{`DELETE FROM hours WHERE tenant = ? AND site = ?`, []any{from, name}},
		} {
			if _, err := tx.ExecContext(ctx, step.query, step.args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("move site %s: %w", name, err)
	}
	return nil
}
