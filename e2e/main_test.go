package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/qorgan/qorgan/e2e/wordpress"
)

// shared is what all tests use: started at first need, ended after the last.
var shared struct {
	dir  string
	once sync.Once
	site *wordpress.Site
	err  error
}

func TestMain(m *testing.M) {
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "qorgan-e2e-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // the web server's user reads below it
		return 0, err
	}
	shared.dir = dir
	code := m.Run()
	if shared.site != nil {
		return code, shared.site.Stop()
	}
	return code, nil
}

// blog returns the running WordPress.
func blog(t *testing.T) *wordpress.Site {
	t.Helper()
	need(t, wordpress.Missing()...)
	shared.once.Do(func() {
		shared.site, shared.err = wordpress.Start(context.Background(), shared.dir+"/blog")
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.site
}

// need skips the test when parts are missing, and fails it in CI.
func need(t *testing.T, missing ...string) {
	t.Helper()
	if len(missing) == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("not installed: %v", missing)
	}
	t.Skipf("not installed: %v; `make e2e` installs them", missing)
}

func needBrowser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	need(t, "chromium")
	return ""
}

func dialLoopback(ctx context.Context, network, addr string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, network, "127.0.0.1:"+port)
}
