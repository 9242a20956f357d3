package wire

import (
	"bytes"

	"github.com/qorgan/qorgan/event"
)

// Head is a request's head as it came in. The strings share one copy of the
// head; they and the Fields may be kept as long as wanted.
type Head struct {
	Method string // as it came: methods are case-sensitive
	Target string // raw request target
	Proto  string // HTTP/1.0 or HTTP/1.1

	// Host is the value of the Host line as it came, or the target's authority
	// in an HTTP/1.0 request without that line. It is a valid host with an
	// optional port, or empty in HTTP/1.0.
	Host string

	// Authority is that of an absolute target ("GET http://a/ HTTP/1.1"), else
	// empty. It is then the same as Host in all but case.
	Authority string

	Fields []event.Field // header lines in order and spelling, white space around values removed

	// Odd says that at least one name is not [Plain]. Such lines are to be
	// dropped, or the request refused.
	Odd bool

	Length  int64 // of the body; -1 when chunked
	Upgrade bool  // asks to switch protocols: Upgrade, named by Connection, in HTTP/1.1
	Bytes   int   // of the head on the wire
}

// span is where a header line's parts are, counted from the head's first byte.
type span struct{ name, colon, value, end int32 }

// scan is what is known of the head being read.
type scan struct {
	search int    // no LF before here
	line   int    // where the current line begins
	begun  bool   // the request line was read
	blank  bool   // an empty line came before it
	lines  []span // header lines; kept for the next head

	method, target, proto [2]int
	absolute              bool   // the target has an authority
	authority             [2]int // where
	old                   bool   // HTTP/1.0
	odd                   bool

	// Lines that decide on framing and routing: how many there were, and which
	// one was first.
	host, length, coding, expect counted
	upgrade, connection, trailer counted

	bad *Refusal // the first violation
}

type counted struct{ n, first int }

func (c *counted) add(i int) {
	if c.n == 0 {
		c.first = i
	}
	c.n++
}

func (s *scan) reset() {
	lines := s.lines[:0]
	*s = scan{lines: lines}
}

// fail notes a violation after which the rest of the head can still be read
// line by line. Reading on finds the host that the request was for.
func (s *scan) fail(name string, seen []byte) {
	if s.bad == nil {
		s.bad = refusal(name, seen)
	}
}

// scanHead goes on with the head in the buffer. It reports whether it came to
// an end: net/http can be served, with the head or with a refusal.
func (c *Conn) scanHead() bool {
	s := &c.scan
	for {
		b := c.buf[c.r:c.w]
		if !s.begun && len(b) > s.line && !firstByte(b[s.line]) {
			c.refuse(refusal(RequestLine, b[s.line:min(len(b), s.line+1)]))
			return true
		}
		i := bytes.IndexByte(b[s.search:], '\n')
		if i < 0 {
			s.search = len(b)
			if r := c.tooLong(len(b)+1, len(b)-s.line); r != nil {
				c.refuse(r)
				return true
			}
			return false
		}
		end := s.search + i
		if r := c.tooLong(end+1, end-s.line); r != nil {
			c.refuse(r)
			return true
		}
		line, at := b[s.line:end], s.line
		s.search, s.line = end+1, end+1
		if len(line) == 0 || line[len(line)-1] != '\r' {
			c.refuse(refusal(BareLF, line))
			return true
		}
		line = line[:len(line)-1]
		switch {
		case !s.begun && len(line) == 0:
			if s.blank {
				c.refuse(refusal(BlankLines, nil))
				return true
			}
			// One is what an old client sends after a body (RFC 9112, section
			// 2.2). It is not handed on.
			c.r += s.line
			s.reset()
			s.blank = true
		case !s.begun:
			s.begun = true
			if !s.requestLine(line, at) {
				c.refuse(s.bad)
				return true
			}
		case len(line) == 0:
			c.finishHead()
			return true
		case len(s.lines) >= c.limits.Fields:
			c.refuse(refusal(TooManyFields, nil))
			return true
		default:
			s.field(line, at)
		}
	}
}

func firstByte(b byte) bool { return class[b]&isToken != 0 || b == '\r' || b == '\n' }

// tooLong looks at how much of the head, and of the current line without its
// LF, is known to be there. It gives the same answer however the bytes arrive.
func (c *Conn) tooLong(head, line int) *Refusal {
	if !c.scan.begun && line > c.limits.Line+1 {
		return refusal(RequestLineTooLong, nil)
	}
	if head > c.limits.Head {
		return refusal(HeadTooLarge, nil)
	}
	return nil
}

