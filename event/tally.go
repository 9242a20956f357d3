package event

import (
	"net/netip"
	"time"
)

// Tally counts refusals and detections of one kind that were not kept one by
// one, because a site had too many at a time. Its events are in no other
// record: what was refused is the sum of the events stored, of the tallies'
// counts and of the losses.
type Tally struct {
	ID      string       `json:"id"`    // UUIDv7, made at the edge
	First   time.Time    `json:"first"` // when the first of them was refused, UTC
	Last    time.Time    `json:"last"`
	Count   int64        `json:"count"`
	Site    string       `json:"site"`
	Action  Action       `json:"action"`
	Class   Class        `json:"class"`
	Rule    int          `json:"rule,omitempty"` // the first rule that matched; 0 when none did, or several
	Reason  string       `json:"reason,omitempty"`
	Network netip.Prefix `json:"network,omitzero"` // of the clients, a /24 or /64; the zero Prefix when they were several
	Path    string       `json:"path,omitempty"`   // the targets' shape; empty when they were several
}
