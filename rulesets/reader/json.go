package reader

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// maxDepth bounds nesting in JSON and XML.
	maxDepth = 64
	// structured is how many times more values than parameters a JSON or XML
	// body may hold: PHP's max_input_vars does not count them.
	structured = 4
	// jsonSyntax names the error of a text that PHP's json_decode refuses too.
	jsonSyntax = "json-syntax"
)

// jsonReader flattens a JSON text into parameters named as Coraza names them:
// {"a":[{"b":1}]} becomes json.a.0.b=1 and json.a=1, the length of the array.
// It keeps its own stack, so that no text can exhaust the goroutine's.
type jsonReader struct {
	s      string
	i      int
	loose  bool // as PHP: literals in any case
	path   []byte
	stack  []jsonFrame
	names  arena
	budget int // bytes of names and values still allowed
	lens   int
	args   []Arg
	max    int
}

// jsonFrame is one open object or array.
type jsonFrame struct {
	object bool
	path   int // length of the container's own path
	n      int // members read
	keys   []string
	seen   map[string]struct{}
}

// readJSON reads an RFC 8259 text. loose reads what json_decode accepts
// beyond it.
func (r *Request) readJSON(s string, loose bool) error {
	switch {
	case strings.HasPrefix(s, "\xef\xbb\xbf"):
		return ambiguous("json-bom", "a byte order mark before the JSON text")
	case looksWide(s):
		return unsupported("charset", "a JSON text in UTF-16 or UTF-32")
	case strings.Trim(s, " \t\r\n") == "":
		return nil
	case !utf8.ValidString(s):
		return ambiguous(jsonSyntax, "a JSON text that is not UTF-8")
	}
	p := jsonReader{s: s, loose: loose, path: append(make([]byte, 0, 64), "json"...), budget: 8*len(s) + 4096, max: structured * r.limits.Args, args: r.Post}
	err := p.text(len(r.Post))
	r.Post = p.args
	return err
}

func syntax(detail string) *Ambiguity { return ambiguous(jsonSyntax, detail) }

// text reads one value and nothing behind it.
func (p *jsonReader) text(base int) error {
	p.max += base
	p.space()
	if c := p.peek(); c != '{' && c != '[' {
		// A text that is a single value has the name of an array's first.
		p.path = append(p.path, ".0"...)
		if err := p.scalar(); err != nil {
			return err
		}
		p.path = p.path[:len("json")]
		if err := p.emit("1"); err != nil {
			return err
		}
	} else if err := p.open(); err != nil {
		return err
	}
	for len(p.stack) > 0 {
		if err := p.member(); err != nil {
			return err
		}
	}
	if p.space(); p.i < len(p.s) {
		return syntax("text behind the JSON value")
	}
	return nil
}

// member reads the next member of the innermost container, or its end.
func (p *jsonReader) member() error {
	f := &p.stack[len(p.stack)-1]
	p.space()
	c := p.peek()
	if f.object && c == '}' && f.n == 0 || !f.object && c == ']' && f.n == 0 {
		p.i++
		return p.close()
	}
	if f.n > 0 {
		p.i++
		switch {
		case f.object && c == '}' || !f.object && c == ']':
			return p.close()
		case c != ',':
			return syntax("no comma between members")
		}
		p.space()
	}
	p.path = append(p.path[:f.path], '.')
	if f.object {
		if p.peek() != '"' {
			return syntax("a member without a name")
		}
		key, err := p.str()
		if err != nil {
			return err
		}
		if !f.add(key) {
			return ambiguous("json-duplicate-key", "one name twice in a JSON object")
		}
		p.path = append(p.path, key...)
		if p.space(); p.peek() != ':' {
			return syntax("no colon behind a name")
		}
		p.i++
		p.space()
	} else {
		p.path = strconv.AppendInt(p.path, int64(f.n), 10)
	}
	f.n++
	if c := p.peek(); c == '{' || c == '[' {
		return p.open()
	}
	return p.scalar()
}

// add records a name and reports whether it is new in its object.
func (f *jsonFrame) add(key string) bool {
	if f.seen == nil {
		for _, k := range f.keys {
			if k == key {
				return false
			}
		}
		f.keys = append(f.keys, key)
		if len(f.keys) > 16 {
			f.seen = make(map[string]struct{}, 64)
			for _, k := range f.keys {
				f.seen[k] = struct{}{}
			}
		}
		return true
	}
	if _, ok := f.seen[key]; ok {
		return false
	}
	f.seen[key] = struct{}{}
	return true
}

func (p *jsonReader) open() error {
	if len(p.stack) == maxDepth {
		return ambiguous("json-depth", "a JSON text nested too deeply")
	}
	// Frames above the top keep the keys' memory of closed objects.
	if n := len(p.stack); n < cap(p.stack) {
		p.stack = p.stack[:n+1]
		p.stack[n] = jsonFrame{keys: p.stack[n].keys[:0]}
	} else {
		p.stack = append(p.stack, jsonFrame{})
	}
	f := &p.stack[len(p.stack)-1]
	f.object, f.path = p.s[p.i] == '{', len(p.path)
	p.i++
	return nil
}

