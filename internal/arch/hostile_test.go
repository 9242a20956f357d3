package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	named   = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)(?:/(\\w+))?`")
	defined = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
)

// docs/hostile.md promises tests by name, and at least twenty fuzz targets: each
// of them is there.
func TestHostilePageNamesRealTests(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "hostile.md"))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range defined.FindAllSubmatch(text, -1) {
			there[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, m := range named.FindAllSubmatch(page, -1) {
		name := string(m[1])
		said[name] = true
		if !there[name] {
			t.Errorf("docs/hostile.md names %s, which is no test", name)
		}
		if name == "TestScripts" && len(m[2]) > 0 {
			if _, err := os.Stat(filepath.Join(root, "cmd", "qorgan", "testdata", "script", string(m[2])+".txtar")); err != nil {
				t.Errorf("docs/hostile.md names a script that is none: %v", err)
			}
		}
	}
	targets := 0
	for name := range said {
		if strings.HasPrefix(name, "Fuzz") {
			targets++
		}
	}
	if targets < 20 {
		t.Errorf("%d fuzz targets", targets)
	}
}
