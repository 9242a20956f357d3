package reader

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// peekSize is how much of an opaque body is looked at before it is let go.
const peekSize = 512

// ReadBody reads the body from src, as far as r's plan asks: to its end, or,
// for an opaque body, until it is certain that no PHP code parses it as text;
// what follows is then still in src. A caller that must keep the bytes puts an
// [io.TeeReader] in between. Errors of src come back wrapped; all others are
// an *[Ambiguity]. Call it, or [Request.ParseBody], at most once.
func (r *Request) ReadBody(src io.Reader) error {
	switch r.plan {
	case Stream:
		return r.streamMultipart(src)
	case Opaque:
		head := make([]byte, peekSize)
		n, err := io.ReadFull(src, head)
		head = head[:n]
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return fmt.Errorf("read body: %w", err)
		}
		r.Bytes = int64(n)
		if !couldBeText(head) {
			return nil
		}
		src = io.MultiReader(bytes.NewReader(head), src)
	}
	var body bytes.Buffer
	_, err := body.ReadFrom(io.LimitReader(src, r.limits.Inspect+1))
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	return r.ParseBody(body.Bytes())
}

// ParseBody reads a body that is wholly in memory. The caller must not change
// body as long as r is in use.
func (r *Request) ParseBody(body []byte) error {
	r.Bytes = int64(len(body))
	if len(body) == 0 {
		return nil
	}
	if r.plan == Stream {
		return r.parseMultipart(body)
	}
	if r.plan == Opaque && !couldBeText(body) {
		return nil
	}
	if r.Bytes > r.limits.Inspect {
		return tooLarge("body-too-large", "a body larger than what is inspected")
	}
	text := string(body)
	switch r.Processor {
	case "JSON":
		return r.readJSON(text, false)
	case "XML":
		return r.readXML(text)
	case "URLENCODED":
		r.Body = body
		return r.readForm(text)
	}
	return r.readHidden(text)
}

// readForm reads a body as a form, and as what else it might be.
func (r *Request) readForm(text string) error {
	if r.Type == formType && strings.IndexByte(text, 0) >= 0 {
		return ambiguous("form-nul", "a bare NUL in a form, which ends the text for parse_str and not for $_POST")
	}
	args, err := splitForm(text, make([]Arg, 0, min(strings.Count(text, "&"), r.limits.Args)+1), r.limits.Args)
	if err != nil && r.Type == formType {
		return err
	}
	if err != nil {
		// A text with many ampersands, and no form unless somebody's code calls
		// parse_str: that stops where we did. The rest is shown as it is.
		args = append(args, Arg{"", text})
	}
	r.convert(args)
	for _, a := range args {
		if a.Name == "_charset_" && a.Value != "" && !knownCharset(lower(a.Value)) {
			return unsupported("charset", "a _charset_ field that names another charset")
		}
	}
	r.Post = args
	err = r.readHidden(text)
	r.Post, r.PostAliases = withAliases(r.Post, len(args))
	return err
}

// readHidden adds the reading as JSON or XML of a body that is announced as
// something else: much CMS code parses php://input whatever the header says.
func (r *Request) readHidden(text string) error {
	bare := strings.TrimPrefix(text, "\xef\xbb\xbf")
	bare = strings.TrimLeft(bare, blanks)
	if bare == "" {
		return nil
	}
	var err error
	switch bare[0] {
	case '{', '[', '"':
		err = r.readJSON(bare, true)
	case '<':
		if err = r.readXML(bare); err != nil && strings.Contains(bare, "<methodCall") {
			return err
		}
	}
	if err == nil && looksWide(text) {
		return unsupported("charset", "a text in UTF-16 or UTF-32")
	}
	// A text that PHP cannot parse either has only its announced reading.
	if a := (*Ambiguity)(nil); errors.As(err, &a) && (a.Name == jsonSyntax || a.Name == xmlSyntax) {
		return nil
	}
	return err
}

// blanks are the bytes that PHP's trim takes off before a text is parsed.
const blanks = " \t\r\n\v\x00"

// couldBeText reports whether a JSON or XML parser might accept a body that
// begins with head.
func couldBeText(head []byte) bool {
	if looksWide(string(head[:min(len(head), 4)])) {
		return true
	}
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	head = bytes.TrimLeft(head, blanks)
	return len(head) == 0 || head[0] == '{' || head[0] == '[' || head[0] == '"' || head[0] == '<'
}

// looksWide reports whether a text begins as UTF-16, UTF-32 or EBCDIC markup
// does, which libxml recognises by itself (XML 1.0, appendix F).
func looksWide(s string) bool {
	for _, p := range [...]string{"\xff\xfe", "\xfe\xff", "<\x00", "\x00<", "\x00\x00\x00<", "\x4c\x6f\xa7\x94", "{\x00", "\x00{", "[\x00", "\x00["} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// convert shows the rules UTF-8 where the body is declared to be in
// Windows-1251; the bytes that go on are untouched. A text that is UTF-8
// already stays as it is: the declaration is then wrong.
func (r *Request) convert(args []Arg) {
	if r.Charset != "windows-1251" && r.Charset != "cp1251" {
		return
	}
	for i := range args {
		args[i] = Arg{fromCyrillic(args[i].Name), fromCyrillic(args[i].Value)}
	}
}

func fromCyrillic(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out, err := charmap.Windows1251.NewDecoder().String(s)
	if err != nil {
		return s
	}
	return out
}
