package language

import (
	"io/fs"
	"strings"
	"testing"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
)

// TestRewrite holds the rewritten rule set against the one that came: rules
// differ by the transformations alone, and those that need one have it.
func TestRewrite(t *testing.T) {
	changed := map[string]int{}
	err := fs.WalkDir(coreruleset.FS, "@owasp_crs", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".conf") {
			return err
		}
		file, err := fs.ReadFile(coreruleset.FS, path)
		if err != nil {
			return err
		}
		got := string(Rewrite(file))
		for _, name := range []string{MaskName, LettersName} {
			changed[name] += strings.Count(got, ",t:"+name)
			got = strings.ReplaceAll(got, ",t:"+name, "")
		}
		if got != string(file) {
			t.Errorf("%s: more than transformations was changed", path)
		}
		return nil
	})
	if err != nil || changed[MaskName] != 1 || changed[LettersName] < 100 {
		t.Errorf("%v, %v; want the one rule that looks for bytes, and those that look for words", changed, err)
	}
}

func TestRewriteOfARule(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{`SecRule ARGS "@rx (?i)\bselect\b" "id:942999,t:none,t:urlDecodeUni,t:removeWhitespace,block"`,
			`SecRule ARGS "@rx (?i)\bselect\b" "id:942999,t:none,t:urlDecodeUni,t:foldLetters,t:removeWhitespace,block"`},
		{`SecRule ARGS "@rx ['\"]" "id:932999,t:none,block"`, `SecRule ARGS "@rx ['\"]" "id:932999,t:none,t:foldLetters,block"`},
		// what sees the text before each transformation, names bytes itself, or
		// looks for no expression
		{`SecRule ARGS "@rx a" "id:942998,t:none,block,multiMatch"`, ""},
		{`SecRule ARGS "@rx \xbc" "id:942997,t:none,block"`, ""},
		{`SecRule ARGS "@pm a b" "id:942996,t:none,block"`, ""},
		{`SecRule ARGS "@rx a" "id:920999,t:none,block"`, ""},
		{`SecRule ARGS "@rx a" "id:942995,block"`, ""},
	} {
		if tc.want == "" {
			tc.want = tc.in
		}
		if got := string(Rewrite([]byte(tc.in))); got != tc.want {
			t.Errorf("Rewrite(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}
