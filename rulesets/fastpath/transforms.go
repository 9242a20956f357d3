package fastpath

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
	"unsafe"
)

// mask says which kinds of byte a text holds. Most transformations leave a text
// alone that lacks the bytes they look for, and one pass over a text answers
// that for all of them.
type mask uint32

const (
	hasPercent mask = 1 << iota // % and +
	hasBackslash
	hasAmp
	hasUpper
	hasHigh // above ASCII
	hasNull
	hasSpace // tab, newline, vertical tab, form feed, carriage return, space
	hasSlash
	hasComment // * - < #
	hasShell   // " ' ^ , ; (
	hasDot
	hasColon
	hasAny // set for every text
)

var masks = func() (t [256]mask) {
	for b := range t {
		switch c := byte(b); {
		case c >= utf8.RuneSelf:
			t[b] = hasHigh
		case 'A' <= c && c <= 'Z':
			t[b] = hasUpper
		case c == '%' || c == '+':
			t[b] = hasPercent
		case c == '\\':
			t[b] = hasBackslash
		case c == '&':
			t[b] = hasAmp
		case c == 0:
			t[b] = hasNull
		case c == ' ' || '\t' <= c && c <= '\r':
			t[b] = hasSpace
		case c == '/':
			t[b] = hasSlash
		case strings.IndexByte("*-<#", c) >= 0:
			t[b] = hasComment
		case strings.IndexByte(`"'^,;(`, c) >= 0:
			t[b] = hasShell
		case c == '.':
			t[b] = hasDot
		case c == ':':
			t[b] = hasColon
		}
	}
	return t
}()

func maskOf(s string) mask {
	m := hasAny
	for i := 0; i < len(s); i++ {
		m |= masks[s[i]]
	}
	return m
}

// transformation is one t: action. It changes no text whose mask lacks all of
// needs. quiet, where it is not nil, tells when Coraza may report no change
// although there is one, which matters to multiMatch.
type transformation struct {
	needs mask
	apply func(a *arena, s string) string
	quiet func(before, after string) bool
	calm  func(before string) bool // quiet is false for sure
}

// wrap makes a transformation of one that Coraza calls. A result that comes
// with an error is not used, as there.
func (t Transformation) wrap() transformation {
	w := transformation{needs: hasAny, apply: func(a *arena, s string) string {
		if t.Append != nil {
			if out, changed := t.Append(a.take(len(s)+8), s); changed {
				return a.keep(out, s)
			}
			return s
		}
		out, _, err := t.Apply(s)
		if err != nil {
			return s
		}
		return out
	}, quiet: func(before, after string) bool {
		_, changed, err := t.Apply(before)
		return !changed && err == nil
	}}
	if t.ASCII {
		w.needs = hasHigh
	}
	return w
}

func sameLength(before, after string) bool { return len(before) == len(after) }
func badUTF8(before, _ string) bool        { return !utf8.ValidString(before) }

// transformations by name, as Coraza 3.8 implements them. One that is missing
// here makes its rule one that is not understood.
func transformations(bestFit *[1 << 16]byte) map[string]transformation {
	return map[string]transformation{
		"lowercase":          {needs: hasUpper | hasHigh, apply: lowercase},
		"uppercase":          {needs: hasAny, apply: func(_ *arena, s string) string { return strings.ToUpper(s) }},
		"urldecode":          {needs: hasPercent, apply: urlDecode},
		"urldecodeuni":       {needs: hasPercent, apply: func(a *arena, s string) string { return urlDecodeUni(a, s, bestFit) }},
		"utf8tounicode":      {needs: hasHigh, apply: utf8ToUnicode},
		"htmlentitydecode":   {needs: hasAmp, apply: htmlEntityDecode, quiet: sameLength},
		"jsdecode":           {needs: hasBackslash, apply: jsDecode},
		"cssdecode":          {needs: hasBackslash, apply: cssDecode},
		"escapeseqdecode":    {needs: hasBackslash, apply: escapeSeqDecode},
		"removenulls":        {needs: hasNull, apply: func(_ *arena, s string) string { return strings.ReplaceAll(s, "\x00", "") }},
		"replacenulls":       {needs: hasNull, apply: func(_ *arena, s string) string { return strings.ReplaceAll(s, "\x00", " ") }},
		"removewhitespace":   {needs: hasSpace | hasHigh, apply: removeWhitespace, quiet: badUTF8, calm: utf8.ValidString},
		"compresswhitespace": {needs: hasSpace | hasHigh, apply: compressWhitespace},
		"cmdline":            {needs: hasUpper | hasBackslash | hasSpace | hasSlash | hasShell, apply: cmdLine},
		"normalizepath":      {needs: hasSlash | hasDot, apply: normalizePath},
		"normalizepathwin":   {needs: hasSlash | hasDot | hasBackslash | hasColon | hasSpace, apply: normalizePathWin},
		"replacecomments":    {needs: hasComment, apply: replaceComments},
		"removecomments":     {needs: hasComment, apply: removeComments},
		"removecommentschar": {needs: hasComment, apply: removeCommentsChar},
		"base64decode":       {needs: hasAny, apply: func(a *arena, s string) string { return base64Decode(a, s, false) }},
		"base64decodeext":    {needs: hasAny, apply: func(a *arena, s string) string { return base64Decode(a, s, true) }},
		"base64encode":       {needs: hasAny, apply: func(_ *arena, s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }},
		"hexencode":          {needs: hasAny, apply: func(_ *arena, s string) string { return hex.EncodeToString([]byte(s)) }},
		"length":             {needs: hasAny, apply: func(_ *arena, s string) string { return strconv.Itoa(len(s)) }},
		"md5":                {needs: hasAny, apply: func(_ *arena, s string) string { h := md5.Sum([]byte(s)); return string(h[:]) }},
		"sha1":               {needs: hasAny, apply: func(_ *arena, s string) string { h := sha1.Sum([]byte(s)); return string(h[:]) }},
		"trim":               {needs: hasSpace, apply: func(_ *arena, s string) string { return strings.Trim(s, trimSet) }},
		"trimleft":           {needs: hasSpace, apply: func(_ *arena, s string) string { return strings.TrimLeft(s, trimSet) }},
		"trimright":          {needs: hasSpace, apply: func(_ *arena, s string) string { return strings.TrimRight(s, trimSet) }},
	}
}

