package wire

import (
	"encoding/json"
	"net/netip"
	"time"
)

// DecisionKind is what a decision does at an edge.
type DecisionKind string

// The kinds. Their names are stable.
const (
	DecisionBan       DecisionKind = "ban"       // refuses a network
	DecisionChallenge DecisionKind = "challenge" // asks whoever sends something from a network for a click
	DecisionStrict    DecisionKind = "strict"    // judges a network with a lower threshold
	DecisionExclusion DecisionKind = "exclusion" // lets requests of a site pass that were refused by mistake
	DecisionPatch     DecisionKind = "patch"     // adds a virtual patch
	DecisionMode      DecisionKind = "mode"      // sets the mode of a site
	DecisionMessage   DecisionKind = "message"   // tells the edge's owner something
)

// Decision is one thing that the console has decided for edges. It holds until
// it ends or is taken back.
type Decision struct {
	ID        string          `json:"id"` // like an incident code
	Kind      DecisionKind    `json:"kind"`
	Network   netip.Prefix    `json:"network,omitzero"`    // of ban, challenge, strict
	Site      string          `json:"site,omitempty"`      // of exclusion and mode; of a ban: there alone
	Mode      string          `json:"mode,omitempty"`      // block or detect
	Name      string          `json:"name,omitempty"`      // of a patch: its file's
	Text      string          `json:"text,omitempty"`      // of a patch or message
	Exclusion json.RawMessage `json:"exclusion,omitempty"` // as the edge's book has it
	Why       string          `json:"why,omitempty"`
	Made      time.Time       `json:"made"`
	Until     time.Time       `json:"until"`           // by the console's clock
	Trial     bool            `json:"trial,omitempty"` // this edge is among the first: it answers what it knows of the network
}

// OnNetwork reports whether the decision is about clients by their address.
func (d Decision) OnNetwork() bool {
	return d.Kind == DecisionBan || d.Kind == DecisionChallenge || d.Kind == DecisionStrict
}

// Batch is what changes at a time. An edge that has everything up to After has
// everything up to Version once it has taken it.
type Batch struct {
	For      string     `json:"for,omitempty"` // the one edge it is for; empty for every edge of the console
	After    int64      `json:"after"`
	Version  int64      `json:"version"`
	Time     time.Time  `json:"time"`               // the console's clock, by which decisions end
	Whole    bool       `json:"whole,omitempty"`    // replaces whatever the edge has
	More     bool       `json:"more,omitempty"`     // another batch follows at once
	Approved bool       `json:"approved,omitempty"` // a person answers for a change of this size
	Put      []Decision `json:"put,omitempty"`
	Drop     []string   `json:"drop,omitempty"` // ids
}

// Said is what an edge answers to decisions, and what it saw of clients on
// which there are any. Counts are since the edge's process began; what comes
// again changes nothing.
type Said struct {
	Version  int64       `json:"version"` // up to where it has taken decisions
	Objected []Objection `json:"objected,omitempty"`
	Asked    []Answer    `json:"asked,omitempty"`
	Hits     []Hit       `json:"hits,omitempty"`
	Behind   []Behind    `json:"behind,omitempty"`
}

// Objection says that an edge has not taken a decision, or a batch, and why.
type Objection struct {
	ID     string `json:"id,omitempty"` // empty for a whole batch
	Reason string `json:"reason"`       // stable name: "too-wide", "bad-signature"
	Detail string `json:"detail,omitempty"`
}

// Answer is what an edge that a decision was tried at knows against it.
type Answer struct {
	ID     string `json:"id"`
	Behind Behind `json:"behind,omitzero"` // what it saw of that network lately
}

// Hit is how many requests met a decision.
type Hit struct {
	ID        string `json:"id"`
	Refused   int64  `json:"refused"`
	Witnessed int64  `json:"witnessed,omitempty"` // of them in a session whose sign-in the edge saw; they were let through
	Agents    int    `json:"agents,omitempty"`    // about how many different programs sent what was refused
}

// Behind is what an edge saw of one client address, or of one /64, in the last
// day or less.
type Behind struct {
	Network  netip.Prefix `json:"network"`
	Clean    int64        `json:"clean"`    // requests in which nothing was found
	Attacks  int64        `json:"attacks"`  // requests in which something was
	Agents   int          `json:"agents"`   // about how many different programs sent clean ones
	Sessions int          `json:"sessions"` // about how many people were signed in
}
