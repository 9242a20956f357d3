package certs

import (
	"context"
	"slices"
	"strings"
	"time"
)

// State is what there is to say about a name's certificate first.
type State string

// States of a name.
const (
	Valid   State = "valid"   // nothing to do
	Waiting State = "waiting" // without a certificate, an order is under way or waits for its turn
	Late    State = "late"    // valid, but the last renewal failed, is overdue, or is the owner's to do soon
	Expired State = "expired"
	Failed  State = "failed"  // without a certificate, and the last order failed
	Refused State = "refused" // without a certificate, and none was ordered
)

// Status is what is known about one name.
type Status struct {
	Name      string
	State     State
	NotAfter  time.Time // zero without a certificate
	Authority string    // host of who issued it, or its name
	File      string    // of a certificate of the owner's own, empty for others
	Cause     Cause     // of the last failure, empty without one
	Error     string    // its text
	Next      time.Time // next attempt or renewal; zero: with the next visitor
}

// Status returns what is known about every name with a certificate, an order
// or a failure, by name. Names that are not served here any more, or by another
// edge of the same storage, are nobody's concern.
func (a *ACME) Status() []Status {
	now := a.now()
	byName := map[string]Status{}
	a.mu.Lock()
	for name, h := range a.held {
		if !a.o.Serves(strings.Replace(name, "*.", "any.", 1)) {
			continue
		}
		s := Status{Name: name, State: Valid, NotAfter: h.notAfter, Next: h.renewAt, Authority: a.hostOf(h.authority)}
		switch {
		case !now.Before(h.notAfter):
			s.State = Expired
		case h.unsaved != nil:
			s.State, s.Cause, s.Error = Late, CauseStorage, oneLine(h.unsaved)
		case h.overdue(now):
			s.State, s.Cause, s.Error = Late, CauseOverdue, "its renewal is not over yet"
		}
		byName[name] = s
	}
	for name := range a.jobs {
		if _, ok := byName[name]; !ok {
			byName[name] = Status{Name: name, State: Waiting}
		}
	}
	a.mu.Unlock()
	a.door.failures.each(func(name string, f failure) bool {
		addFailure(byName, name, f)
		return true
	})
	a.door.refused.each(func(name string, f failure) bool {
		if _, ok := byName[name]; !ok {
			byName[name] = Status{Name: name, State: Refused, Cause: f.Cause, Error: f.Error}
		}
		return true
	})
	return sorted(byName)
}

// addFailure adds what is known of a name's last failure.
func addFailure(byName map[string]Status, name string, f failure) {
	s, ok := byName[name]
	switch {
	case !ok:
		s = Status{Name: name, State: Failed}
	case s.State == Valid:
		s.State = Late
	}
	s.Cause, s.Error, s.Next = f.Cause, f.Error, f.Next
	byName[name] = s
}

func sorted(byName map[string]Status) []Status {
	list := make([]Status, 0, len(byName))
	for _, s := range byName {
		list = append(list, s)
	}
	slices.SortFunc(list, func(x, y Status) int { return strings.Compare(x.Name, y.Name) })
	return list
}

func (a *ACME) hostOf(key string) string {
	for _, ca := range a.authorities {
		if ca.key == key {
			return ca.host()
		}
	}
	return key
}

// Queue is how many names wait for a first certificate, and when the last of
// them will be ordered for; zero when nobody waits. The first authority's
// limits decide.
type Queue struct {
	Length int
	Last   time.Time
}

// Queue returns the state of the queue.
func (a *ACME) Queue(ctx context.Context) Queue {
	n := a.fresh.length()
	if n == 0 {
		return Queue{}
	}
	_, at := a.authorities[0].soonest(ctx, n)
	return Queue{Length: n, Last: at}
}
