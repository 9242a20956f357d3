package rulesets

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/corazawaf/coraza/v3/debuglog"
)

// ErrBudget is the failure of a request that took longer to judge than
// Options.Budget allows.
var ErrBudget = errors.New("judging exceeded its time budget")

// engineError is a failure inside the engine while it evaluated a rule.
type engineError struct {
	rule  int // 0 when unknown
	cause any // what was recovered
	stack []byte
}

func (e *engineError) Error() string {
	if err, ok := e.cause.(error); ok && errors.Is(err, ErrBudget) {
		return fmt.Sprintf("rule %d: %v", e.rule, ErrBudget)
	}
	return fmt.Sprintf("rule %d panicked: %v", e.rule, e.cause)
}

func (e *engineError) Unwrap() error {
	err, _ := e.cause.(error)
	return err
}

// reason is the failure's stable name in events.
func (e *engineError) reason() string {
	if errors.Is(e, ErrBudget) {
		return "engine-budget"
	}
	return "engine-panic"
}

// A rule that panicked this often within this time is quarantined.
const (
	quarantineAfter  = 5
	quarantineWithin = time.Minute
)

// failures counts panics by rule.
type failures struct {
	mu    sync.Mutex
	times map[int][]time.Time
}

// count notes a panic of a rule and reports whether the rule has now failed
// often enough to be set aside.
func (f *failures) count(rule int, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.times == nil {
		f.times = map[int][]time.Time{}
	}
	recent := f.times[rule][:0]
	for _, t := range f.times[rule] {
		if now.Sub(t) < quarantineWithin {
			recent = append(recent, t)
		}
	}
	f.times[rule] = append(recent, now)
	return len(f.times[rule]) >= quarantineAfter
}

// failed counts a panic and quarantines its rule when it is one too many. It
// reports whether it did. A request that exceeded its budget is not counted: a
// client could otherwise switch a rule off by sending slow requests.
func (e *engine) failed(err *engineError, now time.Time) bool {
	if err.rule == 0 || errors.Is(err, ErrBudget) || !e.failures.count(err.rule, now) {
		return false
	}
	for {
		old := e.quarantine.Load()
		var ids []int
		if old != nil {
			for _, id := range *old {
				if id == err.rule {
					return false
				}
			}
			ids = append(ids, *old...)
		}
		ids = append(ids, err.rule)
		if e.quarantine.CompareAndSwap(old, &ids) {
			return true
		}
	}
}

// quarantined returns the rules that are set aside.
func (e *engine) quarantined() []int {
	if ids := e.quarantine.Load(); ids != nil {
		return *ids
	}
	return nil
}

// watch is the watchdog. Coraza checks no deadline itself, but it asks its
// debug logger for an event before each rule and each value: there the watch
// looks at the clock, and ends a transaction that is over its budget with a
// panic that the judge recovers. It logs nothing.
type watch struct {
	budget   time.Duration
	deadline time.Time // of one transaction; zero for the engine's own logger
	asked    uint
}

// clockEvery is how many times the watch is asked before it reads the clock.
const clockEvery = 64

// With implements debuglog.Logger: Coraza calls it once when a transaction
// begins.
func (w *watch) With(...debuglog.ContextField) debuglog.Logger {
	return &watch{budget: w.budget, deadline: time.Now().Add(w.budget)}
}

// Debug implements debuglog.Logger.
func (w *watch) Debug() debuglog.Event {
	if !w.deadline.IsZero() {
		if w.asked++; w.asked%clockEvery == 0 && time.Now().After(w.deadline) {
			panic(ErrBudget)
		}
	}
	return silent{}
}

// WithOutput implements debuglog.Logger.
func (w *watch) WithOutput(io.Writer) debuglog.Logger { return w }

// WithLevel implements debuglog.Logger.
func (w *watch) WithLevel(debuglog.Level) debuglog.Logger { return w }

// Trace implements debuglog.Logger.
func (w *watch) Trace() debuglog.Event { return silent{} }

// Info implements debuglog.Logger.
func (w *watch) Info() debuglog.Event { return silent{} }

// Warn implements debuglog.Logger.
func (w *watch) Warn() debuglog.Event { return silent{} }

// Error implements debuglog.Logger.
func (w *watch) Error() debuglog.Event { return silent{} }

type silent struct{}

func (silent) Msg(string)                                     {}
func (s silent) Str(string, string) debuglog.Event            { return s }
func (s silent) Err(error) debuglog.Event                     { return s }
func (s silent) Bool(string, bool) debuglog.Event             { return s }
func (s silent) Int(string, int) debuglog.Event               { return s }
func (s silent) Uint(string, uint) debuglog.Event             { return s }
func (s silent) Stringer(string, fmt.Stringer) debuglog.Event { return s }
func (silent) IsEnabled() bool                                { return false }
