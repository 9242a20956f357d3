package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qorgan/qorgan/report/wire"
)

// Stages of a decision.
const (
	StageTrial = "trial" // at a few edges first
	StageFleet = "fleet" // at every edge of its audience
	StageEnded = "ended" // taken back
)

// Decision is a decision as the console keeps it.
type Decision struct {
	wire.Decision
	Version  int64
	Audience string // empty for every edge; see [EdgeAudience], [TenantAudience], [BranchAudience]
	Stage    string
	Person   string // who decided; empty for the console itself
	Reason   string // in that person's words, or the console's
	Incident string // the code that led here
	Tenant   int64  // whose decision it is
	Branch   int64
	Ended    time.Time // zero while it holds
	EndedBy  string
	EndedWhy string
}

// EdgeAudience, TenantAudience and BranchAudience name whom a decision is for:
// one edge, the edges of a tenant, those of all tenants of a branch.
func EdgeAudience(edge string) string    { return "edge:" + edge }
func TenantAudience(tenant int64) string { return fmt.Sprintf("tenant:%d", tenant) }
func BranchAudience(branch int64) string { return fmt.Sprintf("branch:%d", branch) }

const decisionColumns = `version, audience, stage, body, person, why, incident, tenant, branch, ended, ended_by, ended_why`

func scanDecision(scan func(...any) error, d *Decision) error {
	var body string
	var ended int64
	err := scan(&d.Version, &d.Audience, &d.Stage, &body, &d.Person, &d.Reason, &d.Incident, &d.Tenant, &d.Branch, &ended, &d.EndedBy, &d.EndedWhy)
	if err != nil {
		return err
	}
	if ended != 0 {
		d.Ended = time.UnixMicro(ended).UTC()
	}
	return json.Unmarshal([]byte(body), &d.Decision)
}

// nextVersion returns the version of the next change. Transactions that ask for
// one wait for each other, so that versions are committed in their order.
func nextVersion(ctx context.Context, tx *sql.Tx) (version int64, err error) {
	err = tx.QueryRowContext(ctx, `UPDATE decision_version SET version = version + 1 WHERE id = 1 RETURNING version`).Scan(&version)
	return version, err
}

// DecisionVersion returns the version of the latest change.
func (db *DB) DecisionVersion(ctx context.Context) (version int64, err error) {
	err = db.read.QueryRowContext(ctx, `SELECT version FROM decision_version WHERE id = 1`).Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("version of decisions: %w", err)
	}
	return version, nil
}

// RaiseDecisionVersion makes versions go on after one that an edge has: the
// store was restored from a copy that does not know it.
func (db *DB) RaiseDecisionVersion(ctx context.Context, version int64) error {
	_, err := db.exec(ctx, `UPDATE decision_version SET version = ? WHERE id = 1 AND version < ?`, version, version)
	if err != nil {
		return fmt.Errorf("raise version of decisions: %w", err)
	}
	return nil
}

// InsertDecision stores a decision, which has everything but a version, and
// returns that.
func (db *DB) InsertDecision(ctx context.Context, d Decision) (version int64, err error) {
	err = db.update(ctx, func(tx *sql.Tx) error {
		if version, err = nextVersion(ctx, tx); err != nil {
			return err
		}
		return insertDecision(ctx, tx, d, version)
	})
	if err != nil {
		return 0, fmt.Errorf("store decision: %w", err)
	}
	return version, nil
}

func insertDecision(ctx context.Context, tx *sql.Tx, d Decision, version int64) error {
	d.Made, d.Until = d.Made.UTC().Truncate(time.Microsecond), d.Until.UTC().Truncate(time.Microsecond)
	body, err := json.Marshal(d.Decision)
	if err != nil {
		return err
	}
	network := ""
	if d.Network.IsValid() {
		network = d.Network.String()
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO decisions (id, version, kind, audience, stage, network, body, person, why, incident, tenant, branch, made, expires, ended, ended_by, ended_why)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', '')`,
		d.ID, version, string(d.Kind), d.Audience, d.Stage, network, string(body), d.Person, d.Reason, d.Incident, d.Tenant, d.Branch,
		d.Made.UnixMicro(), d.Until.UnixMicro())
	return err
}

// InsertDecisions stores many decisions in one transaction.
func (db *DB) InsertDecisions(ctx context.Context, list []Decision) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		for _, d := range list {
			version, err := nextVersion(ctx, tx)
			if err != nil {
				return err
			}
			if err := insertDecision(ctx, tx, d, version); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store decisions: %w", err)
	}
	return nil
}

