package seen

import (
	"fmt"
	"strings"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// Request is one request as bytes.
type Request struct {
	Method string
	Target []byte
	Fields [][2][]byte
	Body   []byte

	Chunked bool // send the body in chunks
}

// Wire returns the request as it goes over a connection that stays open.
func (q *Request) Wire(host string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", q.Method, q.Target, host)
	for _, f := range q.Fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
	}
	if q.Chunked {
		b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		for rest, n := q.Body, 5; len(rest) > 0; n = n*3%1021 + 1 {
			piece := rest[:min(n, len(rest))]
			rest = rest[len(piece):]
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(piece), piece)
		}
		b.WriteString("0\r\n\r\n")
		return []byte(b.String())
	}
	if len(q.Body) > 0 || q.Method == "POST" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(q.Body))
	}
	b.WriteString("\r\n")
	b.Write(q.Body)
	return []byte(b.String())
}

// Read gives the request to the reader, as one piece or as a stream.
func (q *Request) Read(stream bool) (*reader.Request, error) {
	fields := make([]event.Field, len(q.Fields))
	for i, f := range q.Fields {
		fields[i] = event.Field{Name: string(f[0]), Value: string(f[1])}
	}
	r, err := reader.Head(q.Method, string(q.Target), "HTTP/1.1", fields, reader.Limits{})
	if err != nil || len(q.Body) == 0 {
		return r, err
	}
	if stream {
		return r, r.ReadBody(&trickle{q.Body, 7})
	}
	return r, r.ParseBody(q.Body)
}

// View is what PHP saw. Keys and values are bytes.
type View struct {
	URI    []byte // nginx's $uri: the path decoded and normalised; empty from PHP's own server
	Query  []byte
	Get    []Leaf
	Post   []Leaf
	Cookie []Leaf
	Files  []File
	Input  int    // length of php://input
	Parsed []Leaf // parse_str of php://input
	JSON   *JSON  // json_decode of php://input; nil when it refused
	XML    *XML   // a SAX pass over php://input; nil when it refused
}

// Recorded is one request and what PHP saw of it.
type Recorded struct {
	Name    string // of a fixed case; empty for a generated one
	Want    string // a fixed case's ambiguity; empty when it must be accepted
	Request *Request
	View    *View // nil when the web server refused the request itself
}

// Leaf is one value inside a superglobal, with the keys that lead to it.
type Leaf struct {
	Keys  [][]byte
	Value []byte
}

// File is one entry of $_FILES.
type File struct {
	Base  []byte // key in $_FILES
	Name  []byte // PHP's basename of the file name
	Size  int64
	Error int
	Hash  string // SHA-1 of the first 64 KiB
}

// JSON is a decoded text, flattened.
type JSON struct {
	Leaves []Scalar
}

// Scalar is one value of a JSON text. Kind is string, number, bool or null.
type Scalar struct {
	Path  []byte
	Kind  string
	Value []byte
}

// XML holds the direct text of each element, in the order in which they end,
// and every attribute's value.
type XML struct {
	Root  []byte
	Texts []Text
	Attrs [][]byte
}

// Text is the text of one element.
type Text struct {
	Element []byte
	Text    []byte
}
