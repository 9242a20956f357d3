package fleet

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/report"
	"github.com/qorgan/qorgan/report/wire"
)

// TestFanOut has one edge report attacks and measures when edges that are
// connected have the refusal: simulated clients of the real protocol, TLS and
// signatures included, in this process. QORGAN_EDGES says how many.
func TestFanOut(t *testing.T) {
	n := 30
	if text := os.Getenv("QORGAN_EDGES"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	d := found(t, nil)
	d.run(t)
	first := d.enroll(t, "FIRST")
	connected, got := make(chan struct{}, n), make(chan time.Time, 2*n)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	defer done.Wait()
	defer cancel()
	places := make(chan struct{}, 64) // handshakes at a time
	for i := range n {
		e := first
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		e.Edge, e.Seed = fmt.Sprintf("edge-%d", i), private.Seed()
		code := []byte(e.Edge)
		if err := d.db.InsertInvitation(t.Context(), store.Whole(), code, "test", time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := d.db.Enroll(t.Context(), code, store.Edge{ID: e.Edge, Name: e.Edge, Key: public, Enrolled: time.Now()}); err != nil {
			t.Fatal(err)
		}
		done.Go(func() { simulate(ctx, t, e, places, connected, got) })
	}
	for range n {
		<-connected
	}
	waitFor(t, func() bool { return len(d.door.Connected()) == n })
	began := time.Now()
	d.door.Notice(first.Edge, []event.Event{attack("203.0.113.7", 942100), attack("203.0.113.7", 932100), attack("203.0.113.7", 930100)})
	took := make([]time.Duration, n)
	for i := range took {
		took[i] = (<-got).Sub(began)
	}
	slices.Sort(took)
	t.Logf("%d edges: p50 %v, p99 %v, last %v", n, took[n/2], took[n*99/100], took[n-1])
}

// simulate is an edge that checks and opens what comes, and notes when.
func simulate(ctx context.Context, t *testing.T, e report.Enrolment, places, connected chan struct{}, got chan<- time.Time) {
	s, err := report.NewSession(e, "1.0")
	if err != nil {
		t.Error(err)
		return
	}
	defer s.Close()
	open, err := wire.NewOpener(e.ConsoleKey)
	if err != nil {
		t.Error(err)
		return
	}
	defer open.Close()
	places <- struct{}{}
	r, err := s.Do(ctx, http.MethodGet, wire.PathDecisions+"?after=0", nil)
	<-places
	if err != nil {
		t.Error(err)
		return
	}
	defer r.Body.Close()
	connected <- struct{}{}
	lines := bufio.NewReaderSize(r.Body, 1<<10)
	for told := false; ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return // the test is over
		}
		sealed, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if !ok || told {
			continue
		}
		b, err := open.Open(sealed)
		if err != nil || len(b.Put) != 1 || b.Put[0].Network.String() != "203.0.113.7/32" {
			t.Errorf("%+v, %v", b, err)
			return
		}
		got <- time.Now()
		told = true
		if b.Put[0].Trial {
			agree(ctx, t, s, b.Put[0].ID)
		}
	}
}

// agree says that nothing is known against a decision under trial.
func agree(ctx context.Context, t *testing.T, s *report.Session, id string) {
	body, err := json.Marshal(wire.Said{Asked: []wire.Answer{{ID: id}}})
	if err != nil {
		t.Error(err)
		return
	}
	r, err := s.Do(ctx, http.MethodPost, wire.PathSaid, body)
	if err != nil {
		t.Error(err)
		return
	}
	r.Body.Close()
}
