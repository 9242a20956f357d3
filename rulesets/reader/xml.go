package reader

import (
	"strings"
	"unicode/utf8"
)

// xmlSyntax names the error of a text that is not well-formed.
const xmlSyntax = "xml-syntax"

// xmlReader reads a document without a document type: elements, attributes,
// text, CDATA, comments. It builds nothing but lists of texts, keeps its own
// stack, and looks at every byte a bounded number of times.
type xmlReader struct {
	r     *Request
	s     string
	i     int
	stack []xmlFrame
	root  bool // a root element was seen
	rpc   *rpcReader
	n     int // texts and attribute values
}

// xmlFrame is one open element. Its own text comes in runs between children;
// a reader that joins them sees more than one that does not.
type xmlFrame struct {
	name string
	run  []byte
	all  []byte
	runs int
}

func xmlBad(detail string) *Ambiguity { return ambiguous(xmlSyntax, detail) }

// readXML reads an XML body into Text and Attrs, and the parameters of an
// XML-RPC call into Post.
func (r *Request) readXML(s string) error {
	if looksWide(s) {
		return unsupported("charset", "an XML text in UTF-16 or UTF-32")
	}
	s = strings.TrimPrefix(s, "\xef\xbb\xbf")
	s = strings.TrimLeft(s, xmlSpace)
	if s == "" {
		return nil
	}
	if !utf8.ValidString(s) || badChar(s) {
		return xmlBad("a character that is not UTF-8 or not allowed in XML")
	}
	x := &xmlReader{r: r, s: s}
	if err := x.declaration(); err != nil {
		return err
	}
	for x.i < len(s) {
		if err := x.token(); err != nil {
			return err
		}
	}
	if !x.root || len(x.stack) > 0 {
		return xmlBad("an element without its end")
	}
	return nil
}

const xmlSpace = " \t\r\n"

// declaration reads <?xml …?>, whose encoding must be one in which the bytes
// mean what they mean in UTF-8.
//
// The XML-RPC server of WordPress cuts the first <?xml…?> out of the first 100
// bytes, wherever it stands and whatever it says, before it parses.
func (x *xmlReader) declaration() error {
	start := x.s[:min(len(x.s), 256)]
	if strings.LastIndex(start, "<?xml") > 0 {
		return ambiguous("xml-declaration", "an XML declaration that does not stand first")
	}
	rest, ok := strings.CutPrefix(x.s, "<?xml")
	if !ok {
		return nil
	}
	malformed := ambiguous("xml-declaration", "a malformed XML declaration")
	end := strings.Index(rest, "?>")
	if end < 0 || strings.IndexByte(xmlSpace, rest[0]) < 0 {
		return malformed
	}
	x.i = len("<?xml") + end + len("?>")
	rest = rest[:end]
	for {
		if rest = strings.TrimLeft(rest, xmlSpace); rest == "" {
			return nil
		}
		name, value, tail, ok := attribute(rest)
		if !ok {
			return malformed
		}
		rest = tail
		switch name {
		case "version", "standalone":
		case "encoding":
			switch enc := lower(value); {
			case enc == "utf-8", enc == "us-ascii" || enc == "utf8":
			case knownCharset(enc) && isASCII(x.s):
			default:
				return unsupported("charset", "an XML text in an encoding other than UTF-8")
			}
		default:
			return malformed
		}
	}
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// attribute takes name="value" off s.
func attribute(s string) (name, value, rest string, ok bool) {
	name, s = takeName(s)
	s = strings.TrimLeft(s, xmlSpace)
	if name == "" || s == "" || s[0] != '=' {
		return "", "", "", false
	}
	s = strings.TrimLeft(s[1:], xmlSpace)
	if s == "" || s[0] != '"' && s[0] != '\'' {
		return "", "", "", false
	}
	end := strings.IndexByte(s[1:], s[0])
	if end < 0 {
		return "", "", "", false
	}
	return name, s[1 : 1+end], s[2+end:], true
}

// nameByte holds the bytes of names. Beyond ASCII it takes more than XML does:
// a name that libxml refuses makes it refuse the text.
var nameByte = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 0x80 || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' ||
			c == '_' || c == ':' || c == '-' || c == '.'
	}
	return t
}()

