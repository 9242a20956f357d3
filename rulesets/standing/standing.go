package standing

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets"
	"github.com/qorgan/qorgan/rulesets/mistake"
)

// Trial is how long an exclusion holds until somebody confirms it, Term how long
// a confirmed one does until it is confirmed again.
const (
	Trial = 30 * 24 * time.Hour
	Term  = 365 * 24 * time.Hour
)

// Exclusion is one decision: exclusions that belong together, and what is known
// of them.
type Exclusion struct {
	ID       string `json:"id"` // like an incident code
	Site     string `json:"site"`
	Incident string `json:"incident"` // the code that led here
	Rules    []Rule `json:"exclusions"`

	By          string    `json:"by"`
	Why         string    `json:"why,omitempty"`
	Made        time.Time `json:"made"`
	Expires     time.Time `json:"expires"`
	Confirmed   time.Time `json:"confirmed,omitzero"`
	ConfirmedBy string    `json:"confirmed_by,omitempty"`

	Profile string        `json:"profile"` // in force for the request
	Request *Request      `json:"request,omitempty"`
	Proof   mistake.Proof `json:"proof"`            // the latest
	Failed  string        `json:"failed,omitempty"` // why it is not proved by the rules of today; see [Failure]
}

// Rule is a config.Exclusion as the file has it.
type Rule struct {
	Rules   []int      `json:"rules"`
	Methods []string   `json:"methods"`
	Path    string     `json:"path"`
	When    []string   `json:"when,omitempty"`
	Targets []string   `json:"targets"`
	Who     config.Who `json:"who,omitempty"`
}

// Request is the refused request with its secrets hidden.
type Request struct {
	Method string        `json:"method"`
	Target string        `json:"target"`
	Proto  string        `json:"proto"`
	Fields []event.Field `json:"headers"`
	Body   []byte        `json:"body,omitempty"` // base64
	Rank   exchange.Rank `json:"rank,omitempty"`
}

// Config returns the exclusions as the judge takes them.
func (x Exclusion) Config() []config.Exclusion {
	list := make([]config.Exclusion, len(x.Rules))
	for i, r := range x.Rules {
		c := config.Exclusion{
			Methods: r.Methods, Path: r.Path, When: r.When, Targets: r.Targets, Who: r.Who,
			Reason: fmt.Sprintf("incident %s, decided by %s as %s", x.Incident, x.By, x.ID), Expires: x.Expires,
		}
		for _, id := range r.Rules {
			c.Rules = append(c.Rules, config.RuleRange{First: id, Last: id})
		}
		list[i] = c
	}
	return list
}

// RulesOf writes exclusions as the file has them. Their rules must be single.
func RulesOf(list []config.Exclusion) []Rule {
	out := make([]Rule, len(list))
	for i, c := range list {
		out[i] = Rule{Methods: c.Methods, Path: c.Path, When: c.When, Targets: c.Targets, Who: c.Who}
		for _, r := range c.Rules {
			out[i].Rules = append(out[i].Rules, r.First)
		}
	}
	return out
}

// RequestOf writes a masked request as the file has it.
func RequestOf(p rulesets.Probe) *Request {
	return &Request{Method: p.Method, Target: p.Target, Proto: p.Proto, Fields: p.Fields, Body: p.Body, Rank: p.Rank}
}

// Probe is the request that an exclusion is proved with; one without a method
// when none could be kept.
func (x Exclusion) Probe() rulesets.Probe {
	if x.Request == nil {
		return rulesets.Probe{Profile: x.Profile}
	}
	r := x.Request
	return rulesets.Probe{Method: r.Method, Target: r.Target, Proto: r.Proto, Fields: r.Fields, Body: r.Body, Rank: r.Rank, Profile: x.Profile}
}

// Permitted reports why an exclusion may not hold.
func (x Exclusion) Permitted() error {
	if len(x.Rules) == 0 {
		return errors.New("names no exclusion")
	}
	if x.Expires.IsZero() {
		return errors.New("never ends")
	}
	var errs []error
	for _, c := range x.Config() {
		errs = append(errs, mistake.Permitted(c))
	}
	return errors.Join(errs...)
}

// Failure says by a stable name what a proof that does not hold lacks; empty
// for one that holds.
func Failure(p mistake.Proof) string {
	switch {
	case p.Holds():
		return ""
	case len(p.Opened) > 0:
		return "lets-attacks-in"
	case !p.Passes && !p.Untried:
		return "does-not-help"
	}
	return "not-provable"
}

// InForce returns what holds now, by site, and one error for each decision that
// may not hold.
func InForce(list []Exclusion, now time.Time) (bySite map[string][]config.Exclusion, errs []error) {
	bySite = map[string][]config.Exclusion{}
	for _, x := range list {
		if !now.Before(x.Expires) && !x.Expires.IsZero() {
			continue
		}
		if err := x.Permitted(); err != nil {
			errs = append(errs, fmt.Errorf("exclusion %s of site %s: %w", x.ID, x.Site, err))
			continue
		}
		bySite[x.Site] = append(bySite[x.Site], x.Config()...)
	}
	return bySite, errs
}

// Beside returns what holds for a site beside one decision.
func Beside(list []Exclusion, site, id string, now time.Time) []config.Exclusion {
	others := slices.DeleteFunc(slices.Clone(list), func(x Exclusion) bool { return x.ID == id || x.Site != site })
	bySite, _ := InForce(others, now)
	return bySite[site]
}
