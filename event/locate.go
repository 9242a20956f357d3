package event

import "bytes"

// Locate finds part in text the way a rule saw it: in any case, and behind up
// to three layers of percent-encoding and other escapes. It returns the
// bounds of the first place in text as it stands; ok is false when there is
// none. Rules match on decoded and lower-cased values, requests are kept raw.
func Locate(text, part string) (from, to int, ok bool) {
	if part == "" || len(text) > maxScan {
		return 0, 0, false
	}
	want := bytes.ToLower([]byte(part))
	l := newLayer(text)
	for range maxLayers + 1 {
		lower := bytes.ToLower(l.text)
		if i := bytes.Index(lower, want); i >= 0 && len(lower) == len(l.text) {
			return int(l.at[i]), int(l.at[i+len(want)]), true
		}
		next, changed := l.unfold()
		if !changed {
			return 0, 0, false
		}
		l = next
	}
	return 0, 0, false
}

// Found returns the part of a match's value that the rule matched, read from
// its log data where that has the rule set's usual form; empty otherwise.
func (m Match) Found() string {
	found, _ := matchedData(m.Data)
	return found
}