func (p *jsonReader) close() error {
	f := &p.stack[len(p.stack)-1]
	p.path = p.path[:f.path]
	p.stack = p.stack[:len(p.stack)-1]
	if f.object || f.n == 0 {
		return nil
	}
	if p.lens++; p.lens > p.max {
		return tooManyArgs()
	}
	return p.emit(strconv.Itoa(f.n))
}

// emit adds a parameter under the present path. The bytes of all names and
// values stay in proportion to the text, however long the path is.
func (p *jsonReader) emit(value string) error {
	if len(p.args)-p.lens >= p.max {
		return tooManyArgs()
	}
	if p.budget -= len(p.path) + len(value); p.budget < 0 {
		return ambiguous("json-path-length", "names far longer than the JSON text")
	}
	from := p.names.Len()
	p.names.Write(p.path)
	p.args = append(p.args, Arg{p.names.String()[from:], value})
	return nil
}

// scalar reads a string, a number or a literal.
func (p *jsonReader) scalar() error {
	switch c := p.peek(); {
	case c == '"':
		s, err := p.str()
		if err != nil {
			return err
		}
		return p.emit(s)
	case c == '-' || c >= '0' && c <= '9':
		n := number(p.s[p.i:])
		if n == 0 {
			return syntax("a malformed number")
		}
		p.i += n
		return p.emit(p.s[p.i-n : p.i])
	}
	for _, word := range [...]string{"true", "false", "null"} {
		end := p.i + len(word)
		if end > len(p.s) {
			continue
		}
		if got := p.s[p.i:end]; got == word || p.loose && strings.EqualFold(got, word) {
			p.i = end
			if word == "null" {
				return p.emit("")
			}
			return p.emit(got)
		}
	}
	return syntax("neither a string, a number, an object, an array nor a literal")
}

// number returns the length of the number that s begins with, or 0.
func number(s string) int {
	i := 0
	digits := func() bool {
		from := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		return i > from
	}
	if s[0] == '-' {
		i++
	}
	if i < len(s) && s[i] == '0' {
		i++
	} else if !digits() {
		return 0
	}
	if i < len(s) && s[i] == '.' {
		if i++; !digits() {
			return 0
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return 0
		}
	}
	return i
}

// str reads a string; it points into the text when nothing is escaped.
func (p *jsonReader) str() (string, error) {
	from := p.i + 1
	for i := from; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '"':
			p.i = i + 1
			return p.s[from:i], nil
		case c == '\\':
			p.i = from
			return p.escaped(i)
		case c < ' ':
			return "", syntax("a control character in a string")
		}
	}
	return "", syntax("a string without its end")
}

// escaped reads on behind the first backslash of a string, which is at first.
func (p *jsonReader) escaped(first int) (string, error) {
	end := first
	for end < len(p.s) && p.s[end] != '"' {
		if p.s[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(p.s) {
		end = len(p.s)
	}
	var b strings.Builder
	b.Grow(end - p.i) // nothing is longer than its escape
	b.WriteString(p.s[p.i:first])
	for i := first; i < end; i++ {
		from := i
		for i < end && p.s[i] != '\\' {
			if p.s[i] < ' ' {
				return "", syntax("a control character in a string")
			}
			i++
		}
		if b.WriteString(p.s[from:i]); i == end {
			break
		}
		if i++; i == len(p.s) {
			return "", syntax("a string without its end")
		}
		if p.s[i] != 'u' {
			e := strings.IndexByte(`"\/bfnrt`, p.s[i])
			if e < 0 {
				return "", syntax("an unknown escape")
			}
			b.WriteByte("\"\\/\b\f\n\r\t"[e])
			continue
		}
		r, n := unicodeEscape(p.s[i+1:])
		if n == 0 {
			return "", syntax("a malformed or unpaired \\u escape")
		}
		b.WriteRune(r)
		i += n
	}
	if end == len(p.s) {
		return "", syntax("a string without its end")
	}
	p.i = end + 1
	return b.String(), nil
}

// unicodeEscape reads the hexadecimal digits behind \u, and a second escape
// behind a high surrogate. It returns 0 for an unpaired surrogate.
func unicodeEscape(s string) (rune, int) {
	hi := hex4(s)
	switch {
	case hi < 0:
		return 0, 0
	case !utf16.IsSurrogate(hi):
		return hi, 4
	case len(s) < 10 || s[4] != '\\' || s[5] != 'u':
		return 0, 0
	}
	r := utf16.DecodeRune(hi, hex4(s[6:]))
	if r == utf8.RuneError {
		return 0, 0
	}
	return r, 10
}

func hex4(s string) rune {
	if len(s) < 4 {
		return -1
	}
	var r rune
	for i := 0; i < 4; i++ {
		d := hex[s[i]]
		if d > 15 {
			return -1
		}
		r = r<<4 | rune(d)
	}
	return r
}

func (p *jsonReader) space() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\r', '\n':
			p.i++
		default:
			return
		}
	}
}

// peek returns the next byte, 0 at the end.
func (p *jsonReader) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}
