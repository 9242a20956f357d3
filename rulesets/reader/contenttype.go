package reader

import "strings"

const formType = "application/x-www-form-urlencoded"

// Plan says how the body of a request is to be read.
type Plan uint8

// The plans.
const (
	// Opaque bodies are looked at, not read: an image, a video, an archive.
	// [Request.ReadBody] reads their first bytes and, when those could be a
	// text that PHP parses whatever its announced type, all of it.
	Opaque Plan = iota
	// Whole bodies are held in memory, up to Limits.Inspect bytes.
	Whole
	// Stream bodies (multipart) are read to their end before the request can
	// be judged; of files only the first bytes are kept.
	Stream
)

// Plan returns how the request's body is to be read, if it has one. It depends
// on the body's announced type alone: PHP code reads bodies of any method.
func (r *Request) Plan() Plan { return r.plan }

// readContentType chooses the body reader. PHP takes the media type up to the
// first ";", "," or space and looks for "boundary" anywhere behind it; other
// readers follow RFC 9110. A value that follows the grammar means the same to
// all of them.
func (r *Request) readContentType(v string, present bool) error {
	r.plan = Whole
	if !present || v == "" {
		r.Processor = "URLENCODED"
		return nil
	}
	typ, params, _ := strings.Cut(v, ";")
	typ = strings.TrimRight(typ, " ")
	if !validMediaType(typ) {
		return ambiguous("content-type", "a Content-Type that is not one media type")
	}
	r.Type = lower(typ)
	multipart := r.Type == "multipart/form-data"
	if err := r.readTypeParams(params, multipart); err != nil {
		return err
	}
	switch major, minor, _ := strings.Cut(r.Type, "/"); {
	case r.Type == formType:
		r.Processor = "URLENCODED"
	case multipart:
		if r.boundary == "" {
			return ambiguous("multipart-boundary", "multipart/form-data without a boundary")
		}
		r.Processor, r.plan = "MULTIPART", Stream
	case major == "multipart":
		return unsupported("content-type-multipart", "a multipart type other than multipart/form-data")
	case minor == "json" || strings.HasSuffix(minor, "+json") || minor == "json+oembed" || minor == "x-json":
		r.Processor = "JSON"
	case minor == "xml" || strings.HasSuffix(minor, "+xml"):
		r.Processor = "XML"
	case opaqueType(major, minor):
		r.plan = Opaque
	default:
		r.Processor = "URLENCODED"
	}
	return nil
}

// opaqueType reports whether a body of that type is data no PHP code parses
// as text.
func opaqueType(major, minor string) bool {
	switch major {
	case "image", "audio", "video", "font", "model":
		return true
	case "application":
		switch minor {
		case "octet-stream", "pdf", "zip", "gzip", "x-gzip", "x-tar", "x-7z-compressed", "x-rar-compressed",
			"vnd.rar", "x-zip-compressed", "msword", "rtf", "epub+zip", "wasm", "font-woff", "x-bzip2",
			"x-protobuf", "protobuf", "offset+octet-stream":
			return true
		}
		return strings.HasPrefix(minor, "vnd.ms-") || strings.HasPrefix(minor, "vnd.openxmlformats-") ||
			strings.HasPrefix(minor, "vnd.oasis.opendocument.")
	}
	return false
}

// readTypeParams reads the parameters of a Content-Type. For multipart only
// boundary and charset may stand there, each once and in lower case.
func (r *Request) readTypeParams(s string, multipart bool) error {
	seen := map[string]bool(nil)
	for s != "" {
		s = strings.TrimLeft(s, " ")
		if s == "" {
			break
		}
		eq := strings.IndexByte(s, '=')
		if eq <= 0 || !isToken(s[:eq]) {
			return ambiguous("content-type", "a Content-Type parameter without a value or with a bad name")
		}
		name := s[:eq]
		value, rest, ok := paramValue(s[eq+1:])
		if !ok {
			return ambiguous("content-type", "a Content-Type parameter with a bad value")
		}
		if rest != "" && rest[0] != ';' {
			return ambiguous("content-type", "text behind a Content-Type parameter")
		}
		s = strings.TrimPrefix(rest, ";")
		folded := lower(name)
		if seen[folded] {
			return ambiguous("content-type", "a Content-Type parameter given twice")
		}
		if seen == nil {
			seen = make(map[string]bool, 2)
		}
		seen[folded] = true
		switch {
		case folded == "charset":
			if r.Charset = lower(value); !knownCharset(r.Charset) {
				return unsupported("charset", "a body charset other than UTF-8, ASCII, Latin-1 or Windows-1251")
			}
		case multipart && name == "boundary":
			if !validBoundary(value) {
				return ambiguous("multipart-boundary", "a boundary outside RFC 2046")
			}
			r.boundary = value
		case multipart:
			return ambiguous("multipart-content-type", "a multipart parameter other than boundary and charset")
		}
	}
	return nil
}

// paramValue takes a token or a quoted string without escapes off s.
func paramValue(s string) (value, rest string, ok bool) {
	if s == "" {
		return "", "", false
	}
	if s[0] == '"' {
		end := strings.IndexByte(s[1:], '"')
		if end < 0 {
			return "", "", false
		}
		value, rest = s[1:1+end], s[2+end:]
		for i := 0; i < len(value); i++ {
			if value[i] == '\\' || value[i] < ' ' || value[i] >= 0x7f {
				return "", "", false
			}
		}
		return value, rest, true
	}
	i := 0
	for i < len(s) && (token[s[i]] || s[i] == '/' || s[i] == ':' || s[i] == '=' || s[i] == '@') {
		i++
	}
	return s[:i], s[i:], i > 0
}

// validBoundary follows RFC 2046, 5.1.1, less the bytes at which PHP ends a
// boundary that stands without quotes.
func validBoundary(s string) bool {
	if len(s) == 0 || len(s) > 70 || s[len(s)-1] == ' ' {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && !strings.ContainsRune("'()+_-./:=? ", rune(c)) {
			return false
		}
	}
	return true
}

// knownCharset reports whether PHP code and the rules read the same text in
// that charset: ASCII means itself in each of them.
func knownCharset(s string) bool {
	switch s {
	case "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "iso-8859-15",
		"windows-1252", "windows-1251", "cp1251":
		return true
	}
	return false
}

func validMediaType(s string) bool {
	major, minor, ok := strings.Cut(s, "/")
	return ok && isToken(major) && isToken(minor)
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !token[s[i]] {
			return false
		}
	}
	return s != ""
}

// token holds the bytes of a token (RFC 9110, 5.6.2) except the apostrophe,
// which PHP takes for a quote.
var token = func() (t [256]bool) {
	for _, c := range "!#$%&*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		t[c] = true
	}
	return t
}()

// lower folds ASCII letters only, without allocating when there is nothing
// to fold.
func lower(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
