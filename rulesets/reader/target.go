package reader

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// readTarget splits the target and derives the forms of its path. The request
// line's framing was checked by whoever read it; what is refused here is what
// two servers would resolve to different files.
func (r *Request) readTarget() error {
	t := r.Target
	plain := t != "" && t[0] == '/'
	inQuery := false
	for i := 0; i < len(t); i++ {
		switch c := t[i]; {
		case c <= ' ' || c == 0x7f:
			return ambiguous("target-control-character", "a control character or space in the request target")
		case c == '#':
			return ambiguous("target-fragment", "a fragment in the request target")
		case c >= utf8.RuneSelf:
			// The same bytes for nginx and PHP. What is a control character in
			// Latin-1 or in UTF-8 is none of a letter's.
			letter, n := utf8.DecodeRuneInString(t[i:])
			if c < 0xa0 || letter >= 0x80 && letter < 0xa0 {
				return ambiguous("target-control-character", "a control character or space in the request target")
			}
			i += n - 1
			plain = plain && inQuery
		case c == '?':
			inQuery = true
		case inQuery:
		case c == '\\':
			return ambiguous("target-backslash", "a backslash in the path")
		case !plainPath[c] || c == '/' && i > 0 && t[i-1] == '/':
			plain = false
		}
	}
	path, query, hasQuery := strings.Cut(t, "?")
	r.Query = query
	if path == "*" || path != "" && path[0] == '/' {
		r.Path = path
	} else if scheme := strings.Index(path, "://"); scheme > 0 {
		rest := path[scheme+3:]
		if slash := strings.IndexByte(rest, '/'); slash >= 0 {
			r.Path = rest[slash:]
		} else {
			r.Path = "/"
		}
		plain = false
	} else {
		return ambiguous("target-form", "a request target that is neither a path nor a URL")
	}
	if plain {
		r.URI, r.Filename = t, path
		if !hasDotSegment(path) {
			r.Clean = path
			return nil
		}
		r.Clean = cleanPath(path)
		return nil
	}
	decoded, err := decodePath(r.Path)
	if err != nil {
		return err
	}
	r.Clean = cleanPath(decoded)
	u, uerr := url.ParseRequestURI(t)
	if uerr != nil {
		return ambiguous("target-form", "a request target that cannot be parsed")
	}
	r.Filename = u.Path
	r.URI = u.String()
	if !hasQuery {
		r.Query = u.RawQuery
	}
	return nil
}

// plainPath holds the bytes of a path that mean themselves however often the
// path is decoded and encoded.
var plainPath = func() (t [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/" {
		t[c] = true
	}
	return t
}()

// decodePath percent-decodes a path once.
func decodePath(p string) (string, error) {
	for i := 0; i < len(p); i++ {
		if p[i] != '%' {
			continue
		}
		if i+2 >= len(p) || hex[p[i+1]] > 15 || hex[p[i+2]] > 15 {
			return "", ambiguous("target-escape", "a percent sign without two hexadecimal digits in the path")
		}
		if p[i+1] == '0' && p[i+2] == '0' {
			return "", ambiguous("target-nul", "an encoded NUL in the path")
		}
	}
	var text arena
	return text.unescape(p, false), nil
}

func hasDotSegment(p string) bool {
	return strings.Contains(p, "/./") || strings.Contains(p, "/../") || strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..")
}

// cleanPath resolves a decoded path as nginx and Apache do: runs of slashes are
// one, dot segments are resolved and never climb above the root. A trailing
// slash stays.
func cleanPath(p string) string {
	out := make([]byte, 0, len(p)+1)
	for p != "" {
		var segment string
		p = strings.TrimLeft(p, "/")
		slash := strings.IndexByte(p, '/')
		if slash < 0 {
			segment, p = p, ""
		} else {
			segment, p = p[:slash], p[slash:]
		}
		switch segment {
		case "..":
			out = parent(out)
			if p == "" {
				out = append(out, '/')
			}
		case ".":
			if p == "" {
				out = append(out, '/')
			}
		default:
			out = append(out, '/')
			out = append(out, segment...)
		}
	}
	if len(out) == 0 {
		return "/"
	}
	return string(out)
}

// parent cuts the last segment off.
func parent(p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] == '/' {
			return p[:i]
		}
	}
	return p[:0]
}
