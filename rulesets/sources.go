package rulesets

import (
	"bufio"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/corazawaf/coraza/v3"
)

// SourceError is a mistake in a rule file.
type SourceError struct {
	File string
	Line int // first line of the directive
	Err  error
}

// Error implements error.
func (e *SourceError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// directive is one SecLang directive with its continuation lines, or a rule
// with its whole chain.
type directive struct {
	line int
	text string
}

// checkSources finds what Coraza's parser would overlook in silence: it stops
// at a line longer than its buffer and drops a directive whose last line ends
// in a backslash, and whatever follows is not loaded. It also finds ids that are
// given twice, of which Coraza does not say where.
func checkSources(sources []Source, crs map[int]string) error {
	var errs []error
	seen := map[int]SourceError{}
	for _, s := range sources {
		line, open := 0, 0
		for text := range strings.SplitSeq(s.Text, "\n") {
			line++
			trimmed := strings.TrimSpace(text)
			if len(text) >= bufio.MaxScanTokenSize-1 {
				errs = append(errs, &SourceError{s.Name, line, errors.New("line is longer than 64 KiB; break it with a backslash")})
			}
			switch {
			case trimmed == "" || trimmed[0] == '#':
			case strings.HasSuffix(trimmed, `\`):
				if open == 0 {
					open = line
				}
			default:
				open = 0
			}
		}
		if open != 0 {
			errs = append(errs, &SourceError{s.Name, open, errors.New("directive ends in a backslash with nothing after it")})
			continue
		}
		for _, d := range directives(s.Text) {
			for _, id := range ruleIDs(d.text) {
				if crs[id] != "" {
					errs = append(errs, &SourceError{s.Name, d.line, fmt.Errorf("rule id %d is taken by the Core Rule Set; ids below 100000 are free for own rules", id)})
					continue
				}
				if first, dup := seen[id]; dup {
					errs = append(errs, &SourceError{s.Name, d.line, fmt.Errorf("rule id %d is taken by %s:%d", id, first.File, first.Line)})
					continue
				}
				seen[id] = SourceError{File: s.Name, Line: d.line}
			}
		}
	}
	return errors.Join(errs...)
}

// locate finds the directives that do not compile by compiling each alone.
func locate(root ruleFS, sources []Source) error {
	var errs []error
	for _, s := range sources {
		for _, d := range directives(s.Text) {
			_, err := coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(root).WithDirectives(d.text))
			if err != nil {
				cause := err.Error()
				if _, after, ok := strings.Cut(cause, "from string: "); ok {
					cause = after
				}
				errs = append(errs, &SourceError{s.Name, d.line, errors.New(cause)})
			}
		}
	}
	return errors.Join(errs...)
}

var (
	idAction    = regexp.MustCompile(`(?i)(?:^|[,"'\s])id:'?(\d+)`)
	chainAction = regexp.MustCompile(`(?i)(?:^|[,"\s])chain(?:[,"\s]|$)`)
)

// directives splits SecLang text into directives, each rule with its chain.
func directives(text string) []directive {
	var out []directive
	var b strings.Builder
	line, start, chained := 0, 0, false
	flush := func() {
		if b.Len() == 0 {
			return
		}
		d := b.String()
		b.Reset()
		if chained && len(out) > 0 {
			out[len(out)-1].text += "\n" + d
		} else {
			out = append(out, directive{start, d})
		}
		chained = chainAction.MatchString(stripQuoted(lastQuoted(d)))
	}
	for l := range strings.SplitSeq(text, "\n") {
		line++
		l = strings.TrimSpace(l)
		if l == "" || l[0] == '#' {
			continue
		}
		if b.Len() == 0 {
			start = line
		}
		if more, ok := strings.CutSuffix(l, `\`); ok {
			b.WriteString(more)
			continue
		}
		b.WriteString(l)
		flush()
	}
	flush()
	return out
}

// ruleIDs returns the ids that a directive defines.
func ruleIDs(d string) []int {
	lower := strings.ToLower(d)
	if !strings.HasPrefix(lower, "secrule ") && !strings.HasPrefix(lower, "secaction ") {
		return nil
	}
	first, _, _ := strings.Cut(d, "\n")
	m := idAction.FindStringSubmatch(lastQuoted(first))
	if m == nil {
		return nil
	}
	id, err := strconv.Atoi(m[1])
	if err != nil {
		return nil
	}
	return []int{id}
}
