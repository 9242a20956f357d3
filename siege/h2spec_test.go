package siege

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	h2 "github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"
)

// TestSpecification runs h2spec against the edge and against Go's own server:
// what that one passes the edge passes too.
func TestSpecification(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "welcome")
	})
	behind := httptest.NewServer(page)
	defer behind.Close()
	e := start(t, behind.URL, "capacity: {client_connections: 10000}")
	// h2spec names the host by address.
	reference := httptest.NewUnstartedServer(page)
	reference.EnableHTTP2 = true
	reference.StartTLS()
	defer reference.Close()

	want := conform(t, reference.Listener.Addr().String())
	got := conform(t, e.https)
	count := func(m map[string]bool) (passed int) {
		for _, ok := range m {
			if ok {
				passed++
			}
		}
		return passed
	}
	t.Logf("of %d cases Go's server passes %d, the edge %d", len(want), count(want), count(got))
	var names []string
	for name := range want {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch {
		case want[name] && !got[name]:
			t.Errorf("only Go's server passes %s", name)
		case !want[name] && got[name]:
			t.Logf("only the edge passes %s", name)
		case !want[name]:
			t.Logf("neither passes %s", name)
		}
	}
}

// conform returns for each case whether the server passes it.
func conform(t *testing.T, addr string) map[string]bool {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	c := &config.Config{Host: host, Port: n, Path: "/", Timeout: 3 * time.Second, MaxHeaderLen: 4000, TLS: true, Insecure: true}
	silenced := os.Stdout // h2spec prints as it goes
	if os.Stdout, err = os.Open(os.DevNull); err != nil {
		t.Fatal(err)
	}
	defer func() { os.Stdout = silenced }()
	passed := map[string]bool{}
	var walk func(g *spec.TestGroup)
	walk = func(g *spec.TestGroup) {
		for i, tc := range g.Tests {
			if tc.Result != nil {
				passed[fmt.Sprintf("%s/%d %s", g.ID(), i+1, tc.Desc)] = !tc.Result.Failed && !tc.Result.Skipped
			}
		}
		for _, sub := range g.Groups {
			walk(sub)
		}
	}
	for _, g := range []*spec.TestGroup{generic.Spec(), h2.Spec(), hpack.Spec()} {
		g.Test(c)
		walk(g)
	}
	return passed
}
