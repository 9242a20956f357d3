//go:build differential

package differential

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qorgan/qorgan/differential/seen"
	"github.com/qorgan/qorgan/rulesets/reader"
)

var (
	count   = flag.Int("n", 2000, "requests to generate")
	seed    = flag.Uint64("seed", 0, "seed; 0 takes the clock")
	only    = flag.Int("only", -1, "send this request of the run alone")
	verbose = flag.Bool("unanswered", false, "print the requests that the server refuses itself")
	through = flag.Bool("edge", false, "send the requests through Qorgan itself")
	record  = flag.String("record", "", "write PHP's answers to the recorded cases into this file")
)

// TestNoSecondReading compares every accepted request with PHP's reading.
func TestNoSecondReading(t *testing.T) {
	script, err := filepath.Abs("echo.php")
	if err != nil {
		t.Fatal(err)
	}
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", *seed)
	servers := []*php{fpm(t, script), builtin(t, script)}
	if *through {
		servers[0] = edge(t, servers[0], outOfReach)
	}
	began := time.Now()
	var tally tally
	var next, failures atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			clients := []*client{{php: servers[0]}, {php: servers[1]}}
			for failures.Load() < 20 {
				i := int(next.Add(1)) - 1
				if i >= *count {
					return
				}
				if *only >= 0 && i != *only {
					continue
				}
				g := newGenerator(*seed, i)
				c := clients[0]
				if g.Float64() < 0.1 { // PHP's own server takes a connection a request
					c = clients[1]
				}
				q := g.request()
				q.Chunked = c.php.keepAlive && len(q.Body) > 0 && g.chance(0.2)
				q.Chunked = q.Chunked && c.php.keepAlive
				outcome, err := check(c, q, g.honest)
				tally.add(outcome)
				if err != nil {
					failures.Add(1)
					t.Errorf("request %d of seed %d: %v\n%.3000q", i, *seed, err, q.Wire("x"))
				}
			}
		}()
	}
	wg.Wait()
	t.Logf("%d requests in %v\n%s", *count, time.Since(began).Round(time.Second), tally.report())
}

// check reads a request, and when it is accepted asks PHP. An honest request
// must be accepted.
func check(c *client, q *seen.Request, honest bool) (string, error) {
	r, err := q.Read(len(q.Body)%2 == 0)
	var a *reader.Ambiguity
	switch {
	case errors.As(err, &a) && honest:
		return "refused: " + a.Name, fmt.Errorf("refused what clients send: %w", err)
	case errors.As(err, &a):
		return "refused: " + a.Name, nil
	case err != nil:
		return "error", err
	}
	v, status, err := c.ask(q)
	if errors.Is(err, io.ErrUnexpectedEOF) && !c.php.keepAlive {
		return "PHP's own server closed the connection", nil
	}
	if err != nil {
		return "error", err
	}
	if *through && status == http.StatusForbidden {
		return "refused by another room", nil // what is not forwarded has no second reading
	}
	if v == nil {
		if *verbose {
			fmt.Printf("%d %.700q\n", status, q.Wire("x"))
		}
		return fmt.Sprintf("server answered %d", status), nil
	}
	return "compared", v.Compare(r)
}

// tally counts outcomes.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (t *tally) add(outcome string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[string]int{}
	}
	t.n[outcome]++
}

func (t *tally) report() string {
	names := make([]string, 0, len(t.n))
	for name := range t.n {
		names = append(names, name)
	}
	sort.Strings(names)
	s := ""
	for _, name := range names {
		s += fmt.Sprintf("%8d %s\n", t.n[name], name)
	}
	return s
}

// TestFixed holds the outcome of each fixed case, and compares those that are
// accepted.
func TestFixed(t *testing.T) {
	script, err := filepath.Abs("echo.php")
	if err != nil {
		t.Fatal(err)
	}
	c := &client{php: fpm(t, script)}
	for _, tc := range fixedCases() {
		if err := outcome(c, &tc); err != nil {
			t.Errorf("%s: %v\n%.1000q", tc.name, err, tc.request.Wire("x"))
		}
	}
}

func outcome(c *client, tc *fixed) error {
	_, err := tc.request.Read(false)
	var a *reader.Ambiguity
	switch {
	case errors.As(err, &a) && a.Name == tc.want:
		return nil
	case err != nil || tc.want != "":
		return fmt.Errorf("reader: %v, want %q", err, tc.want)
	}
	got, err := check(c, &tc.request, true)
	if err == nil && got != "compared" {
		err = errors.New(got)
	}
	return err
}

// TestRecord writes what PHP answers to the fixed cases and to a few hundred
// generated ones, accepted or not.
func TestRecord(t *testing.T) {
	if *record == "" {
		t.Skip("nothing to record")
	}
	script, err := filepath.Abs("echo.php")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(*record)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, _ := gzip.NewWriterLevel(f, gzip.BestCompression)
	out := json.NewEncoder(z)
	c := &client{php: fpm(t, script)}
	put := func(name, want string, q *seen.Request) {
		v, _, err := c.ask(q)
		if err != nil {
			t.Fatal(err)
		}
		if err := out.Encode(seen.Recorded{Name: name, Want: want, Request: q, View: v}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range fixedCases() {
		put(tc.name, tc.want, &tc.request)
	}
	for i := range *count {
		if q := newGenerator(*seed, i).request(); len(q.Body) < 1500 && len(q.Target) < 500 {
			put("", "", q)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}
