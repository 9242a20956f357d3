package exclude

import (
	"errors"
	"fmt"
	"strings"
)

// shape is a path with holes. Between slashes stand literal text, "*" for any
// run of characters of that segment (at least one), or "{n}" for digits; a last
// segment of "**" is whatever follows, including nothing.
type shape struct {
	segments []string
	open     bool // ends in "**"
	doubled  bool // has an empty segment, as the ids of WordPress's templates do
}

func parseShape(s string) (shape, error) {
	if s == "" {
		return shape{}, nil
	}
	if s[0] != '/' {
		return shape{}, fmt.Errorf("path %q does not begin with a slash", s)
	}
	if strings.ContainsAny(s, "?#") {
		return shape{}, fmt.Errorf("path %q has a query; a path shape is compared with the path alone", s)
	}
	sh := shape{segments: strings.Split(s[1:], "/")}
	if last := len(sh.segments) - 1; sh.segments[last] == "**" {
		sh.segments, sh.open = sh.segments[:last], true
	}
	sh.doubled = strings.Contains(s, "//")
	for _, seg := range sh.segments {
		if strings.Contains(seg, "**") {
			return shape{}, errors.New(`"**" stands only as the last segment of a path`)
		}
		if i := strings.IndexByte(seg, '{'); i >= 0 && !strings.HasPrefix(seg[i:], "{n}") {
			return shape{}, fmt.Errorf(`path %q: the only name in braces is {n}, for digits`, s)
		}
	}
	if plain, ok := Normal(strings.NewReplacer("{n}", "0", "**", "x", "*", "x", "//", "/x/").Replace(s)); !ok || plain == "" {
		return shape{}, fmt.Errorf("path %q is not in its plain form: no dots, no doubled slashes, no escapes of plain characters", s)
	}
	return sh, nil
}

// covers reports whether the shape is that of a raw path, which is in its plain
// form when unambiguous. A path with a doubled slash is never in its plain form
// and fits only a shape that has one in the same place.
func (sh shape) covers(raw string, unambiguous bool) bool {
	if sh.any() {
		return true
	}
	if sh.doubled {
		if strings.Count(raw, "//") != 1 || strings.HasPrefix(raw, "//") {
			return false
		}
		if _, plain := Normal(strings.Replace(raw, "//", "/", 1)); !plain {
			return false
		}
		return sh.match(raw)
	}
	return unambiguous && sh.match(raw)
}

func (sh shape) any() bool { return sh.segments == nil && !sh.open }

// match compares a path in its plain form.
func (sh shape) match(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	rest := path[1:]
	for i, want := range sh.segments {
		seg, after, more := strings.Cut(rest, "/")
		if !matchSegment(want, seg) {
			return false
		}
		last := i == len(sh.segments)-1
		switch {
		case !more:
			return last && !sh.open // an open shape needs the slash before what it leaves open
		case last && !sh.open:
			return false
		}
		rest = after
	}
	return sh.open
}

func matchSegment(want, seg string) bool {
	for {
		hole := strings.IndexAny(want, "*{")
		if hole < 0 {
			return want == seg
		}
		if !strings.HasPrefix(seg, want[:hole]) {
			return false
		}
		seg = seg[hole:]
		if want[hole] == '{' {
			n := 0
			for n < len(seg) && seg[n] >= '0' && seg[n] <= '9' {
				n++
			}
			if n == 0 {
				return false
			}
			want, seg = want[hole+len("{n}"):], seg[n:]
			continue
		}
		want = want[hole+1:]
		for n := 1; n <= len(seg); n++ {
			if matchSegment(want, seg[n:]) {
				return true
			}
		}
		return false
	}
}

// Normal returns the path in its plain form and whether every reader would take
// the raw path for that one. It is false when the raw path has dot segments,
// doubled slashes, backslashes, control bytes, or escapes of characters that
// need none: each is a way to be another path for the upstream than for whoever
// compares, and so to borrow an exclusion.
func Normal(raw string) (string, bool) {
	if raw == "" || raw[0] != '/' {
		return "", false
	}
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c <= ' ' || c == 0x7f || c == '\\' || c == ';' || c == '#' || c == '?':
			return "", false
		case c == '/' && i > 0 && raw[i-1] == '/':
			return "", false
		case c == '.' && raw[i-1] == '/':
			if rest := raw[i+1:]; rest == "" || rest[0] == '/' || rest == "." || strings.HasPrefix(rest, "./") {
				return "", false
			}
		case c == '%':
			if i+2 >= len(raw) {
				return "", false
			}
			b, ok := unhex(raw[i+1], raw[i+2])
			if !ok || b < 0x80 && plainInPath(b) {
				return "", false
			}
		}
	}
	return raw, true
}

// plainInPath reports whether an ASCII byte has no business being escaped in a
// path, or a dangerous one.
func plainInPath(b byte) bool {
	switch {
	case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9':
		return true
	case b < ' ' || b == 0x7f:
		return true
	}
	return strings.IndexByte(`-._~/\;%?#`, b) >= 0
}

func unhex(hi, lo byte) (byte, bool) {
	h, ok1 := hexDigit(hi)
	l, ok2 := hexDigit(lo)
	return h<<4 | l, ok1 && ok2
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