const trimSet = " \t\n\r\f\v"

// arena holds the results of transformations until a judgement ends. It keeps
// about as much memory as the last judgements needed, within a bound.
type arena struct {
	buf  []byte
	used int // by this judgement
}

const (
	arenaChunk = 16 << 10
	arenaKeep  = 8 << 20
)

// take returns an empty slice with room for n bytes.
func (a *arena) take(n int) []byte {
	if cap(a.buf)-len(a.buf) < n {
		a.buf = make([]byte, 0, max(n, arenaChunk, min(a.used, arenaKeep)))
	}
	return a.buf[len(a.buf):len(a.buf):cap(a.buf)]
}

// keep makes b, which take returned and appends filled, a string. When it is
// equal to what it was made of, its space is free again.
func (a *arena) keep(b []byte, from string) string {
	if string(b) == from {
		return from
	}
	if end := len(a.buf) + len(b); end <= cap(a.buf) && unsafe.SliceData(a.buf[:end][len(a.buf):]) == unsafe.SliceData(b) {
		a.buf = a.buf[:end]
	}
	a.used += len(b)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func (a *arena) reset() {
	if a.used > cap(a.buf) && cap(a.buf) < arenaKeep {
		a.buf = make([]byte, 0, min(a.used+a.used/4, arenaKeep))
	}
	a.buf, a.used = a.buf[:0], 0
}

const notHex = 0xff

var hexValue = func() (t [256]byte) {
	for b := range t {
		switch c := byte(b); {
		case '0' <= c && c <= '9':
			t[b] = c - '0'
		case 'a' <= c && c <= 'f':
			t[b] = c - 'a' + 10
		case 'A' <= c && c <= 'F':
			t[b] = c - 'A' + 10
		default:
			t[b] = notHex
		}
	}
	return t
}()

// hexPair is the byte that the two digits at s[i:] spell.
func hexPair(s string, i int) (byte, bool) {
	if i+1 >= len(s) {
		return 0, false
	}
	hi, lo := hexValue[s[i]], hexValue[s[i+1]]
	return hi<<4 | lo&15, hi != notHex && lo != notHex
}

func hexQuad(s string, i int) (int, bool) {
	hi, ok := hexPair(s, i)
	lo, ok2 := hexPair(s, i+2)
	return int(hi)<<8 | int(lo), ok && ok2
}

// lowercase lowers a text rune by rune; bytes that are no UTF-8 become U+FFFD,
// but only where there is anything above ASCII to look at.
func lowercase(a *arena, s string) string {
	out := a.take(len(s) + len(s)/8 + utf8.UTFMax)
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			out = append(out, lowerByte(c))
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case 'а' <= r && r <= 'я':
		case 'А' <= r && r <= 'Я':
			r += 'а' - 'А'
		default:
			r = unicode.ToLower(r)
		}
		out = utf8.AppendRune(out, r)
		i += n
	}
	return a.keep(out, s)
}

