package rulesets

import (
	"regexp"
	"strings"

	"github.com/corazawaf/coraza/v3/types/variables"
)

// compileHints say what to write instead, by what Coraza says is wrong.
var compileHints = []struct{ said, hint string }{
	{"unknown variable", "a variable of SecLang, such as ARGS, ARGS:name, REQUEST_HEADERS:name or REQUEST_URI"},
	{"@validateSchema", "rules about the parameters that a JSON body has here: ARGS:json.name"},
	{"operator ", "an operator of SecLang, such as @rx, @pm, @contains or @streq"},
	{"invalid action ", "an action of SecLang, such as deny, pass, log, msg:'…' or t:lowercase"},
	{"invalid transformation name", "a transformation of SecLang, such as t:none, t:lowercase or t:urlDecodeUni"},
	{"error parsing regexp", "a regular expression of RE2, which has no look-around and no back-references"},
	{"action phase", "phase:1 (head), phase:2 (body), phase:3 (response's head) or phase:4 (response's body)"},
	{"action id", "id:10001, a number of its own below 100000"},
	{"terminating quote", `variables, "@operator value" and "actions", with \" for a quote inside`},
	{"invalid actions", `variables, "@operator value" and "actions", with \" for a quote inside`},
	{"unknown directive", "SecRule, SecAction or SecMarker"},
	{"failed to readfile", "the file's path under rules.extra"},
	{"FromFile", "@pm or @ipMatch with the values themselves: data files are not read"},
}

var firstVariables = regexp.MustCompile(`(?i)^secrule\s+"?([^"\s]+)`)

// compileHint shortens what Coraza says about one directive and says what to
// write.
func compileHint(err error, text string) (cause, hint string) {
	cause = err.Error()
	if _, after, ok := strings.Cut(cause, "from string: "); ok {
		cause = after
	}
	if _, after, ok := strings.Cut(cause, `failed to compile the directive "secrule": `); ok {
		cause = after
	}
	lower := strings.ToLower(text)
	if strings.HasPrefix(cause, "read ") && strings.Contains(lower, "fromfile") {
		cause = "no data file can be read by @…FromFile"
	}
	if cause == "unknown variable" {
		if m := firstVariables.FindStringSubmatch(text); m != nil {
			for v := range strings.SplitSeq(m[1], "|") {
				name, _, _ := strings.Cut(strings.TrimLeft(v, "!&"), ":")
				if _, err := variables.Parse(name); err != nil {
					cause = "unknown variable " + name
				}
			}
		}
	}
	for _, h := range compileHints {
		if strings.Contains(cause, h.said) {
			return cause, h.hint
		}
	}
	return cause, "the directive as https://coraza.io/docs/seclang/ describes it"
}
