package language

import (
	"bytes"
	"sync"

	"github.com/corazawaf/coraza/v3/experimental/plugins"
)

// MaskName is the transformation under which Coraza knows [Mask].
const MaskName = "maskUTF8"

// Register gives Coraza the two transformations. Coraza keeps them for the
// whole process: utf8toUnicode means [Fold] from then on, for every engine.
func Register() { register() }

var register = sync.OnceFunc(func() {
	plugins.RegisterTransformation("utf8toUnicode", func(s string) (string, bool, error) {
		folded, changed := Fold(s)
		return folded, changed, nil
	})
	plugins.RegisterTransformation(MaskName, func(s string) (string, bool, error) {
		masked, changed := Mask(s)
		return masked, changed, nil
	})
})

// Rewrite returns a file of the rule set with the rules changed that cannot
// tell UTF-8 from what they look for. A file without such rules is returned as
// it is; so is one in which a rule is no longer written as it was, and then the
// rule works as its authors wrote it.
func Rewrite(file []byte) []byte {
	const rule, chain = `"id:941310,`, "t:none,t:lowercase,"
	start := bytes.Index(file, []byte(rule))
	if start < 0 {
		return file
	}
	at := bytes.Index(file[start:], []byte(chain))
	end := bytes.Index(file[start:], []byte("\nSecRule"))
	if at < 0 || end >= 0 && at > end {
		return file
	}
	at += start + len("t:none,")
	return bytes.Join([][]byte{file[:at], []byte("t:" + MaskName + ","), file[at:]}, nil)
}
