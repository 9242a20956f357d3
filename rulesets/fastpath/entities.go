package fastpath

import (
	"strings"

	"golang.org/x/net/html"
)

// entities are the characters that pages name most.
var entities = map[string]string{
	"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": "\"", "&#39;": "'", "&#039;": "'", "&#34;": "\"", "&nbsp;": "\u00a0",
}

// htmlEntityDecode is html.UnescapeString. What an ampersand begins depends on
// nothing but the letters and digits behind it and the semicolon behind those.
func htmlEntityDecode(a *arena, s string) string {
	out := a.take(len(s) + 8)
	for i := 0; ; {
		n := strings.IndexByte(s[i:], '&')
		if n < 0 {
			return a.keep(append(out, s[i:]...), s)
		}
		out = append(out, s[i:i+n]...)
		i += n
		end := i + 1
		if end < len(s) && s[end] == '#' {
			end++
		}
		for end < len(s) && alphanumeric(s[end]) {
			end++
		}
		if end < len(s) && s[end] == ';' {
			end++
		}
		name := s[i:end]
		text, known := entities[name]
		switch {
		case known:
		case len(name) == 1:
			text = name
		default:
			text = html.UnescapeString(name)
		}
		out = append(out, text...)
		i = end
	}
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
