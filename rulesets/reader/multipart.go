package reader

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
)

const (
	// fileHead is how much of each file is kept for content sniffing.
	fileHead = 64 << 10
	// allHeads is when less is kept of further files, and leastHead how much.
	// PHP itself takes 20 files a request unless told otherwise.
	allHeads  = 32 * fileHead
	leastHead = 1 << 10
	// partHeader bounds the header of one part.
	partHeader = 16 << 10
	// partOverhead is what a part costs in memory beside its content.
	partOverhead = 256
)

// multipart reads a multipart/form-data body that arrives in pieces. It holds
// the piece that cannot be told yet: a header, a field's value, or the few
// bytes of a file that might begin a delimiter.
//
// PHP ends a part at a line feed followed by the delimiter, whatever stands
// behind it, and looks for the next part at a line that is the delimiter; it
// skips what comes before the first and reads on after the last. Only bodies
// in which that is the same as RFC 2046's reading are accepted.
type multipart struct {
	r         *Request
	delimiter []byte // LF, two hyphens, boundary
	state     partState
	head      partHead
	buf       []byte // unread bytes
	scanned   int    // bytes of buf known to hold no delimiter
	headBytes int    // of the present part's header
	begun     bool   // the present part's content was looked at
	held      int64  // bytes of headers and fields kept in memory
	heads     int    // bytes of files kept in memory
	parts     int
	file      *File
	picture   bool // the present file's name promises a picture
	code      codeFinder
}

type partState uint8

const (
	atStart   partState = iota // before the first delimiter
	afterMark                  // behind a delimiter: CRLF, or two hyphens
	inHeader
	inField
	inFile
	atEnd // behind the closing delimiter
)

func newMultipart(r *Request) *multipart {
	return &multipart{r: r, delimiter: []byte("\n--" + r.boundary)}
}

// parseMultipart reads a body that is in memory.
func (r *Request) parseMultipart(body []byte) error {
	m := newMultipart(r)
	m.buf = body
	if err := m.run(); err != nil {
		return err
	}
	return m.end()
}

// pieces holds the buffers through which bodies are streamed.
var pieces = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// streamMultipart reads a body in constant memory but for the fields' values
// and the first bytes of files.
func (r *Request) streamMultipart(src io.Reader) error {
	m := newMultipart(r)
	piece := pieces.Get().(*[]byte)
	defer pieces.Put(piece)
	var store []byte
	for {
		n, err := src.Read(*piece)
		if n > 0 {
			r.Bytes += int64(n)
			// m.buf is the end of store. When something was read, the rest moves
			// to the front, so that store does not grow with the body; when not,
			// it stays, so that a body in tiny pieces is not moved for each.
			if len(m.buf) < len(store) {
				store = store[:copy(store, m.buf)]
			}
			store = append(store, (*piece)[:n]...)
			m.buf = store
			if err := m.run(); err != nil {
				return err
			}
		}
		if err == io.EOF {
			if r.Bytes == 0 {
				return nil
			}
			return m.end()
		}
		if err != nil {
			return fmt.Errorf("read body: %w", err)
		}
	}
}

// run reads as far as the bytes at hand allow.
func (m *multipart) run() error {
	for {
		more, err := m.step()
		if err != nil || !more {
			return err
		}
	}
}

// end checks that the body was complete, and finishes the parameters.
func (m *multipart) end() error {
	if m.state != atEnd {
		return ambiguous("multipart-unfinished", "a multipart body without its closing delimiter")
	}
	if len(m.buf) > 0 && string(m.buf) != "\r\n" {
		return ambiguous("multipart-epilogue", "text behind the closing delimiter")
	}
	m.r.convert(m.r.Post)
	m.r.Post, m.r.PostAliases = withAliases(m.r.Post, len(m.r.Post))
	for _, f := range m.r.Files {
		if name, ok := alias(f.Field); ok {
			f.Field = name
			m.r.FileAliases = append(m.r.FileAliases, f)
		}
	}
	return nil
}

// step reads one element. It reports whether there may be another in the bytes
// at hand.
func (m *multipart) step() (bool, error) {
	switch m.state {
	case atStart:
		return m.start()
	case afterMark:
		return m.mark()
	case inHeader:
		return m.header()
	case inField:
		return m.field()
	case inFile:
		return m.content()
	default:
		if len(m.buf) > 2 {
			return false, ambiguous("multipart-epilogue", "text behind the closing delimiter")
		}
		return false, nil
	}
}

// start expects the first delimiter, behind at most one CRLF: clients that
// write CRLF before each delimiter do so before the first as well.
func (m *multipart) start() (bool, error) {
	first := m.delimiter[1:]
	if len(m.buf) > 0 && m.buf[0] == '\r' {
		if len(m.buf) < 2+len(first) {
			return false, nil
		}
		if m.buf[1] != '\n' {
			return false, ambiguous("multipart-preamble", "text before the first delimiter")
		}
		m.buf = m.buf[2:]
	}
	if len(m.buf) < len(first) {
		return false, nil
	}
	if !bytes.HasPrefix(m.buf, first) {
		return false, ambiguous("multipart-preamble", "text before the first delimiter")
	}
	m.buf = m.buf[len(first):]
	m.state = afterMark
	return true, nil
}

// mark reads what stands behind a delimiter.
func (m *multipart) mark() (bool, error) {
	if len(m.buf) < 2 {
		return false, nil
	}
	switch string(m.buf[:2]) {
	case "\r\n":
		if m.parts++; m.parts > m.r.limits.Args {
			return false, tooManyArgs()
		}
		m.state, m.head, m.headBytes = inHeader, partHead{}, 0
	case "--":
		m.state = atEnd
	default:
		return false, ambiguous("multipart-delimiter", "a line that begins with the delimiter and is none")
	}
	m.buf = m.buf[2:]
	return true, nil
}