// urlDecode decodes %HH and +; what is no escape stays.
func urlDecode(a *arena, s string) string {
	out := a.take(len(s))
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '+':
			out = append(out, ' ')
			continue
		case '%':
			if b, ok := hexPair(s, i+1); ok {
				out = append(out, b)
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return a.keep(out, s)
}

// urlDecodeUni is urlDecode with %uHHHH, folded to one byte by bestFit.
func urlDecodeUni(a *arena, s string, bestFit *[1 << 16]byte) string {
	out := a.take(len(s))
	for i := 0; i < len(s); {
		n := i
		for n < len(s) && s[n] != '%' && s[n] != '+' {
			n++
		}
		out = append(out, s[i:n]...)
		if i = n; i == len(s) {
			break
		}
		if s[i] == '+' {
			out = append(out, ' ')
			i++
			continue
		}
		if i+1 < len(s) && s[i+1]|0x20 == 'u' {
			if code, ok := hexQuad(s, i+2); ok {
				out = append(out, bestFit[code])
				i += 6
				continue
			}
			out = append(out, s[i], s[i+1])
			i += 2
			continue
		}
		if b, ok := hexPair(s, i+1); ok {
			out = append(out, b)
			i += 3
			continue
		}
		out = append(out, '%')
		i++
	}
	return a.keep(out, s)
}

// utf8ToUnicode writes what is above ASCII as %uhhhh; bytes that are no UTF-8
// become %ufffd.
func utf8ToUnicode(a *arena, s string) string {
	const digits = "0123456789abcdef"
	out := a.take(3 * len(s))
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			out = append(out, byte(r))
		case r <= 0xffff:
			out = append(out, '%', 'u', digits[r>>12], digits[r>>8&15], digits[r>>4&15], digits[r&15])
		default:
			out = append(out, '%', 'u')
			out = strconv.AppendUint(out, uint64(r), 16)
		}
	}
	return a.keep(out, s)
}

// cmdLine undoes what a shell lets an attacker write in many ways: quotes,
// carets and backslashes go, separators become one space, none before a slash
// or a parenthesis, letters are lowered.
func cmdLine(a *arena, s string) string {
	out := a.take(len(s))
	blank := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\'', '\\', '^':
		case ' ', ',', ';', '\t', '\r', '\n':
			if !blank {
				out = append(out, ' ')
			}
			blank = true
		case '/', '(':
			if blank {
				out = out[:len(out)-1]
			}
			out = append(out, c)
			blank = false
		default:
			out = append(out, lowerByte(c))
			blank = false
		}
	}
	return a.keep(out, s)
}

// replaceComments makes every /* … */ one space; one that is left open ends the
// text.
func replaceComments(a *arena, s string) string {
	if !strings.Contains(s, "/*") {
		return s
	}
	whole := s
	out := a.take(len(s))
	for {
		n := strings.Index(s, "/*")
		if n < 0 {
			return a.keep(append(out, s...), whole)
		}
		out = append(append(out, s[:n]...), ' ')
		s = s[n+2:]
		if n = strings.Index(s, "*/"); n < 0 {
			return a.keep(out, whole)
		}
		s = s[n+2:]
	}
}

// removeComments takes comments out. As in Coraza the byte after the end of a
// comment is copied without being looked at, and "--" or "#" ends the text.
func removeComments(a *arena, s string) string {
	out := a.take(len(s) + 1)
	at := func(i int) byte {
		if i < len(s) {
			return s[i]
		}
		return 0
	}
	inside := false
	for i := 0; i < len(s); {
		rest := s[i:]
		switch {
		case inside && strings.HasPrefix(rest, "*/"):
			inside = false
			out = append(out, at(i+2))
			i += 3
		case inside && strings.HasPrefix(rest, "-->"):
			inside = false
			out = append(out, at(i+3))
			i += 4
		case inside:
			i++
		case strings.HasPrefix(rest, "/*"):
			inside = true
			i += 2
		case strings.HasPrefix(rest, "<!--"):
			inside = true
			i += 4
		case strings.HasPrefix(rest, "--"), rest[0] == '#':
			return a.keep(out, s)
		default:
			out = append(out, s[i])
			i++
		}
	}
	if inside {
		out = append(out, ' ')
	}
	return a.keep(out, s)
}

func removeCommentsChar(a *arena, s string) string {
	out := a.take(len(s))
	for i := 0; i < len(s); {
		if masks[s[i]]&(hasComment|hasSlash) == 0 {
			out = append(out, s[i])
			i++
			continue
		}
		rest := s[i:]
		switch {
		case strings.HasPrefix(rest, "/*"), strings.HasPrefix(rest, "*/"):
			i += 2
		case strings.HasPrefix(rest, "<!--"):
			i += 4
		case strings.HasPrefix(rest, "-->"):
			i += 3
		case strings.HasPrefix(rest, "--"):
			i += 2
		case rest[0] == '#':
			i++
		default:
			out = append(out, s[i])
			i++
		}
	}
	return a.keep(out, s)
}
