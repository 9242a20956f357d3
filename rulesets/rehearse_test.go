package rulesets

import (
	"context"
	"testing"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
)

// rehearsed is a judge of one site at level 2 that has rehearsed when ready.
func rehearsing(tb testing.TB, ready bool, record func(event.Event)) (*Judge, *Build) {
	tb.Helper()
	j, err := New(Options{FastPath: true, AuditEvery: -1, Rehearse: true, Record: record})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { j.Close() })
	site := testSite()
	site.Level = 2
	b, err := j.Prepare(context.Background(), []*config.Site{site})
	if err != nil {
		tb.Fatal(err)
	}
	if ready {
		b.rehearse(context.Background())
	}
	return j, b
}

// TestRehearsalLeavesNoTrace: nothing that is judged beforehand is counted or
// recorded, and only the levels in use are tried.
func TestRehearsalLeavesNoTrace(t *testing.T) {
	j, b := rehearsing(t, true, func(e event.Event) { t.Errorf("recorded: %v", e) })
	if s := j.Stats(); s != (Stats{}) {
		t.Errorf("counted: %+v", s)
	}
	e, err := b.engine(inbound, "")
	if err != nil {
		t.Fatal(err)
	}
	for level := 1; level <= levels; level++ {
		if got := e.fast.programs[level-1].rehearsed.Load(); got != (level == 2) {
			t.Errorf("level %d: rehearsed is %v", level, got)
		}
	}
}

// TestLongAttackIsOne: what is rehearsed as a long post is one, and is refused.
func TestLongAttackIsOne(t *testing.T) {
	_, b := rehearsing(t, false, nil)
	e, err := b.engine(inbound, "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := longAttack().request()
	if err != nil {
		t.Fatal(err)
	}
	f := selfTestFacts(2)
	v, fast, err := e.decide(context.Background(), "", r, &f, false)
	if err != nil || !fast || !v.Refused || len(r.Post) != 1 || len(r.Post[0].Value) < 16<<10 {
		t.Errorf("refused is %v, by the fast path %v, %d parameters, %v", v.Refused, fast, len(r.Post), err)
	}
}

// TestRehearsalStopsWithItsJudge: a judge that is closed while it rehearses does
// not wait for the end.
func TestRehearsalStopsWithItsJudge(t *testing.T) {
	j, b := rehearsing(t, false, nil)
	j.Use(b)
	j.Use(b)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkFirstAttack is what the first hostile texts cost a process, short and
// long, in CPU time.
func BenchmarkFirstAttack(b *testing.B) {
	for _, ready := range []bool{false, true} {
		name := map[bool]string{false: "at once", true: "rehearsed"}[ready]
		b.Run(name, func(b *testing.B) {
			var short, long time.Duration
			for range b.N {
				_, build := rehearsing(b, ready, nil)
				e, err := build.engine(inbound, "")
				if err != nil {
					b.Fatal(err)
				}
				post := savedPost(b, 290<<10, cyrillic)
				for _, s := range []struct {
					test selfTest
					sum  *time.Duration
				}{
					{selfTest{method: "GET", target: "/catalog/?id=1'+UNION+SELECT+user_login,user_pass+FROM+wp_users--+-"}, &short},
					{selfTest{method: "POST", target: "/wp-json/wp/v2/posts/12", typ: jsonType, body: post}, &long},
				} {
					r, err := s.test.request()
					if err != nil {
						b.Fatal(err)
					}
					f := selfTestFacts(2)
					from := cpu()
					if v, _, err := e.decide(context.Background(), "", r, &f, false); err != nil || !v.Refused {
						b.Fatalf("refused is %v, %v", v.Refused, err)
					}
					*s.sum += cpu() - from
				}
			}
			b.ReportMetric(float64(short.Microseconds())/float64(b.N), "short-cpu-µs")
			b.ReportMetric(float64(long.Microseconds())/float64(b.N), "long-cpu-µs")
		})
	}
}
