package rulesets

import (
	"bufio"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/corazawaf/coraza/v3"
)

// SourceError is a mistake in a rule file.
type SourceError struct {
	File   string
	Line   int // first line of the directive, or of the member of its chain
	Column int // from 1, in bytes
	Err    error
	Hint   string // what to write
}

// Error implements error.
func (e *SourceError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// directive is one SecLang directive with its continuation lines, or a rule
// with its whole chain.
type directive struct {
	line, column int
	text         string  // one member of the chain a line
	members      []place // where each member begins
}

type place struct{ line, column int }

// wrong is a mistake in the directive.
func (d directive) wrong(file, hint, format string, args ...any) *SourceError {
	return &SourceError{file, d.line, d.column, fmt.Errorf(format, args...), hint}
}

// checkSources finds what Coraza's parser would overlook in silence: it stops
// at a line longer than its buffer and drops a directive whose last line ends
// in a backslash, and whatever follows is not loaded. It also finds ids that are
// given twice or not at all, and directives that would do nothing here, or harm.
func checkSources(sources []Source, crs map[int]string) []*SourceError {
	var errs []*SourceError
	seen := map[int]SourceError{}
	for _, s := range sources {
		line, open := 0, 0
		for text := range strings.SplitSeq(s.Text, "\n") {
			line++
			trimmed := strings.TrimSpace(text)
			if len(text) >= bufio.MaxScanTokenSize-1 {
				errs = append(errs, directive{line: line, column: 1}.wrong(s.Name, "shorter lines, each but the last ending in a backslash", "line is longer than 64 KiB"))
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
			errs = append(errs, directive{line: open, column: 1}.wrong(s.Name, "the rest of the directive, or no backslash", "directive ends in a backslash with nothing after it"))
		}
		for _, d := range directives(s.Text) {
			if err := d.misplaced(s); err != nil {
				errs = append(errs, err)
			}
			for _, id := range ruleIDs(d.text) {
				if crs[id] != "" {
					errs = append(errs, d.wrong(s.Name, "an id below 100000", "rule id %d is taken by the Core Rule Set", id))
					continue
				}
				if first, dup := seen[id]; dup {
					errs = append(errs, d.wrong(s.Name, "an id of its own", "rule id %d is taken by %s:%d", id, first.File, first.Line))
					continue
				}
				seen[id] = SourceError{File: s.Name, Line: d.line}
			}
		}
	}
	return errs
}

// allMistakes joins what is wrong in the sources with what does not compile in
// other lines of theirs.
func allMistakes(found []*SourceError, root ruleFS, sources []Source) error {
	all := make([]error, len(found))
	for i, e := range found {
		all[i] = e
	}
	for _, e := range locate(root, sources) {
		if !slices.ContainsFunc(found, func(f *SourceError) bool { return f.File == e.File && f.Line == e.Line }) {
			all = append(all, e)
		}
	}
	return errors.Join(all...)
}

// misplaced says why a directive has no place in a rule file: engines belong to
// many sites, and own rules are read before the rule set's.
func (d directive) misplaced(s Source) *SourceError {
	name, _, _ := strings.Cut(d.text, " ")
	lower := strings.ToLower(name)
	switch {
	case s.Setup, lower == "secmarker", lower == "seccomponentsignature", !strings.HasPrefix(lower, "sec"):
	case lower == "secrule" || lower == "secaction":
		if head, _, _ := strings.Cut(d.text, "\n"); strings.HasSuffix(head, `"`) && lastQuoted(head) != "" && !anyID.MatchString(lastQuoted(head)) {
			return d.wrong(s.Name, "id:10001, a number of its own below 100000", "the rule has no id")
		}
	case strings.HasPrefix(lower, "secruleremove"), strings.HasPrefix(lower, "secruleupdate"):
		return d.wrong(s.Name, "exclusions of the site in its configuration", "%s has no effect: own rules are read before the rule set", name)
	case lower == "secruleengine":
		return d.wrong(s.Name, "mode of the site in its configuration", "%s is not a rule file's to say", name)
	case knownDirective[lower]:
		return d.wrong(s.Name, "SecRule or SecAction", "%s is the edge's own to set", name)
	}
	return nil
}

// knownDirective are Coraza's directives about a whole engine.
var knownDirective = map[string]bool{
	"secdefaultaction": true, "secrequestbodyaccess": true, "secrequestbodylimit": true, "secrequestbodylimitaction": true,
	"secrequestbodynofileslimit": true, "secrequestbodyinmemorylimit": true, "secrequestbodyjsondepthlimit": true,
	"secresponsebodyaccess": true, "secresponsebodylimit": true, "secresponsebodylimitaction": true,
	"secresponsebodymimetype": true, "secresponsebodymimetypesclear": true, "secargumentslimit": true,
	"secauditengine": true, "secauditlog": true, "secauditlogdir": true, "secauditlogdirmode": true, "secauditlogfilemode": true,
	"secauditlogformat": true, "secauditlogparts": true, "secauditlogrelevantstatus": true, "secauditlogtype": true,
	"secdebuglog": true, "secdebugloglevel": true, "secdatadir": true, "sectmpdir": true, "secuploaddir": true,
	"secuploadfilelimit": true, "secuploadfilemode": true, "secuploadkeepfiles": true, "secwebappid": true,
	"secsensorid": true, "secserversignature": true, "seccollectiontimeout": true, "secunicodemap": true, "secunicodemapfile": true,
	"secignorerulecompilationerrors": true, "seccontentinjection": true, "sechttpblkey": true, "secgeolookupdb": true,
}

// locate finds the directives that do not compile by compiling each alone.
func locate(root ruleFS, sources []Source) []*SourceError {
	var errs []*SourceError
	for _, s := range sources {
		for _, d := range directives(s.Text) {
			lines := strings.SplitAfter(d.text, "\n")
			for i, at := range d.members {
				_, err := coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(root).WithDirectives(strings.Join(lines[:i+1], "")))
				if err != nil {
					cause, hint := compileHint(err, lines[i])
					errs = append(errs, &SourceError{s.Name, at.line, at.column, errors.New(cause), hint})
					break
				}
			}
		}
	}
	return errs
}

var (
	idAction    = regexp.MustCompile(`(?i)(?:^|[,"'\s])id:'?(\d+)`)
	anyID       = regexp.MustCompile(`(?i)(?:^|[,"'\s])id:`)
	chainAction = regexp.MustCompile(`(?i)(?:^|[,"\s])chain(?:[,"\s]|$)`)
)

// directives splits SecLang text into directives, each rule with its chain.
func directives(text string) []directive {
	var out []directive
	var b strings.Builder
	line, start, chained := 0, place{}, false
	flush := func() {
		if b.Len() == 0 {
			return
		}
		d := b.String()
		b.Reset()
		if last := len(out) - 1; chained && last >= 0 {
			out[last].text += "\n" + d
			out[last].members = append(out[last].members, start)
		} else {
			out = append(out, directive{start.line, start.column, d, []place{start}})
		}
		chained = chainAction.MatchString(stripQuoted(lastQuoted(d)))
	}
	for l := range strings.SplitSeq(text, "\n") {
		line++
		indent := len(l) - len(strings.TrimLeft(l, " \t"))
		l = strings.TrimSpace(l)
		if l == "" || l[0] == '#' {
			continue
		}
		if b.Len() == 0 {
			start = place{line, indent + 1}
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
