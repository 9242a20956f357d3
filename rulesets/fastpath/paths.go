package fastpath

import (
	"bytes"
	"strings"
)

// normalizePath is path.Clean, but keeps a slash at the end and makes nothing
// of a path that says nothing.
func normalizePath(a *arena, s string) string {
	if s == "" {
		return s
	}
	return a.keep(cleanPath(a.take(len(s)+1), s, false), s)
}

// cleanPath appends a normalized path to out, which is empty. With windows a
// backslash is a slash.
func cleanPath(out []byte, s string, windows bool) []byte {
	slash := func(c byte) bool { return c == '/' || windows && c == '\\' }
	rooted := slash(s[0])
	above := 0 // what cannot be gone back over
	if rooted {
		out, above = append(out, '/'), 1
	}
	for i := 0; i < len(s); {
		part := s[i:]
		if n := strings.IndexByte(part, '/'); n >= 0 {
			part = part[:n]
		}
		if windows {
			if n := strings.IndexByte(part, '\\'); n >= 0 {
				part = part[:n]
			}
		}
		i += len(part) + 1
		switch {
		case part == "" || part == ".":
		case part != "..":
			if rooted && len(out) != 1 || !rooted && len(out) != 0 {
				out = append(out, '/')
			}
			out = append(out, part...)
		case len(out) > above:
			out = out[:max(above, bytes.LastIndexByte(out, '/'))]
		case !rooted:
			if len(out) > 0 {
				out = append(out, '/')
			}
			out = append(out, '.', '.')
			above = len(out)
		}
	}
	if slash(s[len(s)-1]) && len(out) > 0 {
		out = append(out, '/')
	}
	return out
}

// normalizePathWin is normalizePath for Windows: backslashes are slashes, a
// stream name after a colon of the last part goes, dots and blanks at the end of
// a part go.
func normalizePathWin(a *arena, s string) string {
	if s == "" {
		return s
	}
	out := cleanPath(a.take(len(s)+1), s, true)
	from := 0
	if len(out) >= 2 && out[1] == ':' && 'a' <= lowerByte(out[0]) && lowerByte(out[0]) <= 'z' {
		from = 2 // behind the drive
	}
	end := len(out)
	if end > from && out[end-1] == '/' {
		end--
	}
	last := from + bytes.LastIndexByte(out[from:end], '/') + 1
	if colon := bytes.IndexByte(out[last:end], ':'); colon >= 0 {
		out = append(out[:last+colon], out[end:]...)
	}
	return a.keep(trimParts(out), s)
}

// trimParts takes dots and blanks off the end of each part of a path, in place.
// A part of dots stays, one of which nothing is left goes.
func trimParts(s []byte) []byte {
	out := s[:0]
	first := true
	for rest := s; rest != nil; {
		part := rest
		if n := bytes.IndexByte(rest, '/'); n >= 0 {
			part, rest = rest[:n], rest[n+1:]
		} else {
			rest = nil
		}
		kept := bytes.TrimRight(part, ". ")
		if len(kept) == 0 && len(bytes.TrimLeft(part, ".")) == 0 {
			kept = part
		} else if len(kept) == 0 {
			continue
		}
		if !first {
			out = append(out, '/')
		}
		out, first = append(out, kept...), false
	}
	return out
}