// takeName takes a name off s; it is empty when s does not begin with one.
func takeName(s string) (name, rest string) {
	i := 0
	for i < len(s) && nameByte[s[i]] {
		i++
	}
	if i == 0 || s[0] >= '0' && s[0] <= '9' || s[0] == '-' || s[0] == '.' {
		return "", s
	}
	return s[:i], s[i:]
}

// token reads the next tag or run of text.
func (x *xmlReader) token() error {
	rest := x.s[x.i:]
	if rest[0] != '<' {
		end := strings.IndexByte(rest, '<')
		if end < 0 {
			end = len(rest)
		}
		x.i += end
		return x.text(rest[:end])
	}
	switch {
	case strings.HasPrefix(rest, "<!--"):
		end := strings.Index(rest[4:], "--")
		if end < 0 || !strings.HasPrefix(rest[4+end:], "-->") {
			return xmlBad("a malformed comment")
		}
		x.i += 4 + end + len("-->")
		return x.show(rest[4 : 4+end])
	case strings.HasPrefix(rest, "<![CDATA["):
		end := strings.Index(rest, "]]>")
		if end < 0 || len(x.stack) == 0 {
			return xmlBad("a malformed CDATA section")
		}
		x.i += end + len("]]>")
		x.append(lineEnds.Replace(rest[len("<![CDATA["):end]))
		return nil
	case strings.HasPrefix(rest, "<!"):
		return ambiguous("xml-doctype", "a document type in an XML text")
	case strings.HasPrefix(rest, "<?"):
		return ambiguous("xml-processing-instruction", "a processing instruction in an XML text")
	case strings.HasPrefix(rest, "</"):
		return x.endTag(rest[2:])
	}
	return x.startTag(rest[1:])
}

// lineEnds and blankLines normalise text and attribute values before their
// references are resolved (XML 1.0, 2.11 and 3.3.3).
var (
	lineEnds   = strings.NewReplacer("\r\n", "\n", "\r", "\n")
	blankLines = strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ", "\t", " ")
)

// text adds character data with its references resolved.
func (x *xmlReader) text(s string) error {
	if len(x.stack) == 0 {
		if strings.Trim(s, xmlSpace) != "" {
			return xmlBad("text outside the root element")
		}
		return nil
	}
	if strings.Contains(s, "]]>") {
		return xmlBad("the end of a CDATA section in text")
	}
	s, err := resolve(lineEnds.Replace(s))
	if err != nil {
		return err
	}
	x.append(s)
	return nil
}

func (x *xmlReader) append(s string) {
	f := &x.stack[len(x.stack)-1]
	f.run = append(f.run, s...)
}

// badChar reports whether s holds a character outside XML 1.0, 2.2.
func badChar(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' && c != '\t' && c != '\r' && c != '\n':
			return true
		case c == 0xEF && i+2 < len(s) && s[i+1] == 0xBF && s[i+2] >= 0xBE:
			return true
		}
	}
	return false
}

// startTag reads an element's opening.
func (x *xmlReader) startTag(s string) error {
	name, rest := takeName(s)
	if name == "" || x.root && len(x.stack) == 0 {
		return xmlBad("a malformed or second root element")
	}
	if len(x.stack) == maxDepth {
		return ambiguous("xml-depth", "an XML text nested too deeply")
	}
	if n := len(x.stack); n > 0 {
		if err := x.flush(&x.stack[n-1]); err != nil {
			return err
		}
	}
	x.open(name)
	var names []string
	for {
		blank := rest
		rest = strings.TrimLeft(rest, xmlSpace)
		switch {
		case strings.HasPrefix(rest, ">"):
			x.i = len(x.s) - len(rest) + 1
			return nil
		case strings.HasPrefix(rest, "/>"):
			x.i = len(x.s) - len(rest) + 2
			return x.closeElement()
		}
		attr, value, tail, ok := attribute(rest)
		if !ok || len(blank) == len(rest) || strings.IndexByte(value, '<') >= 0 {
			return xmlBad("a malformed tag")
		}
		for _, n := range names {
			if n == attr {
				return ambiguous("xml-attribute-repeated", "an attribute given twice")
			}
		}
		if names = append(names, attr); len(names) > maxDepth {
			return ambiguous("xml-attributes", "too many attributes in one tag")
		}
		value, err := resolve(blankLines.Replace(value))
		if err != nil {
			return err
		}
		if err := x.count(); err != nil {
			return err
		}
		x.r.Attrs = append(x.r.Attrs, value)
		// Few rules look at attributes, all of those for XML at its text.
		if attr != "xmlns" && !strings.HasPrefix(attr, "xmlns:") {
			if err := x.show(value); err != nil {
				return err
			}
		}
		rest = tail
	}
}

