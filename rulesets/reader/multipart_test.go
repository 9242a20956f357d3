package reader

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/qorgan/qorgan/event"
)

// post reads the head of a POST with that Content-Type.
func post(t *testing.T, contentType string) (*Request, error) {
	t.Helper()
	return Head("POST", "/", "HTTP/1.1", []event.Field{{Name: "Content-Type", Value: contentType}}, Limits{})
}

// readAll reads a body twice, from memory and byte by byte, and fails when the
// two disagree.
func readAll(t *testing.T, contentType, body string) (*Request, error) {
	t.Helper()
	r, err := post(t, contentType)
	if err != nil {
		return r, err
	}
	s, _ := post(t, contentType)
	memory := r.ParseBody([]byte(body))
	stream := s.ReadBody(iotest.OneByteReader(strings.NewReader(body)))
	if name(memory) != name(stream) {
		t.Fatalf("in memory %v, as a stream %v", memory, stream)
	}
	if memory == nil && (len(r.Post) != len(s.Post) || len(r.Files) != len(s.Files)) {
		t.Fatalf("in memory %v %v, as a stream %v %v", r.Post, r.Files, s.Post, s.Files)
	}
	return r, memory
}

// name returns an ambiguity's name, empty for no error.
func name(err error) string {
	if err == nil {
		return ""
	}
	var a *Ambiguity
	if errors.As(err, &a) {
		return a.Name
	}
	return err.Error()
}

const form = "multipart/form-data; boundary=A"

// part wraps one disposition and value in a body with boundary A.
func part(disposition, value string) string {
	return "--A\r\nContent-Disposition: " + disposition + "\r\n\r\n" + value + "\r\n--A--\r\n"
}

