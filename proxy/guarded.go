package proxy

import (
	"slices"
	"strings"
)

// The rule of this file: a path is guarded when any server between here and PHP
// could take it for a guarded one. What is guarded too much costs a strange
// spelling a refusal; what is guarded too little opens the admin area.

// guarded are parts of a site.
type guarded struct {
	roots    []string // folded; the part of the whole site is "/"
	anywhere []string // folded, in any folder
	except   map[string]bool
}

func newGuarded(paths, except []string) guarded {
	g := guarded{except: map[string]bool{}}
	for _, p := range paths {
		below, anywhere := strings.CutPrefix(p, "*")
		below = fold("/" + strings.Trim(below, "/"))
		if anywhere {
			g.anywhere = append(g.anywhere, below)
		} else {
			g.roots = append(g.roots, below)
		}
	}
	for _, p := range except {
		g.except[p] = true
	}
	return g
}

// has reports whether a path as it came belongs to the parts. Exceptions hold
// for the one spelling they are written in.
func (g *guarded) has(raw string) bool {
	if g.except[raw] {
		return false
	}
	if slices.Contains(g.roots, "/") {
		return true
	}
	// Some servers in front of PHP decode once more than they should.
	for p, again := raw, 0; ; again++ {
		for _, r := range readings {
			if g.touches(p, r) {
				return true
			}
		}
		next := decode(p)
		if again == 3 || next == p {
			return false
		}
		p = next
	}
}

// reading is one of the ways to read a segment.
type reading struct {
	bare    bool // what follows a semicolon are parameters, not the name
	lenient bool // names end as they do for Windows: "..:" and ".. " are ".."
}

var readings = []reading{{false, false}, {false, true}, {true, false}, {true, true}}

// touches reports whether a path, walked segment by segment, ever stands on one
// of the parts: what follows a script is PHP's, dot segments and all.
func (g *guarded) touches(p string, as reading) bool {
	var at []string
	for _, segment := range strings.FieldsFunc(p, func(r rune) bool { return r == '/' || r == '\\' }) {
		if as.bare {
			segment, _, _ = strings.Cut(segment, ";")
		}
		dots, name := segment, fold(segment)
		if as.lenient {
			dots, name = strings.TrimRight(cutName(segment), " "), fileName(segment)
		}
		switch {
		case dots == "..":
			at = at[:max(len(at)-1, 0)]
			continue
		case dots == "." || name == "":
			continue
		}
		at = append(at, name)
		if g.covers("/" + strings.Join(at, "/")) {
			return true
		}
	}
	return false
}

// covers reports whether a resolved path is one of the parts.
func (g *guarded) covers(p string) bool {
	return slices.Contains(g.roots, p) || slices.ContainsFunc(g.anywhere, func(part string) bool { return strings.HasSuffix(p, part) })
}

// fileName is a segment as a file system may read it: case folded, without what
// follows a NUL or a colon, and without dots and spaces at its end.
func fileName(segment string) string { return fold(strings.TrimRight(cutName(segment), ". ")) }

func cutName(segment string) string {
	if i := strings.IndexAny(segment, "\x00:"); i >= 0 {
		return segment[:i]
	}
	return segment
}

// fold makes letters that are the same to a file system the same: upper before
// lower, or the long s and the Kelvin sign stay what they are.
func fold(s string) string { return strings.ToLower(strings.ToUpper(s)) }

// decode takes percent-encoding off once.
func decode(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2]); hi|lo < 16 {
				b.WriteByte(hi<<4 | lo)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// hexDigit is the value of a hexadecimal digit, 16 for any other byte.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 16
}
