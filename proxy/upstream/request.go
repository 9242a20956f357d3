package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

var errControl = errors.New("write request: a line break or NUL in the head")

// appendRequest writes a request as it goes over the wire, its body included,
// which must be at hand and as long as announced. What would break a line of the
// head is an error: the rooms before have refused it, and no defect of theirs
// may split a request.
func appendRequest(b []byte, r *http.Request) ([]byte, error) {
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = appendTarget(b, r)
	b = append(b, " HTTP/1.1"...)
	if breaks(b) {
		return b, errControl
	}
	b = append(b, "\r\n"...)
	b, err := appendLine(b, "Host", r.Host)
	if err != nil {
		return b, err
	}
	for name, lines := range r.Header {
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
			continue // framing and routing are said once, by us
		}
		for _, v := range lines {
			if b, err = appendLine(b, name, v); err != nil {
				return b, err
			}
		}
	}
	if r.Body == nil {
		switch r.Method {
		case http.MethodPost, http.MethodPut, http.MethodPatch:
			b = append(b, "Content-Length: 0\r\n"...)
		}
		return append(b, "\r\n"...), nil
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, r.ContentLength, 10)
	b = append(b, "\r\n\r\n"...)
	at := len(b)
	b = append(b, make([]byte, r.ContentLength)...)
	if _, err := io.ReadFull(r.Body, b[at:]); err != nil {
		return b, fmt.Errorf("write request: body: %w", err)
	}
	return b, nil
}

// appendTarget writes what URL.RequestURI returns, without its copies.
func appendTarget(b []byte, r *http.Request) []byte {
	u := r.URL
	if u.Opaque == "" || strings.HasPrefix(u.Opaque, "//") {
		return append(b, u.RequestURI()...)
	}
	b = append(b, u.Opaque...)
	if u.ForceQuery || u.RawQuery != "" {
		b = append(b, '?')
		b = append(b, u.RawQuery...)
	}
	return b
}

func appendLine(b []byte, name, value string) ([]byte, error) {
	at := len(b)
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	if breaks(b[at:]) {
		return b, errControl
	}
	return append(b, "\r\n"...), nil
}

// breaks reports whether b has a byte that may end a line.
func breaks(b []byte) bool {
	return bytes.IndexByte(b, '\n') >= 0 || bytes.IndexByte(b, '\r') >= 0 || bytes.IndexByte(b, 0) >= 0
}
