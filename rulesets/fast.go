package rulesets

import (
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/qorgan/qorgan/rulesets/fastpath"
	"github.com/qorgan/qorgan/rulesets/language"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// levels is the number of paranoia levels.
const levels = 4

// fast is the fast path of one engine: a program for each paranoia level,
// compiled from the very directives that Coraza was given.
type fast struct {
	half half
	root ruleFS
	text string
	// expressions are shared with the rules that Coraza runs.
	expressions *fastpath.Expressions
	programs    [levels]struct {
		once      sync.Once
		prog      *fastpath.Program
		report    fastpath.Report
		err       error
		rehearsed atomic.Bool
	}
	off atomic.Bool // a disagreement was seen

	// spare are, for each rule that depends on nothing but the request, that it
	// may be left out when the fast path says it cannot match.
	spare []int
}

// program returns the program of a level, compiling it on first use.
func (f *fast) program(level int) (*fastpath.Program, error) {
	p := &f.programs[level-1]
	p.once.Do(func() {
		// The level, which a transaction is told by itself, is a constant for
		// the program.
		level := fmt.Sprintf("SecAction \"id:99001,phase:1,pass,t:none,nolog,setvar:tx.blocking_paranoia_level=%d,setvar:tx.detection_paranoia_level=%d\"\n", level, level)
		directives, err := fastpath.Directives(f.root, level+f.text)
		if err != nil {
			p.err = fmt.Errorf("read rules for the fast path: %w", err)
			return
		}
		p.prog, p.report = fastpath.Compile(directives, fastpath.Options{
			ReadFile:        func(name string) ([]byte, error) { return fs.ReadFile(f.root, crsDir+name) },
			Transformations: transformations,
			Expressions:     f.expressions,
			Responses:       f.half == outbound,
		})
	})
	return p.prog, p.err
}

// transformations are those that language gives to Coraza.
var transformations = map[string]fastpath.Transformation{
	"utf8toUnicode":      transformation(language.AppendFold),
	language.MaskName:    transformation(language.AppendMask),
	language.LettersName: transformation(language.AppendLetters),
}

// transformation is one that leaves ASCII alone and never fails.
func transformation(f func([]byte, string) ([]byte, bool)) fastpath.Transformation {
	return fastpath.Transformation{ASCII: true, Append: f, Apply: func(s string) (string, bool, error) {
		if out, changed := f(nil, s); changed {
			return string(out), true, nil
		}
		return s, false, nil
	}}
}

// ask asks the fast path about a request. ok is false when there is none, or
// when it gave up.
func (e *engine) ask(r *reader.Request, f *Facts) (res fastpath.Result, ok bool) {
	if e.fast == nil || f.native || e.fast.off.Load() {
		return res, false
	}
	prog, err := e.fast.program(f.Level)
	if err != nil {
		return res, false
	}
	in := fastpath.Input{Request: r, Remote: addrText(f.Client), Host: f.Host}
	if f.Mask.Len() == 0 {
		res = prog.Judge(&in, nil)
	} else {
		res = prog.Judge(&in, f.Mask)
	}
	return res, !res.GaveUp
}

// innocent reports whether the fast path proves that no rule can match a
// response. A response has no candidates: what is not innocent Coraza judges
// whole.
func (e *engine) innocent(res *fastpath.Response, f *Facts) bool {
	if e.fast == nil || f.native || e.fast.off.Load() {
		return false
	}
	prog, err := e.fast.program(f.Level)
	if err != nil {
		return false
	}
	res.Remote, res.Host = addrText(f.Client), f.Host
	if f.Mask.Len() == 0 {
		return prog.JudgeResponse(res, nil).Clean
	}
	return prog.JudgeResponse(res, f.Mask).Clean
}

// decide judges a request: with the fast path alone where that proves it
// innocent, else with Coraza, which is spared the rules that were proved silent.
func (e *engine) decide(ctx context.Context, id string, r *reader.Request, f *Facts, headOnly bool) (v Verdict, fast bool, err error) {
	res, ok := e.ask(r, f)
	if ok && res.Clean {
		return Verdict{Status: 403}, true, nil
	}
	if ok {
		f.candidates = res.Candidates
		defer func() { f.candidates = nil }()
	}
	v, err = e.judge(ctx, id, r, f, headOnly)
	return v, ok, err
}

// spareRules takes the rules out of a transaction that the fast path proved
// silent for this request.
func (t *transaction) spareRules(candidates []fastpath.Candidate) {
	may := make(map[int]bool, len(candidates))
	for _, c := range candidates {
		may[c.Rule] = true
	}
	for _, id := range t.e.fast.spare {
		if !may[id] {
			t.tx.RemoveRuleByID(id)
		}
	}
}

var (
	quietRule = regexp.MustCompile(`(?i)[,"\s]nolog(?:[,"\s]|$)`)
	ownTX     = regexp.MustCompile(`(?i)\bTX:\d([|\s]|$)|%\{TX\.\d\}`)
	readsTX   = regexp.MustCompile(`(?i)(?:^|[|&!\s"])TX(?:[:|\s]|$)|%\{`)
)

// spareable lists the rules whose match depends on nothing but the request:
// they read no variable that another rule sets, what their own chain captured
// aside, and nothing reads theirs unless they match. The rest must run, whatever the fast path says of them, because
// it takes for granted that no rule has matched.
func (e *engine) spareable() []int {
	var out []int
	for _, id := range e.ids {
		rule := e.rules[id]
		members := strings.Split(rule.Raw, "\n")
		if evaluation(id) || quietRule.MatchString(stripQuoted(lastQuoted(members[0]))) || strings.HasPrefix(strings.ToLower(members[0]), "secaction") {
			continue
		}
		captured := false // by a member before
		if !slices.ContainsFunc(members, func(m string) bool {
			actions := lastQuoted(m)
			read := strings.TrimSuffix(strings.TrimSuffix(m, `"`), actions)
			if captured {
				read = ownTX.ReplaceAllString(read, "$1")
			}
			captured = captured || captures.MatchString(stripQuoted(actions))
			return readsTX.MatchString(read)
		}) {
			out = append(out, id)
		}
	}
	return out
}
