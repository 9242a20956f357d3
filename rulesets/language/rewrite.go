package language

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/corazawaf/coraza/v3/experimental/plugins"
)

// MaskName and LettersName are the transformations under which Coraza knows
// [Mask] and [Letters].
const (
	MaskName    = "maskUTF8"
	LettersName = "foldLetters"
)

// Register gives Coraza the transformations. Coraza keeps them for the whole
// process: utf8toUnicode means [Fold] from then on, for every engine.
func Register() { register() }

var register = sync.OnceFunc(func() {
	for name, f := range map[string]func(string) (string, bool){"utf8toUnicode": Fold, MaskName: Mask, LettersName: Letters} {
		plugins.RegisterTransformation(name, func(s string) (string, bool, error) {
			out, changed := f(s)
			return out, changed, nil
		})
	}
})

// Rewrite returns a file of the rule set with the transformations added by
// which its expressions read UTF-8. A rule that is written otherwise than
// expected works as its authors wrote it.
func Rewrite(file []byte) []byte {
	starts := statement.FindAllIndex(file, -1)
	if starts == nil {
		return file
	}
	out := bytes.NewBuffer(make([]byte, 0, len(file)+len(file)/50))
	out.Write(file[:starts[0][0]])
	id := 0
	for i, at := range starts {
		end := len(file)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		rule := string(file[at[0]:end])
		if m := ruleID.FindStringSubmatch(rule); m != nil {
			id, _ = strconv.Atoi(m[1])
		}
		out.WriteString(rewrite(id, rule))
	}
	return out.Bytes()
}

var (
	statement = regexp.MustCompile(`(?m)^[ \t]*Sec[A-Z]\w+`)
	ruleID    = regexp.MustCompile(`"id:(\d+),`)
	pattern   = regexp.MustCompile(`^[ \t]*SecRule\s+\S+\s+"!?@rx ((?:[^"\\]|\\.)*)"`)
	chain     = regexp.MustCompile(`t:none(?:,\s*t:\w+)*`)
	// highByte is an expression that names bytes above ASCII by itself.
	highByte = regexp.MustCompile(`\\x\{?[89a-fA-F][0-9a-fA-F]|[\x80-\xff]`)
)

// byteRule looks for bytes of a broken US-ASCII decoder that are also the
// second bytes of Cyrillic letters.
const byteRule = 941310

// rewrite adds to one member of rule id what it lacks.
func rewrite(id int, rule string) string {
	switch {
	case id == byteRule && ruleID.MatchString(rule):
		return strings.Replace(rule, "t:none,", "t:none,t:"+MaskName+",", 1)
	case !aboutWords(id):
		return rule
	}
	m := pattern.FindStringSubmatchIndex(rule)
	if m == nil || highByte.MatchString(rule[m[2]:m[3]]) || strings.Contains(rule, "multiMatch") {
		return rule
	}
	at := chain.FindStringIndex(rule[m[1]:])
	if at == nil {
		return rule
	}
	from, to := m[1]+at[0], m[1]+at[1]
	return rule[:from] + withLetters(rule[from:to]) + rule[to:]
}

// aboutWords reports whether a rule is one of those that look for the words of
// a language that machines read: shell, PHP and others, script, SQL. With
// multiMatch they see a text before and after each transformation, so that one
// more takes nothing away.
func aboutWords(id int) bool {
	return 932000 <= id && id < 935000 || 941000 <= id && id < 943000
}

// tail are transformations that take characters out or change them one by one:
// letters are folded before them, which comes to the same, and the fast path
// need not carry them out.
var tail = map[string]bool{
	"lowercase": true, "removeWhitespace": true, "compressWhitespace": true, "cmdLine": true, "removeCommentsChar": true,
	"replaceComments": true, "normalizePath": true, "normalizePathWin": true,
}

// withLetters puts the folding of letters behind the last transformation of a
// chain that decodes.
func withLetters(chain string) string {
	all := strings.Split(chain, ",")
	at := len(all)
	for at > 1 && tail[strings.TrimPrefix(strings.TrimSpace(all[at-1]), "t:")] {
		at--
	}
	return strings.Join(append(append(append([]string{}, all[:at]...), "t:"+LettersName), all[at:]...), ",")
}