// PromoteDecision takes a decision that was tried at a few edges to all of
// them. It returns ErrNotFound when it is not under trial.
func (db *DB) PromoteDecision(ctx context.Context, id string) error {
	return db.changeDecision(ctx, id, `UPDATE decisions SET stage = 'fleet', version = ? WHERE id = ? AND stage = 'trial'`)
}

// EndDecision takes a decision back. It returns ErrNotFound when there is none,
// or it was taken back already.
func (db *DB) EndDecision(ctx context.Context, id, by, why string, at time.Time) error {
	return db.changeDecision(ctx, id, `UPDATE decisions SET stage = 'ended', version = ?, ended = ?, ended_by = ?, ended_why = ? WHERE id = ? AND stage <> 'ended'`,
		at.UnixMicro(), by, why)
}

// changeDecision runs a statement whose first value is the new version and
// whose last is the id.
func (db *DB) changeDecision(ctx context.Context, id, statement string, values ...any) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		version, err := nextVersion(ctx, tx)
		if err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, statement, slices.Concat([]any{version}, values, []any{id})...)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("change decision %s: %w", id, err)
	}
	return nil
}

// DecisionsAfter returns what has changed after a version, in the order of the
// changes, whoever it is for; what has come to its end by itself is left out.
func (db *DB) DecisionsAfter(ctx context.Context, version int64, now time.Time, limit int) ([]Decision, error) {
	all, err := scanAll(ctx, db.read, func(rows *sql.Rows, d *Decision) error { return scanDecision(rows.Scan, d) },
		`SELECT `+decisionColumns+` FROM decisions WHERE version > ? AND expires > ? ORDER BY version LIMIT ?`, version, now.UnixMicro(), limit)
	if err != nil {
		return nil, fmt.Errorf("decisions after %d: %w", version, err)
	}
	return all, nil
}

// Decision returns a decision, or ErrNotFound.
func (db *DB) Decision(ctx context.Context, id string) (Decision, error) {
	var d Decision
	row := db.read.QueryRowContext(ctx, `SELECT `+decisionColumns+` FROM decisions WHERE id = ?`, id)
	if err := scanDecision(row.Scan, &d); err != nil {
		return Decision{}, fmt.Errorf("decision %s: %w", id, missing(err))
	}
	return d, nil
}

// DecisionQuery says which decisions to list.
type DecisionQuery struct {
	Scope   Scope  // only those of it, and what holds for everybody
	Past    bool   // those that have ended, instead of those that hold
	Network string // about that network alone
	Stage   string
	Limit   int // 200 by default
}

// Decisions returns decisions, the newest change first.
func (db *DB) Decisions(ctx context.Context, q DecisionQuery, now time.Time) ([]Decision, error) {
	where, args := []string{"(stage <> 'ended' AND expires > ?)"}, []any{now.UnixMicro()}
	if q.Past {
		where = []string{"(stage = 'ended' OR expires <= ?)"}
	}
	mine, mineArgs := q.Scope.sql("")
	where, args = append(where, "("+mine+" OR audience = '')"), append(args, mineArgs...)
	if q.Network != "" {
		where, args = append(where, "network = ?"), append(args, q.Network)
	}
	if q.Stage != "" {
		where, args = append(where, "stage = ?"), append(args, q.Stage)
	}
	if q.Limit <= 0 {
		q.Limit = 200
	}
	all, err := scanAll(ctx, db.read, func(rows *sql.Rows, d *Decision) error { return scanDecision(rows.Scan, d) },
		`SELECT `+decisionColumns+` FROM decisions WHERE `+strings.Join(where, " AND ")+` ORDER BY version DESC LIMIT ?`, append(args, q.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list decisions: %w", err)
	}
	for i := range all {
		if d := &all[i]; !d.Of(q.Scope) { // what holds for everybody, without whose it is
			d.Person, d.Reason, d.Incident, d.EndedBy, d.EndedWhy = "", "", "", "", ""
		}
	}
	return all, nil
}

// Of reports whether the decision belongs to a scope.
func (d Decision) Of(s Scope) bool {
	if d.Audience == "" && d.Tenant == Desk {
		return s.Whole()
	}
	return s.sees(place{d.Branch, d.Tenant})
}

// Audience returns for whom somebody of a scope may decide: every edge, those
// of a branch, or those of a tenant.
func (s Scope) Audience() (audience string, tenant, branch int64) {
	switch {
	case s.Whole():
		return "", 0, 0
	case s.at.tenant == s.at.branch:
		return BranchAudience(s.at.branch), s.at.tenant, s.at.branch
	}
	return TenantAudience(s.at.tenant), s.at.tenant, s.at.branch
}

// CountDecisions returns how many decisions hold that a scope sees.
func (db *DB) CountDecisions(ctx context.Context, s Scope, now time.Time) (n int64, err error) {
	mine, args := s.sql("")
	err = db.read.QueryRowContext(ctx, `SELECT count(*) FROM decisions WHERE stage <> 'ended' AND expires > ? AND (`+mine+` OR audience = '')`,
		append([]any{now.UnixMicro()}, args...)...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count decisions: %w", err)
	}
	return n, nil
}

// TrimDecisions deletes what ended before a time, and what edges said of it.
func (db *DB) TrimDecisions(ctx context.Context, before time.Time) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		at := before.UnixMicro()
		for _, statement := range []string{
			`DELETE FROM decisions WHERE expires < ?`, `DELETE FROM decision_hits WHERE seen < ?`, `DELETE FROM decision_objections WHERE seen < ?`,
			`DELETE FROM sightings WHERE last < ?`, `DELETE FROM behind WHERE seen < ?`,
		} {
			if _, err := tx.ExecContext(ctx, statement, at); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete old decisions: %w", err)
	}
	return nil
}

