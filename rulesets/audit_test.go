package rulesets

import (
	"testing"
	"time"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/exclude"
)

func TestDisagreementSwitchesTheFastPathOff(t *testing.T) {
	heard := make(chan Disagreement, 1)
	j := newJudge(t, Options{FastPath: true, AuditEvery: 1, Disagree: func(d Disagreement) { heard <- d }})
	e, err := j.current.Load().engine(inbound, "generic")
	if err != nil {
		t.Fatal(err)
	}
	harmless := testRequest(t, "GET", "/?s=boots", "")
	attack := testRequest(t, "GET", "/?q=%3Cscript%3Ealert(1)%3C/script%3E&token=secret", "")
	f := testFacts(1, exclude.Mask{})
	if res, ok := e.ask(harmless, f); !ok || !res.Clean {
		t.Fatalf("a harmless request: %+v", res)
	}
	j.offer(e, harmless, f, &Verdict{}, "shop", "generic")
	// An attack that is said to have matched nothing, and something else.
	j.offer(e, attack, f, &Verdict{Matches: []event.Match{{Rule: 77}}}, "shop", "generic")
	select {
	case d := <-heard:
		if d.Site != "shop" || d.Level != 1 || !contains(d.Missed, 941100) || len(d.Extra) != 1 || d.Extra[0] != 77 {
			t.Errorf("%+v", d)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the disagreement was not heard of")
	}
	if _, ok := e.ask(harmless, f); ok {
		t.Error("the fast path still answers")
	}
	if off := j.FastPathOff(); len(off) != 1 || off[0] != "generic" {
		t.Errorf("off for %v", off)
	}
	if s := j.Stats(); s.Audited != 2 || s.Disagreed != 1 {
		t.Errorf("%+v", s)
	}
	j.ResetFastPath()
	if _, ok := e.ask(harmless, f); !ok {
		t.Error("the fast path stays off")
	}
}
