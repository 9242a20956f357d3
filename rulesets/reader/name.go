package reader

import (
	"regexp"
	"strings"
)

// PHPName resolves a decoded parameter name as php_register_variable_ex does
// (PHP 8.2, main/php_variables.c) and returns the full name that PHP registers,
// such as "user_id[a][]", and its base, the key in $_GET, $_POST or $_COOKIE.
// Both are empty when PHP drops the parameter.
//
// A NUL ends the name. Leading spaces go. Space and dot become an underscore
// before the first bracket; an opening bracket without a closing one becomes
// an underscore too, and with it every space, dot and bracket after it. What
// follows the last closed bracket is ignored.
func PHPName(raw string) (name, base string) {
	if i := strings.IndexByte(raw, 0); i >= 0 {
		raw = raw[:i]
	}
	raw = strings.TrimLeft(raw, " ")
	open := strings.IndexByte(raw, '[')
	if open == 0 || raw == "" {
		return "", ""
	}
	if open < 0 {
		base = mangle(raw, false)
		return dropForged(raw, base, base)
	}
	if strings.IndexByte(raw[open:], ']') < 0 {
		base = mangle(raw, true)
		return dropForged(raw, base, base)
	}
	base = mangle(raw[:open], false)
	suffix := raw[open:]
	end := balanced(suffix)
	if suffix = suffix[:end]; blankIndex(suffix) {
		suffix = trimIndexes(suffix)
	}
	if len(base) == open && base == raw[:open] {
		name = raw[:open+end]
		if len(suffix) != end {
			name = base + suffix
		}
	} else {
		name = base + suffix
	}
	return dropForged(raw, name, base)
}

// dropForged drops a name that only mangling made start with a cookie prefix
// that browsers guard (CVE-2022-31629); PHP does so for every source.
func dropForged(raw, name, base string) (string, string) {
	for _, prefix := range [...]string{"__Host-", "__Secure-"} {
		if strings.HasPrefix(base, prefix) && !strings.HasPrefix(raw, prefix) {
			return "", ""
		}
	}
	return name, base
}

// mangle replaces what a variable's name cannot hold.
func mangle(s string, brackets bool) string {
	set := " ."
	if brackets {
		set = " .["
	}
	if !strings.ContainsAny(s, set) {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		if c == ' ' || c == '.' || c == '[' && brackets {
			b[i] = '_'
		}
	}
	return string(b)
}

// balanced returns the length of the indexes that s, which begins with a
// bracket, starts with: "[a][b]" of "[a][b]c[d]".
func balanced(s string) int {
	n := 0
	for n < len(s) && s[n] == '[' {
		i := strings.IndexByte(s[n:], ']')
		if i < 0 {
			break
		}
		n += i + 1
	}
	return n
}

// blankIndex reports whether one index is a single blank, which PHP reads as
// an empty index.
func blankIndex(s string) bool {
	for i := 0; i+2 < len(s); i++ {
		if s[i] == '[' && isSpace(s[i+1]) && s[i+2] == ']' {
			return true
		}
	}
	return false
}

func trimIndexes(s string) string {
	var b strings.Builder
	for s != "" {
		i := strings.IndexByte(s, ']')
		if index := s[1:i]; len(index) != 1 || !isSpace(index[0]) {
			b.WriteString(s[:i+1])
		} else {
			b.WriteString("[]")
		}
		s = s[i+1:]
	}
	return b.String()
}

// isSpace is C's isspace in the C locale.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// alias returns the name under which PHP registers the parameter that was
// sent as raw, when its base is not how raw begins. Names made of letters,
// digits, underscores and hyphens with indexes behind them have none.
func alias(raw string) (string, bool) {
	i := 0
	for i < len(raw) && plainName[raw[i]] {
		i++
	}
	if i == len(raw) {
		return "", false
	}
	// Plain indexes change nothing about what a rule for the base finds.
	if rest := raw[i:]; i > 0 && rest[0] == '[' && balanced(rest) == len(rest) && strings.IndexByte(rest, 0) < 0 {
		return "", false
	}
	name, _ := PHPName(raw)
	return name, name != "" && name != raw
}

// plainName holds the bytes that PHP never changes in a name.
var plainName = func() (t [256]bool) {
	for c := range t {
		t[c] = c != 0 && c != ' ' && c != '.' && c != '['
	}
	return t
}()

// NamePattern returns a regular expression (RE2 syntax) that matches exactly
// the decoded parameter names that PHP resolves to base, with or without
// indexes: NamePattern("user_id") matches "user.id", " user id[]" and
// "user[id", and not "user_idx".
func NamePattern(base string) string {
	if base == "" {
		return `^[^\s\S]`
	}
	var b strings.Builder
	b.WriteString(`(?s)^ *(?:`)
	writeMangled(&b, base, `[_ .]`)
	b.WriteString(`(?:\x00|$|\[[^\]\x00]*\])`)
	for i := 1; i < len(base); i++ {
		if base[i] != '_' {
			continue
		}
		b.WriteByte('|')
		writeMangled(&b, base[:i], `[_ .]`)
		b.WriteString(`\[`)
		writeMangled(&b, base[i+1:], `[_ .\[]`)
		b.WriteString(`(?:\x00|$)`)
	}
	b.WriteByte(')')
	return b.String()
}

func writeMangled(b *strings.Builder, s, underscore string) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			b.WriteString(underscore)
		case c == ']':
			b.WriteString(`\]`)
		case c < 0x80:
			b.WriteString(regexp.QuoteMeta(string(rune(c))))
		default:
			b.WriteByte(c)
		}
	}
}
