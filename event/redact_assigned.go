package event

import "strings"

// findAssigned returns the values that a text gives to secret names, in the
// forms in which requests carry them: name=value, "name":"value", name:
// value, <name>value</name>, name="…" of a multipart part, and PHP's
// serialised s:4:"name";s:5:"value".
func findAssigned(s string) []span {
	var spans []span
	for i := 0; i < len(s); {
		if !nameByte(s[i]) {
			i++
			continue
		}
		from := i
		for i < len(s) && nameByte(s[i]) {
			i++
		}
		if i-from > 128 || !SecretName(s[from:i]) {
			continue
		}
		a, b := assigned(s, from, i)
		if a < b && !masked(s[a:b]) && strings.TrimSpace(s[a:b]) != "" {
			spans = append(spans, span{a, b, s[a:b], rankNamed})
			i = b
		}
	}
	return spans
}

func nameByte(c byte) bool {
	return alnum(c) || c >= 0x80 || c == '_' || c == '-' || c == '.' || c == '[' || c == ']' || c == '$'
}

// assigned returns the bounds of the value given to the name s[from:to]; equal
// bounds when none is.
func assigned(s string, from, to int) (int, int) {
	i := to
	for i < len(s) && strings.IndexByte(`"'\`, s[i]) >= 0 {
		i++
	}
	quotedName := i > to
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	if i == len(s) {
		return 0, 0
	}
	switch c := s[i]; {
	case c == '=' && i+1 < len(s) && s[i+1] == '>': // PHP: 'name' => 'value'
		return value(s, i+2, "&,;)\r\n")
	case c == '=':
		return value(s, i+1, "&;\r\n")
	case c == ':':
		return value(s, i+1, "&,;}\r\n")
	case c == ',' && quotedName: // ["name","value"]
		return value(s, i+1, "&,;]})\r\n")
	case c == '>' || c == '<':
		return element(s, i)
	case inTag(s, from):
		if end := strings.IndexByte(s[i:], '>'); end >= 0 {
			return element(s, i+end)
		}
	case c == ';' && quotedName && i+2 < len(s) && s[i+2] == ':':
		return serialised(s, i+1)
	case (c == '\r' || c == '\n' || c == ';') && quotedName && from > 5 && strings.HasSuffix(s[:from], `name="`):
		return part(s, i)
	}
	return 0, 0
}

// value returns the bounds of a value from s[i]: to the closing quote or
// bracket when it opens with one, else to one of the bytes in stops.
func value(s string, i int, stops string) (int, int) {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	if i == len(s) {
		return 0, 0
	}
	escaped := s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\'')
	if escaped {
		i++
	}
	switch c := s[i]; c {
	case '"', '\'':
		for j := i + 1; j < len(s); j++ {
			if s[j] == '\\' && !escaped {
				j++
			} else if s[j] == c {
				if escaped {
					return i + 1, max(j-1, i+1)
				}
				return i + 1, j
			}
		}
		return i + 1, len(s)
	case '{', '[':
		open, depth := i, 0
		for j := i; j < len(s); j++ {
			switch s[j] {
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return open, j + 1
				}
			}
		}
		return open, len(s)
	}
	j := i
	for j < len(s) && strings.IndexByte(stops, s[j]) < 0 {
		j++
	}
	return i, j
}

// inTag reports whether the name at s[from:] is that of an XML element, with
// or without a prefix.
func inTag(s string, from int) bool {
	for from > 0 && (nameByte(s[from-1]) || s[from-1] == ':') {
		from--
	}
	return from > 0 && s[from-1] == '<'
}

// element returns the bounds of the text of an XML element, past the tags
// that stand between s[i:] and it. i is at the end of the element's own tag,
// or at the tag that follows when the name was itself the text of an element.
func element(s string, i int) (int, int) {
	if s[i] == '>' {
		i++
	}
	for range 8 {
		for i < len(s) && s[i] <= ' ' {
			i++
		}
		if i == len(s) || s[i] != '<' || strings.HasPrefix(s[i:], "<![CDATA[") {
			break
		}
		end := strings.IndexByte(s[i:], '>')
		if end < 0 {
			return i, len(s)
		}
		i += end + 1
	}
	if rest, found := strings.CutPrefix(s[i:], "<![CDATA["); found {
		i += len("<![CDATA[")
		if end := strings.Index(rest, "]]>"); end >= 0 {
			return i, i + end
		}
		return i, len(s)
	}
	if end := strings.IndexByte(s[i:], '<'); end >= 0 {
		return i, i + end
	}
	return i, len(s)
}

// serialised returns the bounds of a value in PHP's serialised form, from its
// type letter.
func serialised(s string, i int) (int, int) {
	if s[i] == 's' {
		if quote := strings.IndexByte(s[i:], '"'); quote >= 0 {
			from := i + quote + 1
			if end := strings.Index(s[from:], `";`); end >= 0 {
				return from, from + end
			}
			return from, len(s)
		}
	}
	if end := strings.IndexByte(s[i:], ';'); end >= 0 {
		return i, i + end
	}
	return i, len(s)
}

// part returns the bounds of the content of a multipart part, from behind the
// name in its header.
func part(s string, i int) (int, int) {
	blank, skip := strings.Index(s[i:], "\r\n\r\n"), 4
	if lf := strings.Index(s[i:], "\n\n"); lf >= 0 && (blank < 0 || lf < blank) {
		blank, skip = lf, 2
	}
	if blank < 0 || blank > 1024 {
		return 0, 0
	}
	from := i + blank + skip
	if end := strings.Index(s[from:], "\n--"); end >= 0 {
		return from, from + len(strings.TrimSuffix(s[from:from+end], "\r"))
	}
	return from, len(s)
}
