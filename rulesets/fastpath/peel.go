package fastpath

import "strings"

// The last transformations of a chain often only take characters out or change
// them one by one: removeWhitespace, cmdLine, lowercase. A pattern is searched
// for in their result without making it, by searching for a blunter pattern in
// the text before them: one that lets the characters that may be taken out stand
// anywhere, and that accepts whatever becomes a character in its place. Only
// when that is found is the transformation carried out.

// dialect says how the bytes of a text stand for what a pattern is written in.
type dialect struct {
	latin1 bool      // one rune is one byte; others never match
	exact  bool      // the text is UTF-8: runes above ASCII are told apart
	blunt  bool      // image and skip hold; assertions are taken as true
	image  [256]byte // what a byte may become
	skip   byteSet   // bytes that may be taken out
	runes  bool      // letters are lowered as runes, not as bytes
	blank  bool      // bytes 85 and A0 may become a space
}

// peel is the part of a chain that need not be carried out to search.
type peel struct {
	base   *chainNode
	forbid mask                  // kinds of byte with which it does not hold
	fits   []func(s string) bool // further conditions on the text
	d      dialect
}

func (p *peel) holds(t *text) bool {
	if t.mask&p.forbid != 0 {
		return false
	}
	for _, f := range p.fits {
		if !f(t.s) {
			return false
		}
	}
	return true
}

// eraser is a transformation that only takes bytes out and changes them one by
// one.
type eraser struct {
	skip  string
	high  bool // may take out any byte above ASCII too
	image func(byte) byte
	runes bool
	blank bool
	fits  func(s string) bool
}

const blanks = "\t\n\v\f\r "

var erasers = map[string]eraser{
	"lowercase":          {image: lowerByte, runes: true},
	"removewhitespace":   {skip: blanks, high: true},
	"compresswhitespace": {skip: blanks, high: true, image: blankToSpace, blank: true},
	"cmdline":            {skip: "\"'\\^ ,;\t\r\n", image: cmdLineByte},
	"removecommentschar": {skip: "/*<!->#"},
	"normalizepath":      {skip: "/.", fits: simplePath},
	"normalizepathwin":   {skip: `/.\ `, image: slashed, fits: simplePathWin},
	"trim":               {skip: blanks},
	"trimleft":           {skip: blanks},
	"trimright":          {skip: blanks},
}

// lenient are transformations that leave a text alone which lacks the bytes
// they look for, whatever erasers do to it before.
var lenient = map[string]bool{
	"urldecode": true, "urldecodeuni": true, "htmlentitydecode": true, "jsdecode": true,
	"cssdecode": true, "escapeseqdecode": true, "removenulls": true, "replacenulls": true,
}

func blankToSpace(b byte) byte {
	if strings.IndexByte(blanks, b) >= 0 {
		return ' '
	}
	return b
}

func cmdLineByte(b byte) byte {
	if strings.IndexByte(",;\t\r\n", b) >= 0 {
		return ' '
	}
	return lowerByte(b)
}

func slashed(b byte) byte {
	if b == '\\' {
		return '/'
	}
	return b
}

// simplePath reports whether cleaning a path takes out nothing but slashes and
// dots.
func simplePath(s string) bool { return s != "/" && !strings.Contains(s, "..") }

// simplePathWin is simplePath where a colon cuts off the rest of the last part.
func simplePathWin(s string) bool {
	if s == "" {
		return true
	}
	last := s[len(s)-1]
	return len(s) > 1 && !strings.Contains(s, "..") && (last != '/' && last != '\\' || strings.IndexByte(s, ':') < 0)
}

// peelOf returns what can be peeled off the end of a chain; nil when nothing.
func peelOf(n *chainNode) *peel {
	p := &peel{d: dialect{blunt: true}}
	for b := range p.d.image {
		p.d.image[b] = byte(b)
	}
	var forbid mask
	var fits []func(string) bool
	comments := false
	for ; n.parent != nil; n = n.parent {
		e, ok := erasers[n.name]
		switch {
		case ok && !n.foreign:
			p.d = p.d.after(e)
			p.base, p.forbid = n.parent, forbid
			if e.fits != nil {
				fits = append(fits, e.fits)
			}
			if comments {
				fits = append(fits, func(s string) bool { return strings.IndexByte(s, '*') < 0 })
			}
			p.fits = fits
			continue
		case lenient[n.name] && !n.foreign:
			forbid |= n.tr.needs
			continue
		case n.name == "replacecomments" && !n.foreign:
			fits = append(fits, func(s string) bool { return !strings.Contains(s, "/*") })
			comments = true
			continue
		}
		break
	}
	if p.base == nil {
		return nil
	}
	return p
}

// after is the dialect of a text to which e is applied before what d knows of.
func (d dialect) after(e eraser) dialect {
	out := d
	out.skip = byteSet{}
	for b := range 256 {
		img := byte(b)
		if e.image != nil {
			img = e.image(img)
		}
		out.image[b] = d.image[img]
		if d.skip.has(img) || strings.IndexByte(e.skip, byte(b)) >= 0 || e.high && b >= 0x80 {
			out.skip.add(byte(b))
		}
	}
	out.runes = d.runes || e.runes
	out.blank = d.blank || e.blank
	return out
}

// raw maps a set of bytes of the result to the bytes that may become one.
func (d *dialect) raw(s byteSet) byteSet {
	if !d.blunt {
		return s
	}
	var out byteSet
	for b := range 256 {
		if s.has(d.image[b]) {
			out.add(byte(b))
		}
	}
	if d.blank && s.has(' ') {
		out.add(0x85)
		out.add(0xa0)
	}
	return out
}
