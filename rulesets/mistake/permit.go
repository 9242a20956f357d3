package mistake

import (
	"fmt"
	"slices"
	"strings"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/rulesets/exclude"
	"github.com/qorgan/qorgan/rulesets/patches"
)

// Reason is why no exclusion is proposed, by a stable name that is translated
// for people.
type Reason string

// The reasons.
const (
	// The request passes by the rules of today.
	PassesNow Reason = "passes-now"
	// It was not the rules that refused it.
	NotRules Reason = "not-rules"
	// Its framing or its body can be read in two ways.
	Protocol Reason = "protocol"
	// The site's closed doors refused it.
	Surface Reason = "surface"
	// The request is not at hand any more, and what was recorded of it does not
	// tell the same story.
	NotKept Reason = "not-kept"
	// A virtual patch refused it.
	Patch Reason = "patch"
	// The rules matched where no exclusion can be narrow.
	NoPlace Reason = "no-place"
	// Every exclusion that would let it pass would let attacks pass.
	LetsAttacksIn Reason = "lets-attacks-in"
	// The site of the incident is not one of this process.
	NoSite Reason = "no-site"
)

// NotPermitted is why an exclusion may not be. It is an error.
type NotPermitted struct {
	Name   string // stable: "verdict", "everything", "patch", "malformed"
	Detail string
}

// Error implements error.
func (e *NotPermitted) Error() string { return e.Detail }

// maxRules is how many rules one exclusion of this room names.
const maxRules = 24

// Permitted reports as a [*NotPermitted] why an exclusion may not be put into
// force from here, whatever it lets pass: one that takes away what adds up or
// compares scores, one that opens a virtual patch, one that names no path,
// method, place or single rules and so opens a whole class of attacks on
// everything. The configuration may say more: that is written by whoever
// answers for the machine.
func Permitted(x config.Exclusion) error {
	if _, err := exclude.Compile([]config.Exclusion{x}); err != nil {
		name := "malformed"
		if strings.Contains(err.Error(), "cannot be excluded") {
			name = "verdict"
		}
		return &NotPermitted{name, strings.TrimPrefix(err.Error(), "exclusion 1: ")}
	}
	everything := func(format string, args ...any) error {
		return &NotPermitted{"everything", fmt.Sprintf(format, args...)}
	}
	for _, r := range x.Rules {
		if r.Last != r.First {
			return everything("rules %d-%d are a range: a class of attacks; name the rules that matched", r.First, r.Last)
		}
		if r.First >= 99000 && r.First < 100000 || r.First >= 900000 && r.First < 901000 {
			return &NotPermitted{"verdict", fmt.Sprintf("rule %d sets up the rule set", r.First)}
		}
		if patchRule(r.First) {
			return &NotPermitted{"patch", fmt.Sprintf("rule %d closes a known hole", r.First)}
		}
	}
	switch {
	case len(x.Rules) > maxRules:
		return everything("%d rules at once are a class of attacks", len(x.Rules))
	case x.Path == "" || x.Path == "/**":
		return everything("no path is named: it would hold everywhere on the site")
	case strings.Contains(x.Path, "*"):
		return everything("path %s holds for paths that nobody has seen; write the path, with {n} for a number", x.Path)
	case len(x.Methods) == 0:
		return everything("no method is named")
	case len(x.Targets) == 0:
		return everything("no place is named: the rules would not look at the request at all")
	}
	for _, t := range x.Targets {
		variable, key, keyed := strings.Cut(t, ":")
		switch {
		case keyed && (key == "/.*/" || key == "/./" || key == "/^/" || key == "/$/"):
			return everything("place %s holds for every name", t)
		case keyed && slices.Contains(keyedVariables, variable):
		case keyed:
			return everything("place %s is none of the request's own", t)
		case !slices.Contains(wholeVariables, variable):
			return everything("place %s holds for every name; write %s:name", t, variable)
		}
	}
	return nil
}

// keyedVariables are what a visitor sends under a name.
var keyedVariables = []string{
	"ARGS", "ARGS_GET", "ARGS_POST", "ARGS_NAMES", "ARGS_GET_NAMES", "ARGS_POST_NAMES", "REQUEST_COOKIES", "REQUEST_COOKIES_NAMES",
	"REQUEST_HEADERS", "REQUEST_HEADERS_NAMES", "MULTIPART_PART_HEADERS",
}

// wholeVariables have one value in a request, or belong to its path.
var wholeVariables = []string{
	"REQUEST_URI", "REQUEST_URI_RAW", "REQUEST_FILENAME", "REQUEST_BASENAME", "QUERY_STRING", "REQUEST_METHOD", "FILES", "FILES_NAMES",
}

// bookkeeping reports whether a rule sets up, adds up or reports scores and
// detects nothing itself.
func bookkeeping(rule int) bool {
	switch rule / 1000 {
	case 99, 900, 901, 949, 959, 980:
		return true
	}
	return false
}

// patchRule reports whether a rule is a virtual patch's.
func patchRule(rule int) bool { return patches.FirstRule <= rule && rule <= patches.LastRule }
