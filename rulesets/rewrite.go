package rulesets

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"

	"github.com/qorgan/qorgan/rulesets/fastpath"
)

// corazaFS is the rules as Coraza reads them: the same, with two changes that
// spare time on long values. @rx is our operator, which gives the same answers,
// and logdata names a value instead of copying it: Coraza writes it anew for
// each rule that runs.
type corazaFS struct {
	ruleFS
	expressions *fastpath.Expressions
	brief       bool // what a rule captures is read by its own chain alone
}

// ReadFile implements fs.ReadFileFS.
func (c corazaFS) ReadFile(name string) ([]byte, error) {
	b, err := c.ruleFS.ReadFile(name)
	if err != nil || strings.HasSuffix(name, ".data") {
		return b, err
	}
	return []byte(c.rewrite(string(b))), nil
}

const (
	rxName     = "qorganrx"
	briefName  = "qorganrxbrief"
	valueMark  = "\x02value\x03" // what stands in logdata for the value matched
	valueMacro = "%{MATCHED_VAR}"
)

var (
	shownText  = regexp.MustCompile(`(?:logdata|msg):'(?:[^'\\]|\\.)*'`)
	rxOperator = regexp.MustCompile(`([ \t]"!?@)rx `)
	readsGroup = regexp.MustCompile(`(?i)%\{tx\.\d\}|\btx:'?\d\b|\btx(?:[|\s"]|$)`)
	groupKey   = regexp.MustCompile(`(?i)\btx:'?/((?:[^/\\]|\\.)*)/`)
	captures   = regexp.MustCompile(`(?i)[,"\s]capture(?:[,"\s]|$)`)
)

// rewrite writes SecLang as Coraza is to read it.
func (c corazaFS) rewrite(text string) string {
	lines := strings.SplitAfter(text, "\n")
	all := directives(text)
	for i, d := range all {
		name := rxName
		if c.brief && !readsCaptures(d.text) {
			name = briefName
		}
		end := len(lines)
		if i+1 < len(all) {
			end = all[i+1].line - 1
		}
		reread := strings.Contains(strings.ToLower(d.text), "rule.logdata")
		for at := d.line - 1; at < end; at++ {
			lines[at] = rxOperator.ReplaceAllString(lines[at], "${1}"+name+" ")
			if !reread {
				lines[at] = shownText.ReplaceAllStringFunc(lines[at], func(s string) string {
					return strings.ReplaceAll(s, valueMacro, valueMark)
				})
			}
		}
	}
	return strings.Join(lines, "")
}

// readsCaptures reports whether a rule or its chain reads what an expression
// captured, for more than to show it.
func readsCaptures(rule string) bool {
	rule = shownText.ReplaceAllString(rule, "")
	if readsGroup.MatchString(rule) {
		return true
	}
	for _, m := range groupKey.FindAllStringSubmatch(rule, -1) {
		re, err := regexp.Compile("(?i)" + m[1])
		if err != nil {
			return true
		}
		for digit := range 10 {
			if re.MatchString(strconv.Itoa(digit)) {
				return true
			}
		}
	}
	return false
}

// ownCaptures reports whether no rule reads what another captured.
func ownCaptures(rules map[int]string) bool {
	for _, text := range rules {
		head, _, _ := strings.Cut(text, "\n")
		if readsCaptures(text) && !captures.MatchString(stripQuoted(lastQuoted(head))) {
			return false
		}
	}
	return true
}

// register gives Coraza the operators. Coraza keeps them for the whole process.
var register = sync.OnceFunc(func() {
	// It would look at what Coraza's own reader of JSON leaves behind, which is
	// not asked: a rule that can never match is worse than none.
	plugins.RegisterOperator("validateSchema", func(plugintypes.OperatorOptions) (plugintypes.Operator, error) {
		return nil, errors.New("@validateSchema sees no body here")
	})
	for _, name := range [...]string{rxName, briefName} {
		plugins.RegisterOperator(name, func(o plugintypes.OperatorOptions) (plugintypes.Operator, error) {
			expressions := &fastpath.Expressions{}
			if root, ok := o.Root.(corazaFS); ok {
				expressions = root.expressions
			}
			x, err := expressions.Expression(o.Arguments)
			if err != nil {
				return nil, err
			}
			return rx{x, name == briefName}, nil
		})
	}
})

// rx is @rx.
type rx struct {
	x     fastpath.Expression
	brief bool
}

// Evaluate implements plugintypes.Operator.
func (o rx) Evaluate(tx plugintypes.TransactionState, value string) bool {
	if !tx.Capturing() {
		return o.x.Match(value)
	}
	find := o.x.Find
	if o.brief {
		find = o.x.Brief
	}
	at := find(value)
	for i := 0; 2*i < len(at) && i < 9; i++ {
		group := ""
		if at[2*i] >= 0 {
			group = value[at[2*i]:at[2*i+1]]
		}
		tx.CaptureField(i, group)
	}
	return at != nil
}
