package rulesets

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"

	"github.com/qorgan/qorgan/config"
)

// unpack writes the rule set into a folder as its archives lay it out, edited.
func unpack(t *testing.T, edit func(name, text string) string) string {
	t.Helper()
	dir := t.TempDir()
	err := fs.WalkDir(coreruleset.FS, "@owasp_crs", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(coreruleset.FS, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, "rules", d.Name())
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, []byte(edit(d.Name(), string(b))), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBuiltInRuleSetPassesTheSelfTest(t *testing.T) {
	e, err := sharedJudge().current.Load().engine(inbound, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := selfCheck(context.Background(), e); err != nil {
		t.Fatal(err)
	}
	if len(selfTestAttacks) < 20 || len(selfTestHarmless) < 20 {
		t.Errorf("%d attacks, %d harmless requests", len(selfTestAttacks), len(selfTestHarmless))
	}
}

func TestOnlyAProvenRuleSetIsLoaded(t *testing.T) {
	j := newJudge(t, Options{})
	for _, c := range []struct {
		name, says string
		dir        string
	}{
		{"an empty folder", "unpack a release", t.TempDir()},
		{"rules that find nothing", "did not pass the self-test", unpack(t, func(name, text string) string {
			if strings.HasPrefix(name, "REQUEST-901") {
				text += "\nSecAction \"id:78,phase:1,pass,nolog,ctl:ruleRemoveById=911000-948999\"\n"
			}
			return text
		})},
		{"rules that refuse everything", "was refused with a score", unpack(t, func(name, text string) string {
			if strings.HasPrefix(name, "REQUEST-911") {
				text += "\nSecAction \"id:77,phase:1,deny,msg:'no'\"\n"
			}
			return text
		})},
		{"bad syntax", "load rule set", unpack(t, func(name, text string) string {
			if strings.HasPrefix(name, "REQUEST-941") {
				return "SecRule ARGS \"@rx (\" \"id:1\"\n"
			}
			return text
		})},
	} {
		err := j.LoadRules(context.Background(), c.dir)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %.300v, want one that says %q", c.name, err, c.says)
		}
	}
	if j.wanted.release.name != "built in" {
		t.Errorf("judging by %q", j.wanted.release.name)
	}
	newer := unpack(t, func(name, text string) string { return text })
	if err := j.LoadRules(context.Background(), newer); err != nil {
		t.Fatal(err)
	}
	if j.wanted.release.name != newer {
		t.Errorf("judging by %q", j.wanted.release.name)
	}
}

func TestMistakesInRuleFilesHaveALine(t *testing.T) {
	register()
	good := "SecRule ARGS:a \"@streq 1\" \\\n  \"id:5001,phase:2,deny,msg:'x'\"\n"
	for _, c := range []struct{ name, text, says string }{
		{"unknown operator", "# one\n" + good + "\nSecRule ARGS \"@nope x\" \"id:5002,phase:2,deny\"\n", "own.conf:5:"},
		{"operator that sees nothing", good + "SecRule REQUEST_BODY \"@validateSchema a.json\" \"id:5002,phase:2,deny\"\n", "own.conf:3: @validateSchema sees no body here"},
		{"bad expression in a chain", good + "SecRule ARGS \"@rx a\" \"id:5003,phase:2,deny,chain\"\n  SecRule ARGS \"@rx (\" \"t:none\"\n", "own.conf:4:"},
		{"no id", good + "SecRule ARGS \"@rx a\" \"phase:2,deny\"\n", "own.conf:3: the rule has no id"},
		{"the engine's own", good + "SecRuleEngine Off\n", "own.conf:3: SecRuleEngine is not"},
		{"without effect", good + "SecRuleRemoveById 942100\n", "own.conf:3: SecRuleRemoveById has no effect"},
		{"no directive", "SecRool ARGS \"@rx a\" \"id:1\"\n", "own.conf:1:"},
		{"id given twice", good + good, "rule id 5001 is taken by own.conf:1"},
		{"id of the rule set", "SecAction \"id:941100,phase:1,pass\"\n", "own.conf:1: rule id 941100 is taken by the Core Rule Set"},
		{"unfinished", good + "SecRule ARGS \\\n", "own.conf:3: directive ends in a backslash"},
		{"overlong line", "# " + strings.Repeat("x", 70_000) + "\n" + good, "longer than 64 KiB"},
	} {
		_, err := newEngine(inbound, coreruleset.FS, []Source{{Name: "own.conf", Text: c.text}}, &watch{budget: time.Minute})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one that says %q", c.name, err, c.says)
		}
	}
}

func TestExtraRulesTakeEffectWithoutARestart(t *testing.T) {
	j := newJudge(t, Options{})
	site := testSite()
	e := newEdge(t, j, site, nil)
	if got := e.do(t, "GET", "/?hole=1", "", ""); got != 200 {
		t.Fatalf("before: status %d", got)
	}
	use := func() error {
		b, err := e.j.Prepare(context.Background(), []*config.Site{site})
		if err == nil {
			e.j.Use(b)
		}
		return err
	}
	e.j.SetExtra([]Source{{Name: "patch.conf", Text: `SecRule ARGS_NAMES "@streq hole" "id:6001,phase:2,deny,status:404,msg:'hole'"`}})
	if err := use(); err != nil {
		t.Fatal(err)
	}
	if got := e.do(t, "GET", "/?hole=1", "", ""); got != 404 {
		t.Errorf("with the patch: status %d, want 404", got)
	}
	if ev := e.rec.take(); len(ev) != 1 || !contains(ev[0].Rules, 6001) {
		t.Errorf("events %+v", ev)
	}
	e.j.SetExtra([]Source{{Name: "patch.conf", Text: "SecRule"}})
	if err := use(); err == nil {
		t.Error("a broken patch was taken")
	}
	if got := e.do(t, "GET", "/?hole=1", "", ""); got != 404 {
		t.Errorf("after the broken patch: status %d, want 404", got)
	}
}