func TestMultipartAmbiguities(t *testing.T) {
	const x = "<script>alert(1)</script>"
	d := `form-data; name="comment"`
	ok := part(d, "hello")
	for _, tc := range []struct{ name, contentType, body, want string }{
		{"honest", form, ok, ""},
		{"file by filename* only", form, part(d+"; filename*=utf-8''x", x), "multipart-filename-extended"},
		{"file by Latin-1 filename*", form, part(d+"; filename*=iso-8859-1''x", x), "multipart-filename-extended"},
		{"FILENAME*", form, part(d+"; FILENAME*=utf-8''x", x), "multipart-disposition"},
		{"odd type", form, part(`x; name="comment"; filename*=utf-8''x`, x), "multipart-disposition"},
		{"attachment", form, part(`attachment; name="comment"`, x), "multipart-disposition"},
		{"space before =", form, part(d+`; filename ="x"`, x), "multipart-disposition"},
		{"tab before =", form, part(d+"; filename\t=\"x\"", x), "multipart-header"},
		{"space behind =", form, part(d+`; filename= "x"`, x), "multipart-quoting"},
		{"apostrophes hide filename", form, part(`form-data; x=';filename=y;z='; name="comment"`, x), "multipart-disposition"},
		{"apostrophes hide quoted filename", form, part(`form-data; x=';filename="y";z='; name="comment"`, x), "multipart-disposition"},
		{"name in apostrophes", form, part(`form-data; name='comment'`, x), "multipart-quoting"},
		{"backslashes before a quote", form, part(`form-data; name="a\\"; filename=y`, x), "multipart-quoting"},
		{"backslashes in another parameter", form, part(`form-data; x="\\"; filename=y; name="comment"`, x), "multipart-disposition"},
		{"open quote", form, part(`form-data; name="comment`, x), "multipart-quoting"},
		{"text behind a quote", form, part(`form-data; name="a"b`, x), "multipart-disposition"},
		{"name twice", form, part(d+`; name="b"`, x), "multipart-disposition-repeated"},
		{"filename twice", form, part(d+`; filename="a"; filename="b"`, x), "multipart-disposition-repeated"},
		{"no name", form, part(`form-data`, x), "multipart-name"},
		{"file without name", form, part(`form-data; filename="a"`, x), "multipart-name"},
		{"unknown parameter", form, part(d+`; size=3`, x), "multipart-disposition"},
		{"nameless file with content", form, part(d+`; filename=""`, x), "multipart-file-unnamed"},
		{"nameless empty file", form, part(d+`; filename=""`, ""), ""},
		{"parts behind the end", form, ok + part(d, x), "multipart-epilogue"},
		{"the end first", form, "--A--\r\n" + part(d, x), "multipart-epilogue"},
		{"empty form", form, "--A--\r\n", ""},
		{"epilogue", form, ok + "x", "multipart-epilogue"},
		{"two line ends behind the end", form, ok + "\r\n", "multipart-epilogue"},
		{"no line end behind the end", form, strings.TrimSuffix(ok, "\r\n"), ""},
		{"preamble", form, "x\r\n" + ok, "multipart-preamble"},
		{"CRLF before the first delimiter", form, "\r\n" + ok, ""},
		{"LF before the first delimiter", form, "\n" + ok, "multipart-preamble"},
		{"line feeds only", form, strings.ReplaceAll(ok, "\r\n", "\n"), "multipart-delimiter"},
		{"line feed in a header", form, "--A\r\nContent-Disposition: form-data; name=\"a\"\nX: y\r\n\r\nv\r\n--A--\r\n", "multipart-line-feed"},
		{"delimiter behind a bare line feed", form, part(d, "a\n--A\r\n"+x), "multipart-line-feed"},
		{"delimiter look-alike", form, part(d, "a\r\n--AB\r\n"+x), "multipart-delimiter"},
		{"delimiter with a blank", form, part(d, "a\r\n--A \r\n"+x), "multipart-delimiter"},
		{"delimiter first in a part", form, part(d, "--A\r\n"+x), "multipart-delimiter"},
		{"bare line feeds in a value", form, part(d, "a\nb\rc\n--B"), ""},
		{"missing end", form, "--A\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nv\r\n", "multipart-unfinished"},
		{"missing end of header", form, "--A\r\nContent-Disposition: form-data; name=\"a\"\r\n--A--\r\n", "multipart-header"},
		{"no header", form, "--A\r\n\r\n" + x + "\r\n--A--\r\n", "multipart-name"},
		{"header twice", form, part(d+"\r\nContent-Disposition: form-data; name=\"b\"", x), "multipart-header-repeated"},
		{"folded header", form, part("form-data;\r\n name=\"comment\"", x), "multipart-disposition"},
		{"folded by a line without colon", form, part(d+"\r\n filename=x", x), "multipart-header"},
		{"unknown header", form, part(d+"\r\nX-A: b", x), "multipart-header"},
		{"blank before the colon", form, "--A\r\nContent-Disposition : form-data; name=\"a\"\r\n\r\n" + x + "\r\n--A--\r\n", "multipart-header"},
		{"NUL in a name", form, part("form-data; name=\"comm\x00ent\"", x), "multipart-header"},
		{"base64 part", form, part(d+"\r\nContent-Transfer-Encoding: base64", "eA=="), "multipart-transfer-encoding"},
		{"nested", form, part(d+"\r\nContent-Type: multipart/mixed; boundary=B", x), "multipart-nested"},
		{"charset of a part", form, part(d+"\r\nContent-Type: text/plain; charset=utf-7", x), "charset"},
		{"_charset_", form, part(`form-data; name="_charset_"`, "utf-7"), "charset"},
		{"long header", form, part(d+`; filename="`+strings.Repeat("a", 5000)+`"`, x), "multipart-header-length"},

		{"boundary in another parameter", `multipart/form-data; type="boundary=A"; boundary=B`, ok, "multipart-content-type"},
		{"boundary in start", `multipart/form-data; start="boundary=A,x"; boundary=B`, ok, "multipart-content-type"},
		{"xboundary", `multipart/form-data; xboundary=A; boundary=B`, ok, "multipart-content-type"},
		{"boundary twice", `multipart/form-data; boundary=A; boundary=B`, ok, "content-type"},
		{"upper-case boundary", `multipart/form-data; Boundary=xboundary=A`, ok, "multipart-content-type"},
		{"boundary with a comma", `multipart/form-data; boundary=A,B`, ok, "content-type"},
		{"no boundary", `multipart/form-data`, ok, "multipart-boundary"},
		{"empty boundary", `multipart/form-data; boundary=`, ok, "content-type"},
		{"empty quoted boundary", `multipart/form-data; boundary=""`, ok, "multipart-boundary"},
		{"long boundary", `multipart/form-data; boundary=` + strings.Repeat("A", 71), ok, "multipart-boundary"},
		{"space before =", `multipart/form-data; boundary =A`, ok, "content-type"},
		{"comma", `multipart/form-data, boundary=A`, ok, "content-type"},
		{"other multipart", `multipart/mixed; boundary=A`, ok, "content-type-multipart"},
		{"upper case type", `Multipart/Form-Data; boundary=A`, ok, ""},
		{"quoted boundary", `multipart/form-data; boundary="A"`, ok, ""},
		{"charset first", `multipart/form-data; charset=UTF-8; boundary=A`, ok, ""},
		{"charset behind", `multipart/form-data; boundary=A; charset=utf-8`, ok, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := readAll(t, tc.contentType, tc.body)
			if got := name(err); got != tc.want {
				t.Errorf("%q: got %v, want %q", tc.body, err, tc.want)
			}
		})
	}
}
