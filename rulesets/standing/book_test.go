package standing

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets"
	"github.com/qorgan/qorgan/rulesets/mistake"
)

func decision() Exclusion {
	return Exclusion{
		Site: "shop", Incident: "7KQ2-M9XD", By: "admin", Why: "a customer", Profile: "wordpress",
		Rules:   []Rule{{Rules: []int{933150}, Methods: []string{"POST"}, Path: "/contact/", Targets: []string{"ARGS:fld_7"}}},
		Request: RequestOf(rulesets.Probe{Method: "POST", Target: "/contact/", Fields: []event.Field{{Name: "Host", Value: "shop"}}, Body: []byte("fld_7=\x00\xff")}),
	}
}

func TestBook(t *testing.T) {
	b := In(t.TempDir())
	clock := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	b.now = func() time.Time { return clock }
	if list, err := b.List(); err != nil || len(list) != 0 {
		t.Fatalf("an empty folder: %v, %v", list, err)
	}
	x, err := b.Add(decision())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := event.ParseCode(x.ID); !ok || !x.Expires.Equal(clock.Add(Trial)) || !x.Made.Equal(clock) {
		t.Errorf("%+v", x)
	}
	list, err := b.List()
	if err != nil || len(list) != 1 || string(list[0].Probe().Body) != "fld_7=\x00\xff" || list[0].Probe().Profile != "wordpress" {
		t.Fatalf("%+v, %v", list, err)
	}
	inForce, errs := InForce(list, clock)
	if len(errs) != 0 || len(inForce["shop"]) != 1 || inForce["shop"][0].Rules[0].First != 933150 || !strings.Contains(inForce["shop"][0].Reason, "7KQ2-M9XD") {
		t.Errorf("%+v, %v", inForce, errs)
	}
	if left := Beside(list, "shop", x.ID, clock); len(left) != 0 {
		t.Errorf("beside itself: %v", left)
	}

	clock = clock.Add(Trial)
	if inForce, _ := InForce(list, clock); len(inForce) != 0 {
		t.Error("it holds beyond its trial")
	}
	if x, err = b.Confirm(x.ID, "boss"); err != nil || !x.Expires.Equal(clock.Add(Term)) || x.ConfirmedBy != "boss" {
		t.Errorf("%+v, %v", x, err)
	}
	if err := b.Proved(x.ID, func(x *Exclusion) { x.Failed = "does-not-help" }); err != nil {
		t.Error(err)
	}
	if list, _ = b.List(); list[0].Failed != "does-not-help" {
		t.Errorf("%+v", list)
	}
	if got, err := b.Remove(x.ID); err != nil || got.ID != x.ID {
		t.Errorf("%+v, %v", got, err)
	}
	for _, err := range []error{second(b.Remove(x.ID)), second(b.Confirm(x.ID, "boss")), b.Proved(x.ID, func(*Exclusion) {})} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("error %v", err)
		}
	}
}

func second(_ Exclusion, err error) error { return err }

func TestOldOnesGo(t *testing.T) {
	b := In(t.TempDir())
	clock := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	b.now = func() time.Time { return clock }
	if _, err := b.Add(decision()); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(Trial + lapsed - time.Hour)
	if _, err := b.Add(decision()); err != nil {
		t.Fatal(err)
	}
	if list, _ := b.List(); len(list) != 2 {
		t.Errorf("%d are listed a month after one ended", len(list))
	}
	clock = clock.Add(2 * time.Hour)
	if _, err := b.Add(decision()); err != nil {
		t.Fatal(err)
	}
	if list, _ := b.List(); len(list) != 2 {
		t.Errorf("%d are listed when one ended long ago", len(list))
	}
}

// Whoever wrote it, what may not be does not hold.
func TestWhatMayNotBe(t *testing.T) {
	b := In(t.TempDir())
	verdict := decision()
	verdict.Rules[0].Rules = []int{949110}
	if _, err := b.Add(verdict); err == nil {
		t.Error("one that disarms the verdict was written down")
	}
	if err := b.Prepare(); err != nil {
		t.Fatal(err)
	}
	text := `{"version":1,"exclusions":[
	{"id":"a","site":"shop","expires":"2099-01-01T00:00:00Z","exclusions":[{"rules":[949110],"methods":["POST"],"path":"/","targets":["ARGS:x"]}]},
	{"id":"b","site":"shop","expires":"2099-01-01T00:00:00Z","exclusions":[{"rules":[941100],"path":"/**"}]},
	{"id":"c","site":"shop","exclusions":[{"rules":[941100],"methods":["POST"],"path":"/","targets":["ARGS:x"]}]},
	{"id":"d","site":"shop","expires":"2099-01-01T00:00:00Z"},
	{"id":"e","site":"shop","expires":"2099-01-01T00:00:00Z","exclusions":[{"rules":[941100],"methods":["POST"],"path":"/","targets":["ARGS:x"]}]}]}`
	if err := os.WriteFile(b.Path(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := b.List()
	if err != nil {
		t.Fatal(err)
	}
	inForce, errs := InForce(list, time.Now())
	if len(errs) != 4 || len(inForce["shop"]) != 1 {
		t.Errorf("%v in force, %v", inForce, errs)
	}
	for _, broken := range []string{"{", `{"version":2}`, `{"version":1,"exclusions":{}}`} {
		if err := os.WriteFile(b.Path(), []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := b.List(); err == nil {
			t.Errorf("%s was read", broken)
		}
		if _, err := b.Add(decision()); err == nil {
			t.Errorf("%s was overwritten", broken)
		}
	}
}

func TestBookConcurrently(t *testing.T) {
	data := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			b := In(data) // as another process would
			x, err := b.Add(decision())
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := b.Confirm(x.ID, "boss"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := In(data).List()
	if err != nil || len(list) != 8 {
		t.Errorf("%d, %v", len(list), err)
	}
}

func TestFailure(t *testing.T) {
	good := mistake.Proof{Passes: true, Elsewhere: mistake.Tally{Tried: 1, Refused: 1}}
	for want, change := range map[string]func(*mistake.Proof){
		"":                func(*mistake.Proof) {},
		"does-not-help":   func(p *mistake.Proof) { p.Passes = false },
		"lets-attacks-in": func(p *mistake.Proof) { p.Opened = []mistake.Attack{{}} },
		"not-provable":    func(p *mistake.Proof) { p.Elsewhere = mistake.Tally{} },
	} {
		p := good
		change(&p)
		if got := Failure(p); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
