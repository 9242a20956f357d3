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
	x := &xmlReader{r: r, s: s}
	if err := x.declaration(); err != nil {
		return err
	}
	if !utf8.ValidString(x.s) || badChar(x.s) {
		return xmlBad("a character that is not UTF-8 or not allowed in XML")
	}
	for x.i < len(x.s) {
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

// declaration reads <?xml …?>, whose encoding must be UTF-8, or Windows-1251,
// in which 1C and older CMS exchange data, or not matter.
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
			case enc == "windows-1251", enc == "cp1251":
				x.s = fromCyrillic(x.s)
			case knownCharset(enc) && utf8.ValidString(x.s):
			default:
				return unsupported("charset", "an XML text in an encoding other than UTF-8")
			}
		default:
			return malformed
		}
	}
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
