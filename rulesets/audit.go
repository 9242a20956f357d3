package rulesets

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// Disagreement is a request that the fast path and Coraza judged differently:
// a defect of the first rank.
type Disagreement struct {
	Site    string
	Profile string
	Level   int
	Method  string
	Target  string // masked
	Missed  []int  // rules that only Coraza saw
	Extra   []int  // rules that only the fast path's run saw
}

// Stats counts judgements since the start.
type Stats struct {
	Fast      uint64 // proved innocent by the fast path
	Judged    uint64 // judged by Coraza
	Audited   uint64 // fast judgements that Coraza repeated
	Unaudited uint64 // samples dropped because the audit was busy
	Disagreed uint64
}

type counters struct{ fast, judged, audited, unaudited, disagreed atomic.Uint64 }

// Stats returns what was counted so far.
func (j *Judge) Stats() Stats {
	c := &j.count
	return Stats{c.fast.Load(), c.judged.Load(), c.audited.Load(), c.unaudited.Load(), c.disagreed.Load()}
}

// sample is a judged request put aside for the audit.
type sample struct {
	e     *engine
	r     reader.Request
	f     Facts
	got   []event.Match
	score int
	site  string
	prof  string
}

// auditBacklog is how many samples wait. A busy audit drops samples, never
// requests.
const auditBacklog = 32

// auditor repeats a share of the fast path's judgements with Coraza, off the
// hot path, in one goroutine.
type auditor struct {
	every uint64
	seen  atomic.Uint64
	queue chan sample
	stop  chan struct{}
	wg    sync.WaitGroup
}

func (j *Judge) startAudit(every int) {
	j.audit = &auditor{every: uint64(every), queue: make(chan sample, auditBacklog), stop: make(chan struct{})}
	j.audit.wg.Go(func() {
		for {
			select {
			case s := <-j.audit.queue:
				j.repeat(s)
			case <-j.audit.stop:
				return
			}
		}
	})
}

// offer puts every so-many-th fast judgement aside.
func (j *Judge) offer(e *engine, r *reader.Request, f *Facts, v *Verdict, site, profile string) {
	a := j.audit
	if a == nil || a.seen.Add(1)%a.every != 0 {
		return
	}
	s := sample{e: e, r: *r, f: *f, got: v.Matches, score: v.Score, site: site, prof: profile}
	s.r.Body = slices.Clone(r.Body) // its buffer goes back to the pool
	s.f.candidates = nil
	select {
	case a.queue <- s:
	default:
		j.count.unaudited.Add(1)
	}
}

// repeat judges a sample with all rules and compares.
func (j *Judge) repeat(s sample) {
	v, err := s.e.judge(context.Background(), "", &s.r, &s.f, false)
	if err != nil {
		return // the failure is the engine's own, and counted where it matters
	}
	j.count.audited.Add(1)
	missed, extra := difference(v.Matches, s.got), difference(s.got, v.Matches)
	if len(missed) == 0 && len(extra) == 0 && v.Score == s.score {
		return
	}
	j.count.disagreed.Add(1)
	s.e.fast.off.Store(true)
	d := Disagreement{
		Site: s.site, Profile: s.prof, Level: s.f.Level, Method: s.r.Method,
		Target: j.opts.Redact.Target(s.r.Target), Missed: missed, Extra: extra,
	}
	j.opts.Log.Error().Str("site", d.Site).Str("profile", d.Profile).Int("level", d.Level).Str("method", d.Method).Str("target", d.Target).
		Ints("missed", d.Missed).Ints("extra", d.Extra).
		Str("hint", "a defect: the fast path is off for this profile until the next restart; please report this line").
		Msg("fast path disagrees with the rules")
	if j.opts.Disagree != nil {
		j.opts.Disagree(d)
	}
}

// difference returns the rules in a that are not in b.
func difference(a, b []event.Match) []int {
	var out []int
	for _, m := range a {
		same := func(n event.Match) bool { return n.Rule == m.Rule }
		if !slices.ContainsFunc(b, same) && !slices.Contains(out, m.Rule) {
			out = append(out, m.Rule)
		}
	}
	return out
}

// FastPathOff lists the profiles whose fast path was switched off by a
// disagreement, among those in use.
func (j *Judge) FastPathOff() []string {
	var out []string
	j.current.Load().engines.Range(func(key, e any) bool {
		if f := e.(*engine).fast; f != nil && f.off.Load() {
			out = append(out, key.(engineOf).profile)
		}
		return true
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// ResetFastPath switches the fast path on again where a disagreement had
// switched it off.
func (j *Judge) ResetFastPath() {
	j.engines.Range(func(_, e any) bool {
		if f := e.(*engine).fast; f != nil {
			f.off.Store(false)
		}
		return true
	})
}