// field reads one header line, which begins at byte at of the head.
func (s *scan) field(line []byte, at int) {
	n, acc := 0, uint8(isPlain)
	for n < len(line) {
		k := class[line[n]]
		if k&isToken == 0 {
			break
		}
		acc &= k
		n++
	}
	if n == len(line) || n == 0 || line[n] != ':' {
		s.malformed(line, n)
		return
	}
	from, to := n+1, len(line)
	for from < to && (line[from] == ' ' || line[from] == '\t') {
		from++
	}
	for to > from && (line[to-1] == ' ' || line[to-1] == '\t') {
		to--
	}
	if v := line[from:to]; !valueBytes(v) {
		s.control(line[:n], v)
		return
	}
	i := len(s.lines)
	s.lines = append(s.lines, span{int32(at), int32(at + n), int32(at + from), int32(at + to)})
	if acc == 0 {
		s.odd = true
		if alias(line[:n]) {
			s.fail(FieldAlias, line[:n])
		}
		return
	}
	s.remember(line[:n], i)
}

// malformed names what is wrong with a line that does not begin with a token
// and a colon. The token ends at n.
func (s *scan) malformed(line []byte, n int) {
	colon := bytes.IndexByte(line, ':')
	switch {
	case line[0] == ' ' || line[0] == '\t':
		s.fail(Folded, line)
	case bytes.IndexByte(line, '\r') >= 0:
		s.fail(BareCR, line)
	case colon < 0:
		s.fail(FieldColon, line)
	case colon == 0:
		s.fail(FieldEmpty, line)
	case len(bytes.TrimRight(line[:colon], " \t")) == n:
		s.fail(FieldSpace, line[:colon])
	default:
		s.fail(FieldName, line[:colon])
	}
}

func (s *scan) control(name, value []byte) {
	if bytes.IndexByte(value, '\r') >= 0 {
		s.fail(BareCR, name)
		return
	}
	s.fail(FieldControl, name)
}

// remember counts the lines that framing and routing depend on.
func (s *scan) remember(name []byte, i int) {
	switch len(name) {
	case 4:
		if fold(name, "host") {
			s.host.add(i)
		}
	case 6:
		if fold(name, "expect") {
			s.expect.add(i)
		}
	case 7:
		if fold(name, "upgrade") {
			s.upgrade.add(i)
		} else if fold(name, "trailer") {
			s.trailer.add(i)
		}
	case 10:
		if fold(name, "connection") {
			s.connection.add(i)
		}
	case 14:
		if fold(name, "content-length") {
			s.length.add(i)
		}
	case 17:
		if fold(name, "transfer-encoding") {
			s.coding.add(i)
		}
	}
}

// alias reports whether a name that is not plain would be taken for one that
// frames or routes by a server that folds punctuation.
func alias(name []byte) bool {
	var folded [17]byte
	if len(name) > len(folded) {
		return false
	}
	for i, b := range name {
		if folded[i] = lower(b); class[b]&isPlain == 0 {
			folded[i] = '-'
		}
	}
	switch string(bytes.Trim(folded[:len(name)], "-")) {
	case "host", "content-length", "transfer-encoding":
		return true
	}
	return false
}

// legible makes a Head of what was read without a violation so far.
func (c *Conn) legible() Head {
	s := &c.scan
	text := string(c.buf[c.r : c.r+s.line])
	h := Head{
		Method: text[s.method[0]:s.method[1]],
		Target: text[s.target[0]:s.target[1]],
		Proto:  text[s.proto[0]:s.proto[1]],
		Odd:    s.odd,
		Bytes:  len(text),
	}
	if s.absolute {
		h.Authority = text[s.authority[0]:s.authority[1]]
		h.Host = h.Authority
	}
	if len(s.lines) > 0 {
		h.Fields = make([]event.Field, len(s.lines))
	}
	for i, l := range s.lines {
		h.Fields[i] = event.Field{Name: text[l.name:l.colon], Value: text[l.value:l.end]}
	}
	if s.host.n > 0 {
		h.Host = h.Fields[s.host.first].Value
	}
	return h
}

// finishHead ends a head: the empty line was read.
func (c *Conn) finishHead() {
	s := &c.scan
	h := c.legible()
	if s.bad == nil {
		s.judge(&h)
	}
	if s.bad != nil {
		c.refuseWith(s.bad, h)
		return
	}
	c.ready = c.buf[c.r : c.r+s.line]
	c.r += s.line
	s.reset()
	c.accept(h)
}
