package capacity

import (
	"context"
	"os"
	"path/filepath"
	"runtime/metrics"
	"time"
)

// Level says what the process gives up because memory is short, each level
// including those before it.
type Level int32

// The levels, and the share of memory in use from which each holds.
const (
	Easy      Level = iota
	NoIdle          // 85 %: connections are not kept open
	NoBodies        // 92 %: requests with a body are refused
	NoRequest       // 95 %: all are
)

func levelOf(used float64) Level {
	switch {
	case used >= 0.95:
		return NoRequest
	case used >= 0.92:
		return NoBodies
	case used >= 0.85:
		return NoIdle
	}
	return Easy
}

// watchEvery is how often memory is looked at.
const watchEvery = 200 * time.Millisecond

// Watch keeps the level up to date until ctx is done. changed is told when it
// has another value.
func (c *Capacity) Watch(ctx context.Context, changed func(Level, float64)) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		used := c.used()
		if level := levelOf(used); Level(c.level.Swap(int32(level))) != level {
			changed(level, used)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Level returns what is given up at present.
func (c *Capacity) Level() Level { return Level(c.level.Load()) }

// reading is what tells how much memory is in use.
type reading struct {
	samples []metrics.Sample
	group   string // folder of a control group with a limit; empty for none
	groupAt int64  // its limit
}

func newReading() *reading {
	r := &reading{}
	for _, name := range []string{
		"/gc/heap/live:bytes", "/memory/classes/heap/stacks:bytes", "/memory/classes/metadata/mcache/inuse:bytes",
		"/memory/classes/metadata/mspan/inuse:bytes", "/memory/classes/metadata/other:bytes", "/memory/classes/os-stacks:bytes",
		"/memory/classes/other:bytes",
	} {
		r.samples = append(r.samples, metrics.Sample{Name: name})
	}
	for _, dir := range cgroups() {
		if n := readNumber(filepath.Join(dir, "memory.max")); n > 0 && (r.groupAt == 0 || n < r.groupAt) {
			r.group, r.groupAt = dir, n
		}
	}
	return r
}

// share is the part of limit that is in use: what the process cannot give back,
// or what its control group holds beside caches, whichever is nearer to its
// limit. Garbage that the collector has not come to is no use: it comes to it
// before the limit.
func (r *reading) share(limit int64) float64 {
	metrics.Read(r.samples)
	var own uint64
	for _, s := range r.samples {
		if s.Value.Kind() == metrics.KindUint64 {
			own += s.Value.Uint64()
		}
	}
	used := float64(own) / float64(limit)
	if r.group == "" {
		return used
	}
	if n := readNumber(filepath.Join(r.group, "memory.current")); n > 0 {
		if b, err := os.ReadFile(filepath.Join(r.group, "memory.stat")); err == nil {
			n -= field(string(b), "inactive_file ") + field(string(b), "\nactive_file ")
		}
		used = max(used, float64(n)/float64(r.groupAt))
	}
	return used
}
