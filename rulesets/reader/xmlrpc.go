package reader

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

// rpcReader names the values of an XML-RPC call: xmlrpc.method for the
// method's name, xmlrpc.params.0.title for a member of the first parameter,
// xmlrpc.params.0.1.params.2 inside system.multicall. Rules and exclusions can
// then name them as they name any parameter.
type rpcReader struct {
	path   []byte
	marks  []int // length of path at each open element
	counts []int // children numbered so far, by open element
	inside int   // open params elements
	named  int   // bytes of names given out
}

func newRPC() *rpcReader { return &rpcReader{path: []byte("xmlrpc")} }

// open enters an element.
func (p *rpcReader) open(name string) {
	p.marks = append(p.marks, len(p.path))
	p.counts = append(p.counts, 0)
	switch name {
	case "methodName":
		p.path = append(p.path, ".method"...)
	case "params":
		p.inside++
		p.path = append(p.path, ".params"...)
	case "param":
		p.number()
	case "value":
		if n := len(p.counts); n >= 2 && p.counts[n-2] >= 0 && p.inData() {
			p.number()
		}
	case "data":
		p.counts[len(p.counts)-1] = dataElement
	}
}

// dataElement marks the element of an array whose values are numbered.
const dataElement = 1 << 30

// inData reports whether the enclosing element is an array's data.
func (p *rpcReader) inData() bool { return p.counts[len(p.counts)-2] >= dataElement }

// number appends the next index of the enclosing element.
func (p *rpcReader) number() {
	if len(p.counts) < 2 {
		return
	}
	parent := &p.counts[len(p.counts)-2]
	p.path = append(p.path, '.')
	p.path = strconv.AppendInt(p.path, int64(*parent&^dataElement), 10)
	*parent++
}

// close leaves an element.
func (p *rpcReader) close(name string) {
	n := len(p.marks) - 1
	if name == "params" {
		p.inside--
	}
	// A member's name stays in the path until the member ends.
	if name != "name" {
		p.path = p.path[:p.marks[n]]
	}
	p.marks, p.counts = p.marks[:n], p.counts[:n]
}

// text takes the text of an element. It reports whether that is a value, and
// under which name.
func (p *rpcReader) text(element, s string) (Arg, bool) {
	switch {
	case element == "methodName":
		return Arg{string(p.path), s}, true
	case element == "name" && p.inside > 0:
		n := len(p.marks) - 1
		p.path = append(p.path[:p.marks[n]], '.')
		p.path = append(p.path, clip(s, 128)...)
		return Arg{}, false
	case p.inside > 0:
		return Arg{string(p.path), s}, true
	}
	return Arg{}, false
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// param adds a value. Of base64 the decoded form is added: as a parameter when
// it is text, else as a file. PHP skips bytes outside the alphabet, so a value
// with such bytes is shown as it came as well.
func (x *xmlReader) param(element string, arg Arg) error {
	if err := x.count(); err != nil {
		return err
	}
	// Names repeat the path for each value; see jsonReader.emit.
	if x.rpc.named += len(arg.Name); x.rpc.named > 8*len(x.s)+4096 {
		return ambiguous("xml-path-length", "names far longer than the XML text")
	}
	if element != "base64" {
		x.r.Post = append(x.r.Post, arg)
		return nil
	}
	decoded, clean := looseBase64(arg.Value)
	if !clean {
		x.r.Post = append(x.r.Post, arg)
	}
	if s := string(decoded); utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		x.r.Post = append(x.r.Post, Arg{arg.Name, s})
		return nil
	}
	x.r.Files = append(x.r.Files, File{Field: arg.Name, Size: int64(len(decoded)), Head: decoded[:min(len(decoded), fileHead)]})
	return nil
}

// looseBase64 decodes as PHP's base64_decode does without its strict flag. It
// reports whether s held nothing but the alphabet, padding and blanks.
func looseBase64(s string) (decoded []byte, clean bool) {
	kept := make([]byte, 0, len(s))
	clean = true
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'z', c == '+', c == '/':
			kept = append(kept, c)
		case c == '=' || strings.IndexByte(xmlSpace, c) >= 0:
		default:
			clean = false
		}
	}
	if len(kept)%4 == 1 {
		kept = kept[:len(kept)-1]
	}
	decoded = make([]byte, base64.RawStdEncoding.DecodedLen(len(kept)))
	n, err := base64.RawStdEncoding.Decode(decoded, kept)
	if err != nil {
		clean = false
	}
	return decoded[:n], clean
}
