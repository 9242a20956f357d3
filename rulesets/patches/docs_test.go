package patches

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of the documentation anew")

const docs = "../../docs"

// TestDocumentation compares the table of patches with the patches; -update
// writes it anew.
func TestDocumentation(t *testing.T) {
	list := builtin(t)
	slices.SortFunc(list, func(a, b *Patch) int { return strings.Compare(b.ID(), a.ID()) })
	var b strings.Builder
	fmt.Fprintf(&b, "%d patches come with the program.\n\n| hole | in | versions | what it stops | refused is | spared |\n|---|---|---|---|---|---|\n", len(list))
	for _, p := range list {
		kind, slug, _ := strings.Cut(p.Product, "/")
		fmt.Fprintf(&b, "| [%s](../rulesets/patches/data/%s) | %s `%s` | %s | %s | %s | %s |\n", p.CVE, p.Name, kind, slug, p.Affected, p.Title, p.Looks, p.Spares)
	}
	page := filepath.Join(docs, "patches.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- table: make docs -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no place for the table", page)
	}
	want := before + begin + b.String() + end + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("%s is stale; try: make docs", page)
	}
}

// TestExampleOfTheDocumentation keeps the page's example true.
func TestExampleOfTheDocumentation(t *testing.T) {
	const name = "cve-2026-99999-example-gallery.conf"
	text, err := os.ReadFile(filepath.Join(docs, name))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(name, string(text))
	if err != nil {
		t.Fatal(err)
	}
	if p.Rules[0] < OwnRule {
		t.Errorf("the example takes rule id %d, which is the program's", p.Rules[0])
	}
	all := append(builtin(t), p)
	if err := Distinct(all); err != nil {
		t.Error(err)
	}
	if err := newBench(t, all).Try(t.Context(), p); err != nil {
		t.Error(err)
	}
}
