package profiles

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/qorgan/qorgan/config"
)

var update = flag.Bool("update", false, "write the tables of the documentation anew")

var message = regexp.MustCompile(`id:(\d+),[\s\S]*?msg:'((?:[^'\\]|\\.)*)'`)

// TestDocumentation compares the tables of profiles and shields with the data;
// -update writes them anew.
func TestDocumentation(t *testing.T) {
	const page = "../../docs/profiles.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, table := range map[string]string{"exclusions": exclusionTable(t), "shields": shieldTable(t)} {
		begin, end := "<!-- "+name+": make docs -->\n", "<!-- end of "+name+" -->"
		before, rest, ok := strings.Cut(want, begin)
		_, after, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s has no place for the table of %s", page, name)
		}
		want = before + begin + table + end + after
	}
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("%s is stale; try: make docs", page)
	}
}

// own returns what a file of exclusions says itself.
func own(t *testing.T, name string) []exclusion {
	t.Helper()
	text, err := data.ReadFile("data/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var f file
	if err := config.Decode(name, text, &f); err != nil {
		t.Fatal(err)
	}
	return f.Exclusions
}

func exclusionTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| profile | for whom | where | why |\n|---|---|---|---|\n")
	for _, name := range []string{common, "wordpress", "joomla", "drupal", "bitrix", "opencart"} {
		for _, x := range own(t, name) {
			who, profile := string(x.Who), name
			if who == "" {
				who = string(config.Anyone)
			}
			if name == common {
				profile = "all"
			}
			where := slices.Concat([]string{}, x.Methods)
			if x.Path != "" {
				where = append(where, "`"+x.Path+"`")
			}
			for _, w := range x.When {
				where = append(where, "`"+w+"`")
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", profile, who, strings.Join(where, " "), strings.ReplaceAll(x.Reason, "|", "\\|"))
		}
	}
	return b.String()
}

func shieldTable(t *testing.T) string {
	spared := func(id int) (who string) {
		for _, x := range own(t, "wordpress") {
			for _, r := range x.Rules {
				if r.First <= id && id <= r.Last && r.First >= firstShield && r.Last <= lastShield {
					who = string(x.Who)
				}
			}
		}
		return who
	}
	var b strings.Builder
	b.WriteString("| rule | refuses | stands | spared |\n|---|---|---|---|\n")
	for _, file := range []struct{ name, stands string }{{shields, "`wordpress`, `auto`"}, {"wordpress", "`wordpress`"}} {
		text, err := data.ReadFile("data/" + file.name + ".conf")
		if err != nil {
			t.Fatal(err)
		}
		found := message.FindAllStringSubmatch(string(text), -1)
		if len(found) != strings.Count(string(text), "\n    \"id:") {
			t.Errorf("%s.conf: %d messages", file.name, len(found))
		}
		for _, m := range found {
			id := 0
			if _, err := fmt.Sscan(m[1], &id); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", id, strings.ReplaceAll(m[2], `\'`, "'"), file.stands, spared(id))
		}
	}
	return b.String()
}
