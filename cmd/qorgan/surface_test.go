package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/guard/surface"
)

// seenEvents keeps the reasons of what an edge recorded.
type seenEvents struct {
	mu  sync.Mutex
	all []event.Event
}

func (s *seenEvents) record(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, e)
}

func (s *seenEvents) take() (said []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.all {
		said = append(said, fmt.Sprint(e.Kind, " ", e.Reason, " ", e.Action, " ", e.Request.Target))
	}
	s.all = nil
	return said
}

// runEdge serves c until stop, which waits for its end.
func runEdge(t *testing.T, c *config.Config, record func(event.Event)) (base string, stop func()) {
	t.Helper()
	e, err := buildEdge(t.Context(), c, stateOf(c), zerolog.Nop(), prometheus.NewRegistry(), eventSink{record: record, masked: record})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.server.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { _ = e.server.Run(ctx) })
	plain, _ := e.server.Addrs()
	return "http://" + plain[0].String(), func() {
		cancel()
		run.Wait()
		if err := e.close(); err != nil {
			t.Error(err)
		}
	}
}

// TestStrangePHPThatAnswers asks a WordPress for PHP files that it does not
// answer on, in block mode, in detect mode, and where the owner opened a
// folder: what answers 200 for the first time is an incident, once, also after
// a restart.
func TestStrangePHPThatAnswers(t *testing.T) {
	there := []string{"/wp-content/plugins/x/shell.php", "/tools/report.php", "/wp-login.php"}
	var asked seenEvents
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.record(event.Event{Request: event.Request{Target: r.URL.Path}})
		if !slices.Contains(there, r.URL.Path) {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, "hello")
	}))
	t.Cleanup(upstream.Close)
	to, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Data, c.HTTP, c.HTTPS, c.TLS.Mode = t.TempDir(), []string{"127.0.0.1:0"}, nil, "off"
	for _, name := range []string{"blocks", "detects"} {
		s := config.DefaultSite()
		s.Name, s.Hosts, s.Upstreams, s.Profile = name, []string{name}, []config.Upstream{{URL: to}}, "wordpress"
		s.Surface.Allow = []string{"/tools/**"}
		c.Sites = append(c.Sites, s)
	}
	c.Sites[1].Mode = config.Detect
	var events seenEvents
	base, stop := runEdge(t, c, events.record)
	defer func() { stop() }()
	const (
		shut     = "surface " + surface.ReasonShut
		answered = "surface " + surface.ReasonAnswered
	)
	for i, step := range []struct {
		host, target string
		status       int
		reaches      bool
		events       []string
		restart      bool
	}{
		{"blocks", "/wp-login.php", 200, true, nil, false},
		{"blocks", "/wp-content/plugins/x/shell.php", 403, false, []string{shut + " blocked /wp-content/plugins/x/shell.php"}, false},
		{"blocks", "/tools/none.php", 404, true, nil, false},
		{"blocks", "/tools/report.php", 200, true, []string{answered + " detected /tools/report.php"}, false},
		{"blocks", "/tools/report.php", 200, true, nil, false},
		{"detects", "/wp-content/plugins/x/none.php", 404, true, []string{shut + " detected /wp-content/plugins/x/none.php"}, false},
		{"detects", "/wp-content/plugins/x/shell.php", 200, true, []string{shut + " detected /wp-content/plugins/x/shell.php", answered + " detected /wp-content/plugins/x/shell.php"}, false},
		{"detects", "/wp-content/plugins/x/shell.php", 200, true, []string{shut + " detected /wp-content/plugins/x/shell.php"}, false},
		{"blocks", "/tools/report.php", 200, true, nil, true},
		{"detects", "/wp-content/plugins/x/shell.php", 200, true, []string{shut + " detected /wp-content/plugins/x/shell.php"}, false},
	} {
		if step.restart {
			stop()
			base, stop = runEdge(t, c, events.record)
		}
		r, err := http.NewRequest(http.MethodGet, base+step.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = step.host
		r.Header.Set("User-Agent", "Mozilla/5.0")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != step.status {
			t.Errorf("step %d, %s on %s: %d, want %d", i, step.target, step.host, resp.StatusCode, step.status)
		}
		if reached := len(asked.take()) > 0; reached != step.reaches {
			t.Errorf("step %d, %s on %s: reached the site: %v", i, step.target, step.host, reached)
		}
		if got := events.take(); !slices.Equal(got, step.events) {
			t.Errorf("step %d, %s on %s: recorded %q, want %q", i, step.target, step.host, got, step.events)
		}
	}
}
