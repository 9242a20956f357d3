package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
)

// TestPatchUnderLoad adds and removes a patch on an edge that is busy: no honest
// request fails meanwhile, and the exploit is refused exactly while the command
// says so.
func TestPatchUnderLoad(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	t.Cleanup(upstream.Close)
	to, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	c, site := config.Default(), config.DefaultSite()
	c.Data, c.HTTP, c.HTTPS, c.TLS.Mode = t.TempDir(), []string{"127.0.0.1:0"}, nil, "off"
	site.Name, site.Hosts, site.Upstreams = "shop", []string{"*"}, []config.Upstream{{URL: to}}
	c.Sites = []*config.Site{site}
	e, err := buildEdge(t.Context(), c, stateOf(c), zerolog.Nop(), prometheus.NewRegistry(),
		eventSink{record: func(event.Event) {}, masked: func(event.Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.server.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := e.tellArmed(nil); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { _ = e.server.Run(ctx) })
	parts.Go(func() { _ = newWatcher("", nil, e, zerolog.Nop()).run(ctx) })
	t.Cleanup(func() {
		stop()
		parts.Wait()
		if err := e.close(); err != nil {
			t.Error(err)
		}
	})
	plain, _ := e.server.Addrs()
	base := "http://" + plain[0].String()
	get := func(target string) int {
		resp, err := http.Get(base + target)
		if err != nil {
			t.Error(err)
			return 0
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}

	var done atomic.Bool
	var served atomic.Int64
	var visitors sync.WaitGroup
	for range 4 {
		visitors.Go(func() {
			for !done.Load() {
				if status := get("/?s=coffee"); status != http.StatusOK {
					t.Errorf("an honest request was answered %d", status)
					return
				}
				served.Add(1)
			}
		})
	}
	const exploit = "/wp-admin/admin-ajax.php?action=example_gallery_delete"
	p := &process{out: io.Discard, err: io.Discard}
	at := patchData{Data: c.Data}
	for range 2 {
		if status := get(exploit); status != http.StatusOK {
			t.Errorf("before: %d", status)
		}
		if err := (patchAddCmd{File: filepath.Join("..", "..", "docs", "cve-2026-99999-example-gallery.conf"), patchData: at}).Run(p); err != nil {
			t.Fatal(err)
		}
		if status := get(exploit); status != http.StatusForbidden {
			t.Errorf("with the patch: %d", status)
		}
		before := served.Load()
		if err := (patchRemoveCmd{ID: "CVE-2026-99999", patchData: at}).Run(p); err != nil {
			t.Fatal(err)
		}
		if served.Load() == before {
			t.Error("nothing was served during the change")
		}
	}
	if status := get(exploit); status != http.StatusOK {
		t.Errorf("after: %d", status)
	}
	done.Store(true)
	visitors.Wait()
	t.Logf("%d honest requests were served", served.Load())
}
