package store

import (
	"context"
	"fmt"
	"strings"
)

// Scope is what of a store somebody may see: one tenant and all below it.
// Every method that reads what tenants own demands one. The zero Scope sees
// nothing, so that a forgotten one shows nothing.
type Scope struct {
	some bool
	only bool // without what is below
	at   place
}

// place is where in the tree of tenants a row lies: the tenant whose it is,
// and the tenant right below the desk under which that lies. The desk is 0, 0.
type place struct{ branch, tenant int64 }

// Whole sees everything: it is for the machine itself and for its command
// line. What a page shows is seen through the scope of the person who looks.
func Whole() Scope { return Scope{some: true} }

// Tenant returns the tenant at the top of what s sees.
func (s Scope) Tenant() int64 { return s.at.tenant }

// Whole reports whether s sees everything.
func (s Scope) Whole() bool { return s == Whole() }

// Only returns the scope of the tenant at the top of s, without those below.
func (s Scope) Only() Scope {
	s.only = true
	return s
}

// sees reports whether a row at p is within s.
func (s Scope) sees(p place) bool {
	switch {
	case !s.some:
		return false
	case s.only:
		return p == s.at
	case s.at.tenant == 0:
		return true
	case s.at.tenant == s.at.branch:
		return p.branch == s.at.branch
	}
	return p.tenant == s.at.tenant
}

// sql returns the condition for the columns branch and tenant of a table,
// which may have an alias: "e." or empty. It names the partial indexes' own
// conditions, so that they can be used.
func (s Scope) sql(alias string) (condition string, args []any) {
	switch {
	case !s.some:
		condition = "1 = 0"
	case s.only:
		condition, args = "@tenant = ?", []any{s.at.tenant}
	case s.at.tenant == 0:
		condition = "1 = 1"
	case s.at.tenant == s.at.branch:
		condition, args = "(@branch = ? AND @branch <> 0)", []any{s.at.branch}
	default:
		condition, args = "(@tenant = ? AND @tenant <> @branch)", []any{s.at.tenant}
	}
	return strings.ReplaceAll(condition, "@", alias), args
}

// Narrow returns the scope of a tenant that s sees, or ErrNotFound when there
// is none, be it that there is no such tenant or that s does not see it.
func (db *DB) Narrow(ctx context.Context, s Scope, tenant int64) (Scope, error) {
	p, err := placeOf(ctx, db.read, tenant)
	if err == nil && !s.sees(p) {
		err = ErrNotFound
	}
	if err != nil {
		return Scope{}, fmt.Errorf("tenant %d: %w", tenant, err)
	}
	return Scope{some: true, at: p}, nil
}
