package reader

import (
	"net/url"
	"strings"
)

// maxPartLine bounds one header line of a part. PHP reads them through a
// buffer of 5 KiB and breaks longer lines in two.
const maxPartLine = 4096

// partHead is what the header of one part says.
type partHead struct {
	name, filename, alt string
	isFile              bool
	typ                 string
	lines               []string
}

// headerLine reads one line of a part's header. Known are the headers that
// clients send, each once; others would be a second reading for somebody.
func (h *partHead) headerLine(line string) error {
	colon := strings.IndexByte(line, ':')
	if colon <= 0 || !isToken(line[:colon]) {
		return ambiguous("multipart-header", "a line in a part's header that is not name, colon, value")
	}
	for i := 0; i < len(line); i++ {
		if line[i] < ' ' || line[i] == 0x7f {
			return ambiguous("multipart-header", "a control character in a part's header")
		}
	}
	value := strings.Trim(line[colon+1:], " ")
	var name string
	switch lower(line[:colon]) {
	case "content-disposition":
		name = "Content-Disposition: "
	case "content-type":
		name = "Content-Type: "
		if err := h.contentType(value); err != nil {
			return err
		}
	case "content-length":
		name = "Content-Length: "
		if value == "" || strings.Trim(value, "0123456789") != "" {
			return ambiguous("multipart-header", "a part's Content-Length that is not a number")
		}
	case "content-transfer-encoding":
		name = "Content-Transfer-Encoding: "
		switch lower(value) {
		case "binary", "8bit", "7bit":
		default:
			return ambiguous("multipart-transfer-encoding", "a part in an encoding that PHP does not decode")
		}
	default:
		return ambiguous("multipart-header", "a part header other than Content-Disposition, -Type, -Length and -Transfer-Encoding")
	}
	for _, l := range h.lines {
		if strings.HasPrefix(l, name) {
			return ambiguous("multipart-header-repeated", "a part header given twice")
		}
	}
	h.lines = append(h.lines, name+value)
	if name == "Content-Disposition: " {
		return h.disposition(value)
	}
	return nil
}

func (h *partHead) contentType(value string) error {
	typ, params, _ := strings.Cut(value, ";")
	typ = strings.TrimRight(typ, " ")
	if typ == "" && params == "" {
		return nil
	}
	if !validMediaType(typ) {
		return ambiguous("multipart-part-type", "a part's Content-Type that is not one media type")
	}
	h.typ = lower(typ)
	if strings.HasPrefix(h.typ, "multipart/") {
		return ambiguous("multipart-nested", "a multipart body inside a part")
	}
	var inner Request
	return inner.readTypeParams(params, false)
}

// disposition reads form-data; name="…"[; filename="…"[; filename*=UTF-8”…]],
// the parameters in any order, each once. PHP takes the file name from
// "filename" alone; "filename*" beside it changes nothing for PHP and is shown
// as a second name, alone it makes a file for some readers and a field for PHP.
func (h *partHead) disposition(value string) error {
	rest, ok := strings.CutPrefix(value, "form-data")
	if !ok {
		return ambiguous("multipart-disposition", "a part that is not form-data")
	}
	var hasName, hasFile, hasAlt bool
	for rest != "" {
		if rest[0] != ';' {
			return ambiguous("multipart-disposition", "text between the parameters of Content-Disposition")
		}
		rest = strings.TrimLeft(rest[1:], " ")
		eq := strings.IndexByte(rest, '=')
		if eq < 0 {
			return ambiguous("multipart-disposition", "a Content-Disposition parameter without a value")
		}
		key := rest[:eq]
		rest = rest[eq+1:]
		var err error
		switch {
		case key == "name" && !hasName:
			hasName = true
			h.name, rest, err = dispositionValue(rest)
		case key == "filename" && !hasFile:
			hasFile = true
			h.filename, rest, err = dispositionValue(rest)
		case key == "filename*" && !hasAlt:
			hasAlt = true
			h.alt, rest, err = extendedValue(rest)
		case key == "name" || key == "filename" || key == "filename*":
			err = ambiguous("multipart-disposition-repeated", "a Content-Disposition parameter given twice")
		default:
			err = ambiguous("multipart-disposition", "a Content-Disposition parameter other than name and filename")
		}
		if err != nil {
			return err
		}
	}
	switch {
	case !hasName:
		return ambiguous("multipart-name", "a part without a name")
	case hasAlt && !hasFile:
		return ambiguous("multipart-filename-extended", "a part with filename* and no filename")
	}
	h.isFile = hasFile
	return misleading(h.filename, h.alt)
}

// misleading refuses file names that are something else to whoever decodes
// them once more, or looks at them: an encoded NUL ends a name in C, an
// override of direction shows its end in front.
func misleading(names ...string) error {
	for _, name := range names {
		if strings.Contains(name, "%00") || strings.IndexByte(name, 0) >= 0 {
			return ambiguous("multipart-filename-nul", "a NUL in a file name")
		}
		if strings.Contains(name, "\u202e") || strings.Contains(name, "\u202d") {
			return ambiguous("multipart-filename-direction", "a file name that overrides the direction of writing")
		}
	}
	return nil
}

// dispositionValue takes a quoted string or a token off s, unescaped as PHP
// does. PHP looks for the closing quote without counting backslashes, so an
// even run of them before a quote has two readings.
func dispositionValue(s string) (value, rest string, err error) {
	if s == "" || s[0] != '"' {
		i := 0
		for i < len(s) && token[s[i]] {
			i++
		}
		if i == 0 {
			return "", "", ambiguous("multipart-quoting", "a Content-Disposition value that is neither quoted nor a token")
		}
		return s[:i], s[i:], nil
	}
	s = s[1:]
	run, escaped := 0, false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			run++
			escaped = true
			continue
		case '"':
			if run == 0 {
				value, rest = s[:i], s[i+1:]
				if escaped {
					value = unquote(value)
				}
				return value, rest, nil
			}
			if run%2 == 0 {
				return "", "", ambiguous("multipart-quoting", "backslashes before a closing quote")
			}
		}
		run = 0
	}
	return "", "", ambiguous("multipart-quoting", "a quoted value without its closing quote")
}

// unquote drops the backslash before a backslash or a quote and keeps every
// other, as PHP does.
func unquote(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && (s[i+1] == '\\' || s[i+1] == '"') {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// extendedValue reads an ext-value in UTF-8 (RFC 8187), unquoted.
func extendedValue(s string) (value, rest string, err error) {
	const prefix = "utf-8''"
	bad := ambiguous("multipart-filename-extended", "a filename* that is not UTF-8''percent-encoded")
	if len(s) < len(prefix) || lower(s[:len(prefix)]) != prefix {
		return "", "", bad
	}
	s = s[len(prefix):]
	i := 0
	for i < len(s) && token[s[i]] {
		i++
	}
	value, uerr := url.PathUnescape(s[:i])
	if uerr != nil {
		return "", "", bad
	}
	return value, s[i:], nil
}
