package surface

import (
	"path"
	"strings"
)

// script returns the path of the PHP file that a server may run for a raw
// request path: up to the first segment that is PHP by any of its extensions,
// since what follows may be PATH_INFO. It is empty for every other path.
func script(raw string) string {
	if !strings.ContainsAny(raw, "%.") {
		return ""
	}
	p := raw
	// Twice: some servers in front of PHP decode once more than they should.
	for range 2 {
		if strings.IndexByte(p, '%') < 0 {
			break
		}
		p = unescape(p)
	}
	if !mayBePHP(p) {
		return ""
	}
	if strings.Contains(p, "//") || strings.Contains(p, "/.") || strings.IndexByte(p, '\\') >= 0 {
		p = path.Clean("/" + strings.ReplaceAll(p, `\`, "/"))
	}
	for at := 0; at < len(p); {
		end := strings.IndexByte(p[at+1:], '/')
		if end < 0 {
			end = len(p)
		} else {
			end += at + 1
		}
		if isPHP(p[at+1 : end]) {
			return p[:end]
		}
		at = end
	}
	return ""
}

// mayBePHP is the cheap look that spares every other path the rest: all PHP
// extensions begin with ".ph".
func mayBePHP(p string) bool {
	for i := 0; i+2 < len(p); i++ {
		if p[i] == '.' && p[i+1]|0x20 == 'p' && p[i+2]|0x20 == 'h' {
			return true
		}
	}
	return false
}

// isPHP reports whether one of a file name's extensions is PHP's: servers that
// map handlers by extension run shell.php.jpg too, and others stop reading at
// a NUL, a semicolon or a trailing dot.
func isPHP(name string) bool {
	_, rest, ok := strings.Cut(name, ".")
	for ok {
		var ext string
		ext, rest, ok = strings.Cut(rest, ".")
		if i := strings.IndexFunc(ext, func(r rune) bool {
			return r != '_' && r != '-' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
		}); i >= 0 {
			ext = ext[:i]
		}
		switch strings.ToLower(ext) {
		case "php", "php2", "php3", "php4", "php5", "php6", "php7", "php8", "phps", "pht", "phtm", "phtml", "phar":
			return true
		}
	}
	return false
}

func unescape(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := hex(s[i+1]), hex(s[i+2])
			if hi < 16 && lo < 16 {
				b.WriteByte(hi<<4 | lo)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func hex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 16
}

// fits reports whether p has the shape: "*" stands for characters of one
// segment, "{n}" for digits, a last "/**" for all that follows.
func fits(shape, p string) bool {
	if before, ok := strings.CutSuffix(shape, "/**"); ok {
		segments := strings.Count(before, "/")
		for i := range len(p) {
			if p[i] == '/' {
				if segments == 0 {
					return segment(before, p[:i])
				}
				segments--
			}
		}
		return false
	}
	return segment(shape, p)
}

// segment matches without "**".
func segment(shape, p string) bool {
	if shape == "" {
		return p == ""
	}
	if after, ok := strings.CutPrefix(shape, "{n}"); ok {
		n := 0
		for n < len(p) && '0' <= p[n] && p[n] <= '9' {
			n++
		}
		for ; n > 0; n-- {
			if segment(after, p[n:]) {
				return true
			}
		}
		return false
	}
	if shape[0] == '*' {
		for i := 0; ; i++ {
			if segment(shape[1:], p[i:]) {
				return true
			}
			if i == len(p) || p[i] == '/' {
				return false
			}
		}
	}
	return p != "" && p[0] == shape[0] && segment(shape[1:], p[1:])
}
