package rulesets

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/fastpath"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// Disagreement is a request or a response that the fast path and Coraza judged
// differently: a defect of the first rank.
type Disagreement struct {
	Site     string
	Profile  string
	Level    int
	Response bool // the response was judged differently, not the request
	Method   string
	Target   string // masked
	Missed   []int  // rules that only Coraza saw
	Extra    []int  // rules that only the fast path's run saw
}

// Counts are numbers of judgements since the start.
type Counts struct {
	Fast      uint64 // proved innocent by the fast path
	Judged    uint64 // judged by Coraza
	Audited   uint64 // fast judgements that Coraza repeated
	Unaudited uint64 // samples dropped because the audit was busy
	Disagreed uint64
}

// Stats counts judgements: of requests, and apart from them of responses.
type Stats struct {
	Counts
	Responses Counts
}

type counters struct{ fast, judged, audited, unaudited, disagreed atomic.Uint64 }

func (c *counters) counts() Counts {
	return Counts{c.fast.Load(), c.judged.Load(), c.audited.Load(), c.unaudited.Load(), c.disagreed.Load()}
}

// Stats returns what was counted so far.
func (j *Judge) Stats() Stats { return Stats{j.count.counts(), j.countResponses.counts()} }

// sample is a judgement put aside for the audit.
type sample struct {
	e     *engine
	r     reader.Request
	f     Facts
	res   *fastpath.Response // nil when the request was judged
	page  bool               // the rules see the response's body
	got   []event.Match
	score int
	site  string
	prof  string
	size  int64
}

const (
	auditBacklog = 32       // samples that wait; a busy audit drops samples, never requests
	auditBytes   = 16 << 20 // bytes of requests and responses that wait
	auditShare   = 10       // the audit takes at most one part in so many of a core
)

// auditor repeats a share of the fast path's judgements with Coraza, off the
// hot path, in one goroutine.
type auditor struct {
	every     uint64
	requests  atomic.Uint64
	responses atomic.Uint64
	waiting   atomic.Int64 // bytes
	queue     chan sample
	stop      chan struct{}
	wg        sync.WaitGroup
}

func (j *Judge) startAudit(every int) {
	j.audit = &auditor{every: uint64(every), queue: make(chan sample, auditBacklog), stop: make(chan struct{})}
	j.audit.wg.Go(func() {
		for {
			select {
			case s := <-j.audit.queue:
				start := time.Now()
				j.repeat(s)
				j.audit.waiting.Add(-s.size)
				if !j.audit.rest((auditShare - 1) * time.Since(start)) {
					return
				}
			case <-j.audit.stop:
				return
			}
		}
	})
}

// rest waits, so that whoever sends what is slow to judge does not get the
// audit to take the machine. It returns false when the audit is to stop.
func (a *auditor) rest(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-a.stop:
		return false
	}
}

// put queues a sample that refers to nothing but itself.
func (a *auditor) put(s sample, c *counters) {
	if a.waiting.Add(s.size) <= auditBytes {
		select {
		case a.queue <- s:
			return
		default:
		}
	}
	a.waiting.Add(-s.size)
	c.unaudited.Add(1)
}

// offer puts every so-many-th fast judgement aside.
func (j *Judge) offer(e *engine, r *reader.Request, f *Facts, v *Verdict, site, profile string) {
	a := j.audit
	if a == nil || a.requests.Add(1)%a.every != 0 {
		return
	}
	s := sample{e: e, r: *r, f: *f, got: v.Matches, score: v.Score, site: site, prof: profile, size: requestSize(r)}
	s.r.Body = slices.Clone(r.Body) // its buffer goes back to the pool
	s.f.candidates = nil
	a.put(s, &j.count)
}

// offerResponse puts every so-many-th response aside that the fast path let go;
// page tells whether its body was to be looked at.
func (j *Judge) offerResponse(e *engine, res *fastpath.Response, f *Facts, page bool, site, profile string) {
	a := j.audit
	if a == nil || a.responses.Add(1)%a.every != 0 {
		return
	}
	copied := *res
	copied.Body = slices.Clone(res.Body)
	s := sample{e: e, r: *res.Request, f: *f, res: &copied, page: page, site: site, prof: profile, size: requestSize(res.Request) + int64(len(res.Body))}
	s.r.Body = slices.Clone(s.r.Body)
	copied.Request = nil
	a.put(s, &j.countResponses)
}

// requestSize is about how many bytes a request holds.
func requestSize(r *reader.Request) int64 {
	n := len(r.Body)
	for _, args := range [...][]reader.Arg{r.Get, r.Post, r.Cookies} {
		for _, a := range args {
			n += len(a.Name) + len(a.Value)
		}
	}
	for _, f := range r.Fields {
		n += len(f.Name) + len(f.Value)
	}
	for _, texts := range [...][]string{r.Text, r.Attrs} {
		for _, s := range texts {
			n += len(s)
		}
	}
	return int64(n)
}

// repeat judges a sample with all rules and compares.
func (j *Judge) repeat(s sample) {
	var v Verdict
	var err error
	c := &j.count
	if s.res == nil {
		v, err = s.e.judge(context.Background(), "", &s.r, &s.f, false)
	} else {
		c = &j.countResponses
		v, err = s.e.judgeResponse(context.Background(), &s.r, &s.f, s.res, s.page)
	}
	if err != nil {
		return // the failure is the engine's own, and counted where it matters
	}
	c.audited.Add(1)
	missed, extra := difference(v.Matches, s.got), difference(s.got, v.Matches)
	if len(missed) == 0 && len(extra) == 0 && v.Score == s.score {
		return
	}
	c.disagreed.Add(1)
	s.e.fast.off.Store(true)
	d := Disagreement{
		Site: s.site, Profile: s.prof, Level: s.f.Level, Response: s.res != nil, Method: s.r.Method,
		Target: j.opts.Redact.Target(s.r.Target), Missed: missed, Extra: extra,
	}
	j.disputes.note(d)
	j.opts.Log.Error().Str("site", d.Site).Str("profile", d.Profile).Int("level", d.Level).Bool("response", d.Response).
		Str("method", d.Method).Str("target", d.Target).Ints("missed", d.Missed).Ints("extra", d.Extra).
		Str("hint", "a defect: the fast path is off for this profile until it is switched on again or the process restarts; please report this line").
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

// FastPathOff lists the profiles whose fast path, for requests or for responses,
// was switched off by a disagreement, among those in use. Rules that change
// leave it off.
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
	j.disputes.mu.Lock()
	clear(j.disputes.off)
	j.disputes.mu.Unlock()
	j.engines.Range(func(_, e any) bool {
		if f := e.(*engine).fast; f != nil {
			f.off.Store(false)
		}
		return true
	})
}
