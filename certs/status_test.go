package certs

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// TestFilesEndSoon: a certificate of the owner's own that nobody replaces is
// told of while there is time, once a day, and no more when it is replaced.
func TestFilesEndSoon(t *testing.T) {
	dir := t.TempDir()
	p := Pair{filepath.Join(dir, "a.pem"), filepath.Join(dir, "a.key"), []string{"shop.example"}}
	chain, key := pairOf(t, "shop.example") // of thirty days
	writePair(t, p, chain, key)
	var said bytes.Buffer
	c := &clock{t: time.Now()}
	f := newFiles(zerolog.New(&said), time.Hour, c.now)
	defer f.Close()
	s, err := f.Prepare([]Pair{p})
	if err != nil {
		t.Fatal(err)
	}
	f.Use(s)
	state := func() (State, Cause) {
		f.look()
		got := f.Status()[0]
		return got.State, got.Cause
	}
	if s, _ := state(); s != Valid || said.Len() > 0 {
		t.Errorf("with thirty days left: %s, %s", s, &said)
	}
	c.forward(24 * 24 * time.Hour)
	if s, cause := state(); s != Late || cause != CauseEnds || strings.Count(said.String(), "ends soon") != 1 {
		t.Errorf("with six days left: %s %s, %s", s, cause, &said)
	}
	c.forward(23 * time.Hour)
	if state(); strings.Count(said.String(), "ends soon") != 1 {
		t.Errorf("told again within a day: %s", &said)
	}
	c.forward(2 * time.Hour)
	if state(); strings.Count(said.String(), "ends soon") != 2 {
		t.Errorf("not told again after a day: %s", &said)
	}
	c.forward(6 * 24 * time.Hour)
	if s, cause := state(); s != Expired || cause != "" || !strings.Contains(said.String(), "has expired") {
		t.Errorf("after its end: %s %s, %s", s, cause, &said)
	}
	c.forward(-30 * 24 * time.Hour)
	if s, cause := state(); s != Valid || cause != "" {
		t.Errorf("with a new one: %s %s", s, cause)
	}
}

// TestStatusOfStored: a name whose renewal is overdue is told of before its end,
// without any failure; a name that is not served any more is nobody's concern.
func TestStatusOfStored(t *testing.T) {
	o := stocked(t, 2)
	var said lockedLog
	o.Logger = zerolog.New(&said)
	c := &clock{t: time.Now()}
	o.Now = c.now
	o.Serves = func(name string) bool { return name == "n0.example" }
	a, err := NewACME(o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	waitFor(t, "the stored names are known", func() bool { return a.knows() == 2 })
	if got := a.Status(); len(got) != 1 || got[0].Name != "n0.example" || got[0].State != Valid || got[0].Next.IsZero() {
		t.Errorf("in the beginning: %+v", got)
	}
	// As while the authority has us wait without a word.
	a.mu.Lock()
	a.jobs["n0.example"] = &job{name: "n0.example", done: make(chan struct{})}
	a.mu.Unlock()
	c.forward(leafLife - 2*24*time.Hour)
	a.poke()
	if got := a.Status(); len(got) != 1 || got[0].State != Late || got[0].Cause != CauseOverdue {
		t.Errorf("two days before its end: %+v", got)
	}
	waitFor(t, "the log tells of it", func() bool { return strings.Contains(said.String(), "is not renewed yet") })
	c.forward(3 * 24 * time.Hour)
	if got := a.Status(); len(got) != 1 || got[0].State != Expired {
		t.Errorf("after its end: %+v", got)
	}
}

func (a *ACME) knows() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.held)
}