// DecisionSay is what edges said of one decision.
type DecisionSay struct {
	Edges     int64 // at which something met it
	Refused   int64
	Witnessed int64
	Objected  []DecisionObjection
}

// DecisionObjection is why an edge has not taken a decision.
type DecisionObjection struct {
	Edge           string
	Seen           time.Time
	Reason, Detail string
}

// InsertSaid stores what an edge said of decisions. What comes again changes
// nothing.
func (db *DB) InsertSaid(ctx context.Context, edge string, hits []wire.Hit, objections []wire.Objection, at time.Time) error {
	if len(hits)+len(objections) == 0 {
		return nil
	}
	err := db.update(ctx, func(tx *sql.Tx) error {
		for _, h := range hits {
			_, err := tx.ExecContext(ctx, `INSERT INTO decision_hits (decision, edge, refused, witnessed, agents, seen) VALUES (?, ?, ?, ?, ?, ?)
				ON CONFLICT (decision, edge) DO UPDATE SET refused = excluded.refused, witnessed = excluded.witnessed, agents = excluded.agents, seen = excluded.seen`,
				h.ID, edge, h.Refused, h.Witnessed, h.Agents, at.UnixMicro())
			if err != nil {
				return err
			}
		}
		for _, o := range objections {
			_, err := tx.ExecContext(ctx, `INSERT INTO decision_objections (decision, edge, seen, reason, detail) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (decision, edge) DO UPDATE SET reason = excluded.reason, detail = excluded.detail, seen = excluded.seen`,
				o.ID, edge, at.UnixMicro(), o.Reason, o.Detail)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store what an edge said: %w", err)
	}
	return nil
}

// Say returns what edges said of a decision; with an empty id, why they have
// not taken whole batches.
func (db *DB) Say(ctx context.Context, id string) (s DecisionSay, err error) {
	err = db.read.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(refused), 0), coalesce(sum(witnessed), 0) FROM decision_hits WHERE decision = ?`, id).
		Scan(&s.Edges, &s.Refused, &s.Witnessed)
	if err == nil {
		s.Objected, err = scanAll(ctx, db.read, func(rows *sql.Rows, o *DecisionObjection) error {
			var seen int64
			err := rows.Scan(&o.Edge, &seen, &o.Reason, &o.Detail)
			o.Seen = time.UnixMicro(seen).UTC()
			return err
		}, `SELECT edge, seen, reason, detail FROM decision_objections WHERE decision = ? ORDER BY seen DESC LIMIT 50`, id)
	}
	if err != nil {
		return s, fmt.Errorf("what was said of decision %s: %w", id, err)
	}
	return s, nil
}

// EnsureSetting returns a setting's value, and stores the given one when there
// is none.
func (db *DB) EnsureSetting(ctx context.Context, name, value string) (string, error) {
	_, err := db.exec(ctx, `INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`, name, value)
	if err != nil {
		return "", fmt.Errorf("store setting %s: %w", name, err)
	}
	return db.Setting(ctx, name)
}