// header reads one line of a part's header.
func (m *multipart) header() (bool, error) {
	end := bytes.IndexByte(m.buf, '\n')
	if end < 0 {
		if len(m.buf) > maxPartLine {
			return false, ambiguous("multipart-header-length", "a part header longer than PHP reads at once")
		}
		return false, nil
	}
	if end > maxPartLine || m.headBytes+end > partHeader {
		return false, ambiguous("multipart-header-length", "a part header longer than PHP reads at once")
	}
	if end == 0 || m.buf[end-1] != '\r' {
		return false, ambiguous("multipart-line-feed", "a line feed without carriage return in a part's header")
	}
	m.headBytes += end
	line := string(m.buf[:end-1])
	m.buf = m.buf[end+1:]
	if line != "" {
		return true, m.head.headerLine(line)
	}
	return true, m.openPart()
}

// openPart decides at the end of a header what its part is.
func (m *multipart) openPart() error {
	h := &m.head
	if len(h.lines) == 0 || !hasDisposition(h.lines) {
		return ambiguous("multipart-name", "a part without Content-Disposition")
	}
	m.r.Parts = append(m.r.Parts, Part{h.name, h.lines})
	if err := m.hold(int64(m.headBytes) + partOverhead); err != nil {
		return err
	}
	m.scanned, m.begun = 0, false
	if !h.isFile {
		m.state = inField
		return nil
	}
	m.state = inFile
	m.r.Files = append(m.r.Files, File{Field: h.name, Name: h.filename, Alt: h.alt, Type: h.typ})
	m.file = &m.r.Files[len(m.r.Files)-1]
	m.picture, m.code.tail = isPicture(m.file), m.code.tail[:0]
	return nil
}

func hasDisposition(lines []string) bool {
	for _, l := range lines {
		if strings.HasPrefix(l, "Content-Disposition: ") {
			return true
		}
	}
	return false
}

// hold counts bytes kept in memory against the limit.
func (m *multipart) hold(n int64) error {
	if m.held += n; m.held > m.r.limits.Inspect {
		return tooLarge("body-too-large", "fields larger than what is inspected")
	}
	return nil
}

// find looks for the delimiter that ends the part. It returns how many bytes
// of buf are certainly content and whether the delimiter follows them.
// A part without content ends at a delimiter directly behind its header.
func (m *multipart) find() (content int, ended bool, err error) {
	from := max(0, m.scanned-len(m.delimiter))
	i := bytes.Index(m.buf[from:], m.delimiter)
	if i < 0 {
		m.scanned = len(m.buf)
		return max(0, len(m.buf)-len(m.delimiter)), false, nil
	}
	i += from
	if i == 0 || m.buf[i-1] != '\r' {
		return 0, false, ambiguous("multipart-line-feed", "a delimiter behind a line feed without carriage return")
	}
	return i - 1, true, nil
}

// next moves behind the delimiter that follows n bytes of content.
func (m *multipart) next(n int) {
	m.buf = m.buf[n+1+len(m.delimiter):]
	m.state, m.file = afterMark, nil
}

// field reads the value of a field, all of which must be at hand.
func (m *multipart) field() (bool, error) {
	if ready, err := m.begin(); !ready {
		return false, err
	}
	n, ended, err := m.find()
	if err != nil {
		return false, err
	}
	if !ended {
		if m.held+int64(n) > m.r.limits.Inspect {
			return false, tooLarge("body-too-large", "fields larger than what is inspected")
		}
		return false, nil
	}
	if err := m.hold(int64(n)); err != nil {
		return false, err
	}
	value := string(m.buf[:n])
	if m.head.name == "_charset_" && value != "" && !knownCharset(lower(value)) {
		return false, unsupported("charset", "a _charset_ field that names another charset")
	}
	m.r.Post = append(m.r.Post, Arg{m.head.name, value})
	m.next(n)
	return true, nil
}

// begin refuses a part whose content would begin with the delimiter: the line
// feed before it belongs to the header for one reader and to the delimiter for
// another. It reports whether enough bytes are at hand to tell.
func (m *multipart) begin() (bool, error) {
	if m.begun {
		return true, nil
	}
	if len(m.buf) < len(m.delimiter)-1 {
		return false, nil
	}
	m.begun = true
	if bytes.HasPrefix(m.buf, m.delimiter[1:]) {
		return false, ambiguous("multipart-delimiter", "a part that begins with the delimiter")
	}
	return true, nil
}

// content passes over a file, keeping its first bytes.
func (m *multipart) content() (bool, error) {
	if ready, err := m.begin(); !ready {
		return false, err
	}
	n, ended, err := m.find()
	if err != nil {
		return false, err
	}
	if n > 0 && m.file.Name == "" {
		return false, ambiguous("multipart-file-unnamed", "a file with content and without a name")
	}
	if n > 0 && m.picture && m.code.finds(m.buf[:n]) {
		return false, ambiguous("multipart-image-code", "PHP code in a file whose name promises a picture")
	}
	room := fileHead
	if m.heads >= allHeads {
		room = leastHead
	}
	if keep := min(n, room-len(m.file.Head)); keep > 0 {
		m.file.Head = append(m.file.Head, m.buf[:keep]...)
		m.heads += keep
	}
	m.file.Size += int64(n)
	if ended {
		m.next(n)
		return true, nil
	}
	m.buf = m.buf[n:]
	m.scanned -= n
	return false, nil
}
