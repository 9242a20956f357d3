package replay

import (
	"context"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets"
)

// Options say how requests are tried.
type Options struct {
	Site *config.Site
	// Rank is what is taken as witnessed about every request's session.
	Rank exchange.Rank
	// Each, when not nil, is given every request with its finding, one call at
	// a time, in no order.
	Each func(Entry, rulesets.Finding)
}

// Report is what became of the requests of a file.
type Report struct {
	Level     int // the paranoia level, profile and rank they were judged with
	Profile   string
	Rank      exchange.Rank
	Requests  int
	Passed    int
	Refused   int
	Unread    int      // entries that could not be read
	Problems  []string // the first few of them
	Bodiless  int      // of the requests, those whose body the file does not hold
	Strangers int      // entries to other hosts, which were not judged
	Surprises int      // requests whose file expected the other outcome
	Classes   map[string]Tally
	Causes    []Cause // of refusals, most frequent first
}

// Tally counts outcomes.
type Tally struct{ Passed, Refused int }

// Cause is a rule on one parameter of one path, or an ambiguity.
type Cause struct {
	Rule     int    // 0 for an ambiguity
	Reason   string // the ambiguity's name
	Message  string
	Method   string
	Path     string // numbers in it stand as {n}
	Variable string
	Key      string
	Requests int
	Example  string // id or line of the first

	line int
}

type causeKey struct {
	rule                                int
	reason, method, path, variable, key string
}

// maxProblems is how many unreadable entries are told one by one.
const maxProblems = 10

// collector gathers findings.
type collector struct {
	mu     sync.Mutex
	report Report
	causes map[causeKey]*Cause
	each   func(Entry, rulesets.Finding)
}

// Run judges the entries by the rules of a site. It ends early when ctx does.
func Run(ctx context.Context, j *rulesets.Judge, entries iter.Seq2[Entry, error], o Options) (Report, error) {
	c := &collector{report: Report{Level: o.Site.Level, Profile: o.Site.Profile, Rank: o.Rank, Classes: map[string]Tally{}}, causes: map[causeKey]*Cause{}, each: o.Each}
	work := make(chan Entry)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for e := range work {
				e.Probe.Rank = o.Rank
				f, err := j.Probe(ctx, o.Site, e.Probe, false)
				if err != nil {
					cancel(err)
					continue
				}
				c.add(e, f)
			}
		})
	}
feed:
	for e, err := range entries {
		if err != nil {
			c.unread(err)
			continue
		}
		if e.Stranger {
			c.stranger()
			continue
		}
		select {
		case work <- e:
		case <-ctx.Done():
			break feed
		}
	}
	close(work)
	wg.Wait()
	for _, cause := range c.causes {
		c.report.Causes = append(c.report.Causes, *cause)
	}
	slices.SortFunc(c.report.Causes, byCount)
	return c.report, context.Cause(ctx)
}

func byCount(a, b Cause) int {
	if a.Requests != b.Requests {
		return b.Requests - a.Requests
	}
	if a.Rule != b.Rule {
		return a.Rule - b.Rule
	}
	return strings.Compare(a.Path+a.Key+a.Reason, b.Path+b.Key+b.Reason)
}

func (c *collector) unread(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Unread++
	if len(c.report.Problems) < maxProblems {
		c.report.Problems = append(c.report.Problems, err.Error())
	}
}

func (c *collector) stranger() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Strangers++
}

func (c *collector) add(e Entry, f rulesets.Finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Requests++
	if e.Bodiless {
		c.report.Bodiless++
	}
	tally := c.report.Classes[e.Class]
	if f.Refused {
		c.report.Refused++
		tally.Refused++
		c.explain(e, f)
	} else {
		c.report.Passed++
		tally.Passed++
	}
	c.report.Classes[e.Class] = tally
	if f.Refused && e.Expected == "pass" || !f.Refused && e.Expected == "block" {
		c.report.Surprises++
	}
	if c.each != nil {
		c.each(e, f)
	}
}

// explain counts what a request was refused for, each cause once.
func (c *collector) explain(e Entry, f rulesets.Finding) {
	path, _, _ := strings.Cut(e.Probe.Target, "?")
	at := causeKey{method: e.Probe.Method, path: general(path)}
	seen := map[causeKey]bool{}
	count := func(k causeKey, message string) {
		if seen[k] {
			return
		}
		seen[k] = true
		cause := c.causes[k]
		if cause == nil {
			cause = &Cause{Rule: k.rule, Reason: k.reason, Message: message, Method: k.method, Path: k.path, Variable: k.variable, Key: k.key, line: e.Line, Example: name(e)}
			c.causes[k] = cause
		}
		if e.Line < cause.line {
			cause.line, cause.Example = e.Line, name(e)
		}
		cause.Requests++
	}
	if f.Reason != "" {
		k := at
		k.reason = f.Reason
		count(k, f.Detail)
		return
	}
	for _, m := range f.Matches {
		if r := m.Rule / 1000; r == 949 || r == 959 || r == 980 {
			continue
		}
		k := at
		k.rule, k.variable, k.key = m.Rule, m.Variable, general(m.Key)
		count(k, m.Message)
	}
}
