//go:build !race

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
)

// TestLargeUploads sends gigabytes through the whole edge, the judge in
// block mode with every limit at its default: as a raw body on a path that may
// be sent one, over HTTP/1.1 and HTTP/2, and as a file in a form. Client, edge and upstream share this process, so what
// is measured is an upper bound of what the edge holds.
func TestLargeUploads(t *testing.T) {
	if testing.Short() {
		t.Skip("sends 5 GB")
	}
	var peak atomic.Uint64
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 1<<20)
		var n, looked int64
		for {
			read, err := r.Body.Read(buf)
			n += int64(read)
			if n-looked >= 64<<20 {
				looked = n
				peak.Store(max(peak.Load(), heapInUse()))
			}
			if err != nil {
				fmt.Fprint(w, n, " ", err)
				return
			}
		}
	}))
	defer upstream.Close()
	var refused atomic.Pointer[event.Event]
	e, data := serveEdge(t, upstream.URL, func(ev event.Event) { refused.Store(&ev) })
	plain, encrypted := e.server.Addrs()

	one := &http.Transport{TLSClientConfig: &tls.Config{ServerName: "shop.example.kz", InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer one.CloseIdleConnections()
	for _, c := range []struct {
		name, method, url, kind string
		size                    int64
	}{
		{"raw", http.MethodPut, "http://" + plain[0].String() + "/backup/site.tar", "application/octet-stream", 2 << 30},
		{"raw over HTTP2", http.MethodPut, "https://" + encrypted[0].String() + "/backup/site.tar", "application/octet-stream", 1 << 30},
		{"a file in a form", http.MethodPost, "http://" + plain[0].String() + "/wp-admin/async-upload.php", "", 2 << 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, kind, length := io.Reader(&piece{}), c.kind, c.size
			body = io.LimitReader(body, c.size)
			if kind == "" {
				body, kind, length = asForm(t, body, c.size)
			}
			r, err := http.NewRequest(c.method, c.url, body)
			if err != nil {
				t.Fatal(err)
			}
			r.Host, r.ContentLength = "shop.example.kz", length
			r.Header = http.Header{"Content-Type": {kind}, "User-Agent": {"Mozilla/5.0"}, "Accept": {"*/*"}}
			runtime.GC()
			before := heapInUse()
			peak.Store(0)
			resp, err := one.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if b, _ := io.ReadAll(resp.Body); string(b) != fmt.Sprint(length, " ", io.EOF) {
				t.Errorf("%s: status %d, event %+v, the upstream read %s", resp.Proto, resp.StatusCode, refused.Load(), b)
			}
			grown := int64(peak.Load()) - int64(before)
			t.Logf("%s: heap in use grew by at most %d KiB", resp.Proto, grown>>10)
			if peak.Load() == 0 || grown > 32<<20 {
				t.Errorf("heap in use grew by %d MiB, want at most 32", grown>>20)
			}
			if left, _ := os.ReadDir(filepath.Join(data, "spool")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// serveEdge serves one site in block mode at level 1 until the test ends.
func serveEdge(t *testing.T, upstream string, record func(event.Event)) (e *edge, data string) {
	t.Helper()
	u, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	c, site := config.Default(), config.DefaultSite()
	site.Name, site.Hosts, site.Upstreams, site.Profile = "shop", []string{"shop.example.kz"}, []config.Upstream{{URL: u}}, "wordpress"
	site.Exclusions = []config.Exclusion{{ // as explain proposes them
		Rules: []config.RuleRange{{First: 911100, Last: 911100}, {First: 920420, Last: 920420}}, Methods: []string{"PUT"}, Path: "/backup/**",
	}}
	c.Data, c.HTTP, c.HTTPS, c.Sites = t.TempDir(), []string{"127.0.0.1:0"}, []string{"127.0.0.1:0"}, []*config.Site{site}
	e, err = buildEdge(t.Context(), c, stateOf(c), zerolog.Nop(), prometheus.NewRegistry(), eventSink{record: record, masked: record, mask: event.NewRedactor(make([]byte, 32))})
	if err == nil {
		err = e.server.Listen()
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- e.server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, e.close()); err != nil {
			t.Error(err)
		}
	})
	return e, c.Data
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// piece is an endless film.
type piece struct{ at byte }

func (p *piece) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = p.at + byte(i)*7
	}
	p.at++
	return len(b), nil
}

// asForm is a form with one file of that size.
func asForm(t *testing.T, file io.Reader, size int64) (body io.Reader, kind string, length int64) {
	t.Helper()
	var head strings.Builder
	form := multipart.NewWriter(&head)
	if err := form.WriteField("action", "upload-attachment"); err != nil {
		t.Fatal(err)
	}
	if _, err := form.CreateFormFile("async-upload", "film.mp4"); err != nil {
		t.Fatal(err)
	}
	begin := head.String()
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	end := strings.TrimPrefix(head.String(), begin)
	return io.MultiReader(strings.NewReader(begin), file, strings.NewReader(end)), form.FormDataContentType(), int64(len(begin)) + size + int64(len(end))
}
