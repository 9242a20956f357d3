package wordpress

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

func TestStart(t *testing.T) {
	if missing := Missing(); len(missing) > 0 {
		if os.Getenv("CI") != "" {
			t.Fatalf("not installed: %v", missing)
		}
		t.Skipf("not installed: %v", missing)
	}
	dir, err := os.MkdirTemp("", "wordpress-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	site, err := Start(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
	})
	if len(site.AppPassword) < 20 {
		t.Errorf("application password %q", site.AppPassword)
	}
	resp, err := http.Get(site.URL + "/wp-json/wp/v2/posts")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), "Joining two tables") {
		t.Errorf("posts: %s, %v, %.200s", resp.Status, err, body)
	}
}
