package rulesets

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/qorgan/qorgan/rulesets/language"
)

// setup is what stands before the rule set: how Coraza is to behave, and the
// facts about this deployment that the rule set asks for.
//
// DetectionOnly makes Coraza evaluate every rule instead of stopping at the
// first refusal, so that an incident names all that matched; the verdict is
// drawn from the score it computes. Default actions log and pass in all phases,
// because without them matches after phase 2 go unreported. The
// body limit is Coraza's largest: the connector has its own, and Coraza's
// would cut a body instead of refusing it.
const setup = `
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecRequestBodyLimit 1073741824
SecRequestBodyJsonDepthLimit 512
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html text/xml application/xhtml+xml application/json
SecResponseBodyLimit 1073741824
SecArgumentsLimit 100000
SecAuditEngine Off
SecDefaultAction "phase:1,log,noauditlog,pass"
SecDefaultAction "phase:2,log,noauditlog,pass"
SecDefaultAction "phase:3,log,noauditlog,pass"
SecDefaultAction "phase:4,log,noauditlog,pass"
SecDefaultAction "phase:5,log,noauditlog,pass"
SecAction "id:99000,phase:1,pass,t:none,nolog,setvar:tx.crs_setup_version=4250"
`

const (
	crsDir = "@owasp_crs/"
	ownDir = "@qorgan/"
)

// ruleFS is what Coraza reads rules from: the rule set under @owasp_crs and
// the sources of this engine under @qorgan. Coraza joins included names to the
// including file's folder, so a name counts from its "@".
type ruleFS struct {
	crs fs.FS             // holds @owasp_crs/…
	own map[string]string // text by source name
}

// Open implements fs.FS for the rule set's files only.
func (r ruleFS) Open(name string) (fs.File, error) { return r.crs.Open(fromAt(name)) }

// ReadFile implements fs.ReadFileFS.
func (r ruleFS) ReadFile(name string) ([]byte, error) {
	name = fromAt(name)
	if own, ok := strings.CutPrefix(name, ownDir); ok {
		text, ok := r.own[own]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return padNegations([]byte(text)), nil
	}
	file, err := fs.ReadFile(r.crs, path.Clean(name))
	if err != nil {
		return nil, err
	}
	return padNegations(language.Rewrite(file)), nil
}

func fromAt(name string) string {
	if i := strings.IndexByte(name, '@'); i > 0 {
		return name[i:]
	}
	return name
}

// crsFiles lists the rule set's rule files in the order in which they run, in
// two halves: those that judge requests, with the report on the scores, and
// those that judge responses. The first file initialises and belongs to both.
func crsFiles(crs fs.FS) (first string, requests, responses []string, err error) {
	entries, err := fs.ReadDir(crs, strings.TrimSuffix(crsDir, "/"))
	if err != nil {
		return "", nil, nil, err
	}
	for _, e := range entries { // ReadDir sorts by name, which is the rule set's order
		name := e.Name()
		switch {
		case !strings.HasSuffix(name, ".conf"):
		case strings.HasPrefix(name, "REQUEST-901-"):
			first = crsDir + name
		case strings.HasPrefix(name, "REQUEST-"), strings.HasPrefix(name, "RESPONSE-980-"):
			requests = append(requests, crsDir+name)
		case strings.HasPrefix(name, "RESPONSE-"):
			responses = append(responses, crsDir+name)
		}
	}
	if first == "" || len(requests) == 0 {
		return "", nil, nil, &fs.PathError{Op: "read rule set", Path: crsDir, Err: fs.ErrNotExist}
	}
	return first, requests, responses, nil
}

var (
	ruleVariables = regexp.MustCompile(`(?mi)^[ \t]*SecRule[ \t]+"?[^"\s]+`)
	negatedKey    = regexp.MustCompile(`!([A-Za-z_]+):`)
)

// padNegations brings the number of keys that a rule takes out of a variable to
// a power of two, with keys that no request has. Coraza appends a transaction's
// exclusions to the rule's own list: with room left at that list's end, which
// Go's growth by doubling leaves for every other length, transactions would
// write into each other's.
func padNegations(text []byte) []byte {
	return ruleVariables.ReplaceAllFunc(text, func(head []byte) []byte {
		head = slices.Clip(head)
		count := map[string]int{}
		for _, m := range negatedKey.FindAllSubmatch(head, -1) {
			count[string(m[1])]++
		}
		for _, name := range slices.Sorted(maps.Keys(count)) {
			for n := count[name]; n&(n-1) != 0; n++ {
				head = fmt.Appendf(head, "|!%s:qorgan-no-such-key", name)
			}
		}
		return head
	})
}