func (x *xmlReader) endTag(s string) error {
	end := strings.IndexByte(s, '>')
	if end < 0 || len(x.stack) == 0 || strings.TrimRight(s[:end], xmlSpace) != x.stack[len(x.stack)-1].name {
		return xmlBad("an end tag that closes nothing")
	}
	x.i += 2 + end + 1
	return x.closeElement()
}

func (x *xmlReader) open(name string) {
	if len(x.stack) == 0 && name == "methodCall" {
		x.rpc = newRPC()
	}
	x.root = true
	x.stack = append(x.stack, xmlFrame{name: name})
	if x.rpc != nil {
		x.rpc.open(name)
	}
}

func (x *xmlReader) closeElement() error {
	f := &x.stack[len(x.stack)-1]
	if err := x.flush(f); err != nil {
		return err
	}
	if f.runs > 1 {
		if err := x.show(string(f.all)); err != nil {
			return err
		}
	}
	if x.rpc != nil {
		x.rpc.close(f.name)
	}
	x.stack = x.stack[:len(x.stack)-1]
	return nil
}

// flush shows the text since the last tag.
func (x *xmlReader) flush(f *xmlFrame) error {
	s := strings.TrimSpace(string(f.run))
	if s == "" {
		f.run = f.run[:0]
		return nil
	}
	f.runs++
	f.all = append(f.all, f.run...)
	f.run = f.run[:0]
	if x.rpc != nil {
		if arg, ok := x.rpc.text(f.name, s); ok {
			return x.param(f.name, arg)
		}
	}
	return x.show(s)
}

// show adds a text that rules see as XML:/*.
func (x *xmlReader) show(s string) error {
	if s = strings.TrimSpace(s); s == "" {
		return nil
	}
	if err := x.count(); err != nil {
		return err
	}
	x.r.Text = append(x.r.Text, s)
	return nil
}

func (x *xmlReader) count() error {
	if x.n++; x.n > structured*x.r.limits.Args {
		return tooManyArgs()
	}
	return nil
}

// resolve replaces the five predefined entities and character references.
// Others need a document type, which is refused.
func resolve(s string) (string, error) {
	amp := strings.IndexByte(s, '&')
	if amp < 0 {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for amp >= 0 {
		b = append(b, s[:amp]...)
		s = s[amp+1:]
		semi := strings.IndexByte(s[:min(len(s), 12)], ';')
		if semi < 0 {
			return "", xmlBad("an ampersand that is not a reference")
		}
		r, ok := reference(s[:semi])
		if !ok {
			return "", xmlBad("a reference to an undeclared entity")
		}
		b = utf8.AppendRune(b, r)
		s = s[semi+1:]
		amp = strings.IndexByte(s, '&')
	}
	return string(append(b, s...)), nil
}

func reference(s string) (rune, bool) {
	switch s {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, ok := strings.CutPrefix(s, "#")
	if !ok || digits == "" {
		return 0, false
	}
	base := rune(10)
	if digits[0] == 'x' {
		if base, digits = 16, digits[1:]; digits == "" {
			return 0, false
		}
	}
	var r rune
	for i := 0; i < len(digits); i++ {
		d := rune(hex[digits[i]])
		if d >= base {
			return 0, false
		}
		if r = r*base + d; r > utf8.MaxRune {
			return 0, false
		}
	}
	valid := r >= ' ' && utf8.ValidRune(r) && r != 0xFFFE && r != 0xFFFF || r == '\t' || r == '\r' || r == '\n'
	return r, valid
}
