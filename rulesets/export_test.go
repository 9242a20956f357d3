package rulesets

import (
	"testing"

	"github.com/qorgan/qorgan/event"
)

// Observe shows f every event before its secrets are masked.
func (j *Judge) Observe(f func(*event.Event)) { j.observe = f }

// JudgeAsWritten has Coraza alone judge from now on, by the rules as they are
// written: without the fast path and without our operators. Whatever is to be
// judged was prepared before.
func (j *Judge) JudgeAsWritten(tb testing.TB) {
	j.engines.Range(func(_, e any) bool {
		e.(*engine).waf = plainEngine(tb, e.(*engine)).waf
		e.(*engine).fast = nil
		return true
	})
}
