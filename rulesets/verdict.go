package rulesets

import (
	"context"
	"errors"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// Verdict is what the rules say about a request.
type Verdict struct {
	Refused bool
	Status  int           // the answer when refused
	Score   int           // anomaly score: the rule set's own sum
	Matches []event.Match // what matched, book-keeping rules left out
}

// Default thresholds, those of the Core Rule Set.
const (
	defaultInbound  = 5
	defaultOutbound = 4
)

// strictInbound is the threshold for who is judged strictly: one match of the
// severity "warning". What matches nothing is not refused either.
const strictInbound = 3

// facts gathers what the rules may ask about a request beside its bytes.
func (b *Build) facts(x *exchange.Exchange, r *reader.Request, host string) Facts {
	f := Facts{
		Client: x.Client, Peer: x.Peer, Local: x.Local, Host: host,
		Level: x.Site.Level, Inbound: x.Site.Threshold.Inbound, Outbound: x.Site.Threshold.Outbound,
	}
	f.Level = min(max(f.Level, 1), 4)
	if f.Inbound <= 0 {
		f.Inbound = defaultInbound
	}
	if f.Outbound <= 0 {
		f.Outbound = defaultOutbound
	}
	if x.Strict {
		f.Inbound = min(f.Inbound, strictInbound)
	}
	f.Mask = b.mask(x, r, time.Now())
	return f
}

// profileOf is the profile in force for an exchange.
func profileOf(x *exchange.Exchange) string {
	if x.Profile != "" {
		return x.Profile
	}
	return x.Site.Profile
}

// judge runs the request phases. With headOnly only the first, in which the
// body is not known yet.
func (e *engine) judge(ctx context.Context, id string, r *reader.Request, f *Facts, headOnly bool) (Verdict, error) {
	t, err := e.begin(ctx, id, f, r)
	if err != nil {
		return Verdict{}, err
	}
	defer t.close()
	if err := t.headers(); err != nil {
		return Verdict{}, err
	}
	if !headOnly {
		if err := t.request(r); err != nil {
			return Verdict{}, err
		}
	}
	if err := t.report(); err != nil {
		return Verdict{}, err
	}
	return t.verdict(f.Inbound), nil
}

// verdict reads the outcome of the request phases.
func (t *transaction) verdict(threshold int) Verdict {
	matches, denied := t.matches()
	v := Verdict{Score: t.inboundScore(), Matches: matches, Status: 403}
	v.Refused = v.Score >= threshold
	if denied != nil {
		v.Refused = true
		v.Status = denied.deny
	}
	return v
}

// newEvent starts the event of an exchange.
func newEvent(x *exchange.Exchange, r *reader.Request, host string) *event.Event {
	id, code := event.NewID()
	ev := &event.Event{
		ID: id, Code: code, Time: x.Start.UTC(), Site: x.Site.Name, Kind: event.KindRule,
		Action: event.Detected, Mode: string(x.Site.Mode),
		Client: event.Client{Addr: x.Client, Peer: x.Peer.Addr()},
		Level:  min(max(x.Site.Level, 1), 4), Profile: profileOf(x), Author: x.Rank.String(),
		Threshold: x.Site.Threshold.Inbound, Score: x.Score, Judge: x.Judge,
		Request: event.Request{
			Method: r.Method, Host: host, Target: r.Target, Proto: r.Proto, Bytes: x.Bytes,
			Headers: append([]event.Field(nil), r.Fields...),
		},
	}
	if ev.Threshold <= 0 {
		ev.Threshold = defaultInbound
	}
	if x.Strict {
		ev.Threshold = min(ev.Threshold, strictInbound)
	}
	if ev.Mode == "" {
		ev.Mode = string(config.Block)
	}
	return ev
}

// withMatches puts matches into an event.
func withMatches(ev *event.Event, matches []event.Match) {
	ev.Matches = matches
	seen := make(map[int]bool, len(matches))
	for _, m := range matches {
		if !seen[m.Rule] {
			seen[m.Rule] = true
			ev.Rules = append(ev.Rules, m.Rule)
		}
	}
}

// asEngineError returns err as a failure inside the engine; any other error
// becomes one of no known rule.
func asEngineError(err error) *engineError {
	var ee *engineError
	if errors.As(err, &ee) {
		return ee
	}
	return &engineError{cause: err}
}
