package reader

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestAmbiguitiesAreDocumented holds that the operators' list names every
// ambiguity that the sources can report, with its status, and no other.
func TestAmbiguitiesAreDocumented(t *testing.T) {
	status := map[string]string{"ambiguous": "400", "tooLarge": "413", "unsupported": "415"}
	made := regexp.MustCompile(`\b(ambiguous|tooLarge|unsupported)\("([a-z0-9-]+)"`)
	want := []string{jsonSyntax + " 400", xmlSyntax + " 400"}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range made.FindAllStringSubmatch(string(source), -1) {
			want = append(want, m[2]+" "+status[m[1]])
		}
	}
	list, err := os.ReadFile("../../docs/ambiguities.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| ([0-9]+) \\|").FindAllStringSubmatch(string(list), -1) {
		got = append(got, m[1]+" "+m[2])
	}
	slices.Sort(want)
	want = slices.Compact(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the list has\n%s\nthe sources\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
