package console

import (
	"context"
	"errors"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
)

// Exclusions is how a console learns what would let a refused request pass, and
// how it has that put into force. Its functions are safe for concurrent use.
type Exclusions struct {
	// Propose looks for the narrowest exclusions that would let an incident's
	// request pass, and proves them. others are other incidents of the site,
	// which are to stay refused. It may take seconds.
	Propose func(ctx context.Context, e event.Event, others []event.Event) (Answer, error)
	// Decide puts a proposal into force, within a second and until it expires.
	Decide func(context.Context, Decision) (Standing, error)
	// List returns what is in force, and what lately ended by itself.
	List func(context.Context) ([]Standing, error)
	// Confirm lets one hold for another year. Confirm and Remove fail with
	// ErrNoExclusion when there is none of that name.
	Confirm func(ctx context.Context, id, by string) (Standing, error)
	// Remove takes one back, within a second.
	Remove func(ctx context.Context, id string) (Standing, error)
}

// ErrNoExclusion says that there is no exclusion of that name.
var ErrNoExclusion = errors.New("no such exclusion")

// Answer is what there is to propose.
type Answer struct {
	Reason    string     // stable name of why nothing is; empty when something is
	Detail    string     // in English
	Proposals []Proposal // proved, the recommended first
	Rejected  []Proposal // not to be offered; their proofs say why
}

// Proposal is exclusions that belong together.
type Proposal struct {
	Key        string // names the exclusions: equal ones have one key
	Scope      string // path, numbers
	Exclusions []config.Exclusion
	Proof      Proof
}

// Proof is what was tried.
type Proof struct {
	At        time.Time
	Exact     bool // with the request as it came, not one made from the record
	Untried   bool // without a request
	Tried     int  // attacks that are refused today; those not in Opened are refused still
	Attacks   []AttackTally
	Opened    []OpenedAttack
	Unreached []string // places into which no attack could be put
	As        string   // the rank of the requester whose attacks were tried; empty for a visitor

	Others int // other incidents that were looked at
	Stay   int // those of them that stay refused
	Same   []string
	Alike  []string // codes of those that would pass, from the same client and from others

	Whole any // the proof as whoever made it knows it
}

// AttackTally is how many attacks of a class were tried in the same place.
type AttackTally struct {
	Class          string
	Tried, Refused int
}

// OpenedAttack is an attack that would pass.
type OpenedAttack struct{ Class, Value string }

// Decision is a proposal that a person accepted.
type Decision struct {
	Event    event.Event
	Proposal Proposal
	By, Why  string
}

// Standing is an exclusion that was decided on.
type Standing struct {
	ID, Site, Incident string
	By, Why            string
	Made, Expires      time.Time
	Confirmed          time.Time // zero until somebody did
	ConfirmedBy        string
	Exclusions         []config.Exclusion
	Proof              Proof  // the latest
	Failed             string // why it is not proved by the rules of today
}
