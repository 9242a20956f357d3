package rulesets

import (
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/experimental"
	"github.com/corazawaf/coraza/v3/types"

	"github.com/qorgan/qorgan/rulesets/fastpath"
)

// Source is a piece of SecLang: an owner's rule file, a profile's rules, a
// virtual patch.
type Source struct {
	Name  string // file name for errors
	Text  string
	Setup bool // sets variables of the rule set: runs before its initialisation
}

// half says which of the rule set's rules an engine holds.
type half int

const (
	inbound  half = iota // phases 1 and 2
	outbound             // phases 3 and 4
)

// Rule is what the judge knows about a loaded rule.
type Rule struct {
	ID    int
	Phase int
	File  string // the file it came from: "@owasp_crs/…" or "@qorgan/…"
	Raw   string // the rule as written, its chain included
	Tags  []string

	deny   int      // status of an explicit deny, drop or redirect; 0 without
	scores []string // for each chain level, the severity variable added to the score, or ""
}

// engine is one compiled rule set. It is immutable but for the list of
// quarantined rules, and shared by all sites that want these rules.
type engine struct {
	half     half
	contents bool // some rule looks into uploaded files
	waf      experimental.WAFWithOptions
	rules    map[int]*Rule
	ids      []int // sorted

	fast       *fast // nil without the fast path
	failures   failures
	quarantine atomic.Pointer[[]int]
}

// newEngine compiles the rule set with the given sources. An error in a source
// names its file and line.
func newEngine(h half, crs fs.FS, sources []Source, w *watch) (*engine, error) {
	first, requests, responses, err := crsFiles(crs)
	if err != nil {
		return nil, err
	}
	root := ruleFS{crs: crs, own: make(map[string]string, len(sources))}
	body := requests
	if h == outbound {
		body = responses
	}
	texts, err := root.texts(append([]string{first}, body...))
	if err != nil {
		return nil, err
	}
	if found := checkSources(sources, texts); len(found) > 0 {
		return nil, allMistakes(found, root, sources)
	}
	var text strings.Builder
	text.WriteString(setup)
	include := func(name string) { fmt.Fprintf(&text, "Include %s\n", name) }
	own := make([]string, len(sources))
	for i, s := range sources {
		own[i] = root.add(i, s)
		if s.Setup {
			include(own[i])
		}
	}
	include(first)
	for i, s := range sources {
		if !s.Setup {
			include(own[i])
		}
	}
	for _, name := range body {
		include(name)
	}

	e := &engine{half: h, rules: map[int]*Rule{}}
	ownTexts, err := root.texts(own)
	if err != nil {
		return nil, err
	}
	maps.Copy(texts, ownTexts)
	forCoraza := corazaFS{ruleFS: root, expressions: &fastpath.Expressions{}, brief: ownCaptures(texts)}
	cfg := coraza.NewWAFConfig().WithRootFS(forCoraza).WithDirectives(forCoraza.rewrite(text.String())).WithDebugLogger(w)
	var loaded []types.RuleMetadata
	cfg = experimental.WAFConfigWithRuleObserver(cfg, func(r types.RuleMetadata) {
		if r.ID() != 0 {
			loaded = append(loaded, r)
		}
	})
	waf, err := coraza.NewWAF(cfg)
	if err != nil {
		if at := allMistakes(nil, root, sources); at != nil {
			return nil, at
		}
		return nil, fmt.Errorf("compile rules: %w", err)
	}
	for _, r := range loaded {
		rule := &Rule{ID: r.ID(), Phase: int(r.Phase()), File: fromAt(r.File()), Raw: texts[r.ID()], Tags: r.Tags()}
		if rule.Raw == "" {
			rule.Raw = r.Raw()
		}
		e.contents = e.contents || strings.Contains(rule.Raw, "FILES_TMP_CONTENT")
		rule.deny = explicitDeny(rule.Raw)
		rule.scores = scoreVars(rule.Raw)
		e.rules[rule.ID] = rule
		e.ids = append(e.ids, rule.ID)
	}
	slices.Sort(e.ids)
	e.fast = &fast{half: h, root: root, text: text.String(), expressions: forCoraza.expressions}
	if h == inbound {
		e.fast.spare = e.spareable()
	}
	e.waf = waf.(experimental.WAFWithOptions)
	return e, nil
}

// add stores a source under a name that no other source has and returns the
// name to include.
func (r ruleFS) add(i int, s Source) string {
	name := strconv.Itoa(i) + "-" + strings.Map(func(c rune) rune {
		if c <= ' ' || c == '@' || c == '*' || c == '"' || c == '/' || c == '\\' {
			return '_'
		}
		return c
	}, s.Name)
	r.own[name] = s.Text
	return ownDir + name
}

// texts returns the text of each rule in the files, its chain included, one
// member a line. Coraza shows a rule to its observer before it has read the
// chain.
func (r ruleFS) texts(files []string) (map[int]string, error) {
	out := map[int]string{}
	for _, name := range files {
		b, err := r.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for _, d := range directives(string(b)) {
			for _, id := range ruleIDs(d.text) {
				out[id] = d.text
			}
		}
	}
	return out, nil
}

// idsIn returns the ids of loaded rules between first and last, inclusive.
func (e *engine) idsIn(first, last int) []int {
	lo, _ := slices.BinarySearch(e.ids, first)
	hi, _ := slices.BinarySearch(e.ids, last+1)
	return e.ids[lo:hi]
}

var (
	denyAction = regexp.MustCompile(`(?i)(?:^|[,"'\s])(deny|drop|redirect)(?:[,"'\s:]|$)`)
	statusText = regexp.MustCompile(`(?i)[,"'\s]status:'?(\d{3})`)
	scoreText  = regexp.MustCompile(`(?i)setvar:'?tx\.(?:in|out)bound_anomaly_score_pl\d=\+%\{tx\.(\w+)_anomaly_score\}`)
)

// explicitDeny returns the status that a rule with an action of deny, drop or
// redirect asks for, and 0 for a rule that leaves the decision to the score.
func explicitDeny(raw string) int {
	actions := stripQuoted(lastQuoted(strings.SplitN(raw, "\n", 2)[0]))
	if !denyAction.MatchString(actions) {
		return 0
	}
	if m := statusText.FindStringSubmatch("," + actions); m != nil {
		status, _ := strconv.Atoi(m[1])
		if status >= 400 && status < 600 {
			return status
		}
	}
	return 403
}

// scoreVars returns, for each member of a rule's chain, the name of the
// severity whose score it adds ("critical"), or "".
func scoreVars(raw string) []string {
	var out []string
	for member := range strings.SplitSeq(raw, "\n") {
		v := ""
		if m := scoreText.FindStringSubmatch(member); m != nil {
			v = strings.ToLower(m[1])
		}
		out = append(out, v)
	}
	return out
}

// lastQuoted returns the last double-quoted string of a rule: its actions.
func lastQuoted(s string) string {
	end := strings.LastIndexByte(s, '"')
	if end <= 0 {
		return ""
	}
	for i := end - 1; i >= 0; i-- {
		if s[i] == '"' && (i == 0 || s[i-1] != '\\') {
			return s[i+1 : end]
		}
	}
	return ""
}

// stripQuoted removes single-quoted text, such as a message that says "deny".
func stripQuoted(s string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\'' && (i == 0 || s[i-1] != '\\'):
			quoted = !quoted
		case !quoted:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
