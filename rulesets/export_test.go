package rulesets

import "github.com/qorgan/qorgan/event"

// Observe shows f every event before its secrets are masked.
func (j *Judge) Observe(f func(*event.Event)) { j.observe = f }
