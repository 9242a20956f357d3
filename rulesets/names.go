package rulesets

import (
	"regexp"
	"strings"

	"github.com/qorgan/qorgan/rulesets/reader"
)

// namedArg is a parameter in a rule's list of variables.
var namedArg = regexp.MustCompile(`\b(ARGS(?:_GET|_POST)?):([A-Za-z_][\w-]*)`)

// PHPNames has every parameter that a rule names found under each spelling
// that PHP resolves to it: a rule for ARGS:user_id is one for "user.id" and
// "user_id[]" too. Lines stay lines. Rules that come with the Core Rule Set
// are left as they are.
func PHPNames(rules string) string {
	lines := strings.Split(rules, "\n")
	for i, line := range lines {
		fields := strings.SplitN(strings.TrimLeft(line, " \t"), " ", 3)
		if len(fields) < 3 || fields[0] != "SecRule" {
			continue
		}
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		variables := namedArg.ReplaceAllStringFunc(fields[1], func(s string) string {
			list, base, _ := strings.Cut(s, ":")
			return list + ":/(?i)" + quoteSelector.Replace(reader.NamePattern(base)) + "/"
		})
		lines[i] = indent + "SecRule " + variables + " " + fields[2]
	}
	return strings.Join(lines, "\n")
}

// quoteSelector writes an expression where SecLang ends a list of variables at
// a space and an expression at a slash.
var quoteSelector = strings.NewReplacer(" ", `\x20`, "/", `\/`)
