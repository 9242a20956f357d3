package rulesets_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	crstests "github.com/corazawaf/coraza-coreruleset/v4/tests"
	"github.com/goccy/go-yaml"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets"
	"github.com/qorgan/qorgan/rulesets/explain"
)

// crsProbes are the requests of the rule set's regression tests.
func crsProbes(t *testing.T) map[string]rulesets.Probe {
	t.Helper()
	out := map[string]rulesets.Probe{}
	err := fs.WalkDir(crstests.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(crstests.FS, path)
		if err != nil {
			return err
		}
		var f crsFile
		if err := yaml.Unmarshal(text, &f); err != nil {
			return err
		}
		for _, test := range f.Tests {
			for i, stage := range test.Stages {
				raw, err := stage.Input.raw()
				if err != nil {
					return err
				}
				if p, err := explain.Raw(raw); err == nil {
					out[fmt.Sprintf("%d-%d/%d", f.RuleID, test.ID, i+1)] = p
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// said is a verdict in a form that can be compared: how often each rule matched
// and what that added. Which of several values a chain of rules names first
// differs from run to run.
func said(f rulesets.Finding) string {
	type sum struct{ matches, score int }
	sums := map[int]sum{}
	for _, m := range f.Matches {
		s := sums[m.Rule]
		sums[m.Rule] = sum{s.matches + 1, s.score + m.Score}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "score %d, refused %t", f.Score, f.Refused)
	for _, id := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&b, "\n%d: %d matches, %d", id, sums[id].matches, sums[id].score)
	}
	return b.String()
}

// TestFastPathChangesNoVerdict judges every request of the rule set's
// regression tests with and without the fast path.
func TestFastPathChangesNoVerdict(t *testing.T) {
	if testing.Short() {
		t.Skip("judges some thousand requests twice a level")
	}
	with, err := rulesets.New(rulesets.Options{FastPath: true, AuditEvery: -1, Budget: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	without, err := rulesets.New(rulesets.Options{Budget: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	probes := crsProbes(t)
	names := slices.Sorted(maps.Keys(probes))
	// The higher levels cost more; a share of them is enough for every day.
	share := map[int]int{1: 4, 2: 20, 3: 20, 4: 20}
	if os.Getenv("QORGAN_FULL") != "" {
		share = map[int]int{1: 1, 2: 1, 3: 1, 4: 1}
	}
	for level := 1; level <= 4; level++ {
		site := testSiteAt(level)
		var wg sync.WaitGroup
		var mu sync.Mutex
		differ := 0
		for w := range runtime.GOMAXPROCS(0) {
			wg.Go(func() {
				for i := w; i < len(names); i += runtime.GOMAXPROCS(0) {
					if i/runtime.GOMAXPROCS(0)%share[level] != 0 {
						continue
					}
					p := probes[names[i]]
					p.Fields = append([]event.Field(nil), p.Fields...)
					a, err1 := with.Probe(context.Background(), site, p, false)
					b, err2 := without.Probe(context.Background(), site, p, false)
					if err1 != nil || err2 != nil || said(a) != said(b) {
						mu.Lock()
						if differ++; differ < 6 {
							t.Errorf("level %d, %s: with the fast path (%v)\n%s\nwithout (%v)\n%s", level, names[i], err1, said(a), err2, said(b))
						}
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		t.Logf("level %d: %d requests, %d differ", level, len(names)/share[level], differ)
	}
}
