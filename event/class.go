package event

import "strings"

// Class is what kind of attack an event was, for people: a handful of words
// over hundreds of rules.
type Class string

// The classes. Their names are stable: they stand in addresses, exports and
// the store.
const (
	ClassSQL       Class = "sqli"      // SQL injection
	ClassScript    Class = "xss"       // cross-site scripting
	ClassCommand   Class = "rce"       // commands for the operating system
	ClassPHP       Class = "php"       // PHP code or objects
	ClassCode      Class = "code"      // Java, Node.js or template code
	ClassFile      Class = "lfi"       // local files, path traversal
	ClassRemote    Class = "rfi"       // remote files, server-side requests
	ClassSession   Class = "session"   // session fixation
	ClassUpload    Class = "upload"    // dangerous uploads
	ClassScanner   Class = "scanner"   // scanners and robots
	ClassProtocol  Class = "protocol"  // requests that break HTTP or can be read in two ways
	ClassPatch     Class = "patch"     // a known hole of a plugin or theme, closed by a virtual patch
	ClassSurface   Class = "surface"   // doors the site does not need open
	ClassPassword  Class = "password"  // guessing of passwords
	ClassFlood     Class = "flood"     // too many requests
	ClassBan       Class = "ban"       // clients that are refused wherever they come
	ClassLeak      Class = "leak"      // what the site must not send out
	ClassIntegrity Class = "integrity" // pages that were changed
	ClassEngine    Class = "engine"    // the engine failed
	ClassOther     Class = "other"
)

// Classes lists every class, gravest first.
var Classes = []Class{
	ClassCommand, ClassPHP, ClassPatch, ClassUpload, ClassSQL, ClassCode, ClassFile, ClassRemote,
	ClassScript, ClassIntegrity, ClassLeak, ClassSession, ClassPassword, ClassSurface,
	ClassProtocol, ClassScanner, ClassBan, ClassFlood, ClassEngine, ClassOther,
}

// Class returns the class that the matches speak for with the highest score,
// the gravest where two weigh the same and a virtual patch's before any; or
// what kind and reason say when no rule matched.
func (e Event) Class() Class {
	switch e.Kind {
	case KindSurface:
		return ClassSurface
	case KindIntegrity:
		if hasTag(e.Matches, "leak") || hasTag(e.Matches, "disclosure") {
			return ClassLeak
		}
		return ClassIntegrity
	case KindEngine:
		return ClassEngine
	case KindGuard:
		if strings.Contains(e.Reason, "login") || strings.Contains(e.Reason, "password") {
			return ClassPassword
		}
		if strings.HasPrefix(e.Reason, "fleet-") {
			return ClassBan
		}
		return ClassFlood
	}
	weight := map[Class]int{}
	for _, m := range e.Matches {
		weight[m.Class()] += 1 + 100*m.Score
	}
	if len(e.Matches) == 0 {
		for _, id := range e.Rules {
			weight[Match{Rule: id}.Class()]++
		}
	}
	if weight[ClassPatch] > 0 {
		return ClassPatch
	}
	best := ClassOther
	for _, c := range Classes {
		if c != ClassOther && weight[c] > 0 && (best == ClassOther || weight[c] > weight[best]) {
			best = c
		}
	}
	if best == ClassOther && e.Kind == KindProtocol {
		return ClassProtocol
	}
	return best
}

// Class returns the class of one match, by its tags, then by the Core Rule
// Set's numbering (its files: 913 scanners, 920 and 921 protocol, 930 local
// files, 931 remote files, 932 commands, 933 PHP, 934 other code, 941
// scripting, 942 SQL, 943 sessions, 944 Java, 950–956 leaks).
func (m Match) Class() Class {
	for _, tag := range m.Tags {
		tag = strings.ToLower(tag)
		for _, t := range tagClasses {
			if strings.Contains(tag, t.part) {
				return t.class
			}
		}
	}
	switch m.Rule / 1000 {
	case 913:
		return ClassScanner
	case 911, 920, 921, 922:
		return ClassProtocol
	case 930:
		return ClassFile
	case 931:
		return ClassRemote
	case 932:
		return ClassCommand
	case 933:
		return ClassPHP
	case 934, 944:
		return ClassCode
	case 941:
		return ClassScript
	case 942:
		return ClassSQL
	case 943:
		return ClassSession
	case 950, 951, 952, 953, 954, 955, 956:
		return ClassLeak
	}
	return ClassOther
}

var tagClasses = []struct {
	part  string
	class Class
}{
	{"virtual-patch", ClassPatch}, {"cve-", ClassPatch},
	{"attack-sqli", ClassSQL}, {"attack-xss", ClassScript}, {"attack-rce", ClassCommand},
	{"attack-injection-php", ClassPHP}, {"attack-injection-java", ClassCode},
	{"attack-injection-generic", ClassCode}, {"attack-lfi", ClassFile}, {"attack-rfi", ClassRemote},
	{"attack-ssrf", ClassRemote}, {"attack-fixation", ClassSession}, {"attack-upload", ClassUpload},
	{"attack-reputation-scanner", ClassScanner}, {"attack-protocol", ClassProtocol},
	{"attack-multipart-header", ClassProtocol}, {"attack-disclosure", ClassLeak},
}

func hasTag(matches []Match, part string) bool {
	for _, m := range matches {
		for _, tag := range m.Tags {
			if strings.Contains(tag, part) {
				return true
			}
		}
	}
	return false
}
