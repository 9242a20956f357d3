package event

import (
	"strings"
	"unicode/utf8"
)

// Match masks and clips what a rule matched: Value to [MaxMatch] bytes around
// the match, Data likewise, both searched again after the cut. Value may be
// as long as the request was; where the match stands in it is read from Data
// when that has the rule set's usual form, "Matched Data: … found within …: …".
func (r *Redactor) Match(m Match) Match {
	found, form := matchedData(m.Data)
	secret := r.secretVariable(m)
	if m.Variable == "XML" && rpcText(m.Value) {
		m.Value = found // its texts run together: a password cannot be told from what stands around it
	}
	if secret && m.Value != "" {
		m.Value = r.hide(m.Value)
	} else {
		m.Value = r.around(m.Variable, m.Value, found)
	}
	switch {
	case secret && form:
		m.Data = "Matched Data: " + r.hide(found) + " found within " + m.Variable + ":" + cut(r.Text(m.Key), MaxMatch)
	case secret && m.Data != "":
		m.Data = r.hide(m.Data)
	case form:
		m.Data = "Matched Data: " + r.around(m.Variable, found, "") + " found within " + m.Variable + suffix(":", cut(r.Text(m.Key), MaxMatch))
	default:
		m.Data = r.around("", m.Data, "")
	}
	m.Key = cut(r.Text(m.Key), MaxMatch)
	return m
}

func (r *Redactor) hide(s string) string {
	if masked(s) || s == "" {
		return s
	}
	return r.mask(s)
}

func suffix(sep, s string) string {
	if s == "" {
		return ""
	}
	return sep + s
}

// secretVariable reports whether all that the match's variable holds is
// secret.
func (r *Redactor) secretVariable(m Match) bool {
	switch m.Variable {
	case "REQUEST_COOKIES", "AUTH_TYPE", "REMOTE_USER":
		return true
	case "REQUEST_HEADERS", "RESPONSE_HEADERS":
		switch strings.ToLower(m.Key) {
		case "cookie", "set-cookie", "authorization", "proxy-authorization":
			return true
		}
	case "ARGS_NAMES", "ARGS_GET_NAMES", "ARGS_POST_NAMES", "REQUEST_COOKIES_NAMES", "REQUEST_HEADERS_NAMES", "FILES_NAMES", "TX":
		return false
	}
	return SecretName(m.Key) || rpcCredential(m.Key)
}

// matchedData returns the matched part out of a rule's log data.
func matchedData(data string) (string, bool) {
	rest, ok := strings.CutPrefix(data, "Matched Data: ")
	if !ok {
		return "", false
	}
	found, _, ok := strings.Cut(rest, " found within ")
	return found, ok
}

// around masks s and clips it around the first place where found stands.
func (r *Redactor) around(variable, s, found string) string {
	at := 0
	if found != "" {
		if at = strings.Index(s, found); at < 0 {
			at = max(strings.Index(strings.ToLower(s), strings.ToLower(found)), 0)
		}
		at = min(at, len(s))
	}
	if len(s) > maxScan {
		from := min(max(at-maxScan/2, 0), len(s)-maxScan)
		s, at = s[from:from+maxScan], at-from
		if from > 0 { // what is left of a value whose name was cut off must go
			i := strings.IndexAny(s, "&;,\r\n\"'<> ")
			if i < 0 || i > at {
				return "…"
			}
			s, at = s[i:], at-i
		}
	}
	spans := find(s, 0)
	switch variable {
	case "REQUEST_URI", "REQUEST_URI_RAW", "REQUEST_LINE", "REQUEST_BASENAME":
		if q := strings.IndexByte(s, '?'); q >= 0 {
			spans = append(spans, queryValues(s, q+1)...)
		}
	case "QUERY_STRING", "REQUEST_BODY":
		spans = append(spans, queryValues(s, 0)...)
	}
	out, at := r.replaceAt(s, spans, at)
	clipped := clip(out, at, at+min(len(found), MaxMatch), MaxMatch)
	return r.replace(clipped, find(clipped, 0))
}

// clip returns at most limit bytes of s around s[from:to], with an ellipsis
// where something was cut off. It cuts between characters and not through a
// mask.
func clip(s string, from, to, limit int) string {
	if len(s) <= limit {
		return s
	}
	to = min(to, len(s))
	start := max(0, from-max(0, limit-(to-from))/2)
	end := min(len(s), start+limit)
	start = max(0, end-limit)
	for start > 0 && !utf8.RuneStart(s[start]) {
		start++
	}
	for end < len(s) && end > start && !utf8.RuneStart(s[end]) {
		end--
	}
	if i := strings.LastIndex(s[:start], maskOpen); i >= 0 && start < i+maskLen && start > i {
		start = min(i+maskLen, len(s))
	}
	if i := strings.LastIndex(s[:end], "‹"); i >= 0 && end < i+maskLen && i >= start {
		end = i
	}
	if end < start {
		end = start
	}
	out := s[start:end]
	if start > 0 {
		out = "…" + out
	}
	if end < len(s) {
		out += "…"
	}
	return out
}

// cut returns s, or its first limit bytes and an ellipsis.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return clip(s, 0, 0, limit)
}
