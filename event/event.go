package event

import (
	"net/netip"
	"time"
)

// Action is what the edge did with a request.
type Action string

// The actions an edge takes.
const (
	Blocked  Action = "blocked"  // answered by the edge, never seen by the upstream
	Detected Action = "detected" // forwarded because the site only detects
)

// Kind is the room that spoke.
type Kind string

// The kinds of event.
const (
	KindRule      Kind = "rule"      // the rule set: a Core Rule Set rule, a profile's rule or a virtual patch
	KindProtocol  Kind = "protocol"  // a request that two readers would read differently, or that no reader can read
	KindGuard     Kind = "guard"     // bans, rates, login throttling
	KindSurface   Kind = "surface"   // a path the CMS does not answer on
	KindIntegrity Kind = "integrity" // what the upstream sent back
	KindEngine    Kind = "engine"    // the engine failed or exceeded its budget
)

// Event is one refusal, or one detection in detect mode.
type Event struct {
	ID        string        `json:"id"`             // UUIDv7 (RFC 9562), made at the edge
	Code      string        `json:"code"`           // the short incident code a visitor sees
	Time      time.Time     `json:"time"`           // UTC, when the request's head was read
	Site      string        `json:"site"`           // the site's name in the configuration
	Edge      string        `json:"edge,omitempty"` // the edge that reported it, set by the console; empty for its own process
	Kind      Kind          `json:"kind"`
	Action    Action        `json:"action"`
	Mode      string        `json:"mode"`             // the site's mode: block or detect
	Status    int           `json:"status"`           // what the visitor was answered; 0 when forwarded
	Reason    string        `json:"reason,omitempty"` // the ambiguity, limit or failure by its stable name; empty for rules
	Client    Client        `json:"client"`
	Request   Request       `json:"request"`
	Rules     []int         `json:"rules,omitempty"` // ids of Matches, in order, each once
	Matches   []Match       `json:"matches,omitempty"`
	Score     int           `json:"score"`     // inbound (or outbound, phase 3 and 4) anomaly score
	Threshold int           `json:"threshold"` // the score that refuses
	Level     int           `json:"level"`     // paranoia level
	Profile   string        `json:"profile"`   // the CMS profile in force
	Author    string        `json:"author,omitempty"`
	Judge     time.Duration `json:"judge_ns"` // CPU-bound time spent judging
}

// Client is who asked.
type Client struct {
	Addr netip.Addr `json:"addr"` // the zero Addr when it could not be known
	Peer netip.Addr `json:"peer"` // the socket's other end
}

// Request is the request as far as it may leave the edge: no secret values.
type Request struct {
	Method  string  `json:"method"`
	Host    string  `json:"host"`
	Target  string  `json:"target"` // raw request target, secrets masked
	Proto   string  `json:"proto"`  // HTTP/1.1, HTTP/2.0
	Headers []Field `json:"headers,omitempty"`
	Bytes   int64   `json:"bytes"` // body bytes read by the edge
}

// Field is one header line in the order and spelling in which it came.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Match is one rule that matched, on one variable.
type Match struct {
	Rule     int      `json:"rule"`
	Message  string   `json:"message"`
	Variable string   `json:"variable"`       // ARGS, REQUEST_HEADERS, …
	Key      string   `json:"key,omitempty"`  // the parameter's or header's name
	Value    string   `json:"value"`          // clipped around the match, secrets masked
	Data     string   `json:"data,omitempty"` // the rule's own logdata, clipped and masked
	Severity string   `json:"severity,omitempty"`
	Score    int      `json:"score"` // what this match added to the anomaly score
	Phase    int      `json:"phase"`
	Tags     []string `json:"tags,omitempty"`
	Hole     *Hole    `json:"hole,omitempty"` // what a virtual patch closes; not to be changed
}

// Hole is a known hole that a request was after.
type Hole struct {
	CVE      string `json:"cve"`            // CVE-2020-25213
	Product  string `json:"product"`        // core/NAME, plugin/NAME or theme/NAME, by its folder
	Affected string `json:"affected"`       // the versions that have it, in words
	Seen     string `json:"seen,omitempty"` // the version the site was last seen to run; empty when unknown
}
