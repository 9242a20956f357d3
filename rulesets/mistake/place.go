package mistake

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// Place is where in a request a rule matched: a variable of the rules and the
// parameter's, cookie's or header's name.
type Place struct {
	Variable string
	Key      string
}

// String returns the place as an exclusion names it.
func (p Place) String() string {
	if p.Key == "" {
		return p.Variable
	}
	return p.Variable + ":" + p.Key
}

// placeOf returns the narrowest place that an exclusion can name for a match;
// ok is false where that would excuse too much, such as a whole body.
func placeOf(m event.Match) (p Place, ok bool) {
	if len(m.Key) > 128 || strings.HasPrefix(m.Key, "/") || strings.ContainsFunc(m.Key, func(r rune) bool { return r < ' ' || r == '…' || r == '‹' }) {
		return Place{}, false
	}
	switch m.Variable {
	case "ARGS", "ARGS_GET", "ARGS_POST":
		return Place{"ARGS", m.Key}, m.Key != ""
	case "ARGS_NAMES", "ARGS_GET_NAMES", "ARGS_POST_NAMES", "REQUEST_COOKIES", "REQUEST_COOKIES_NAMES", "REQUEST_HEADERS", "REQUEST_HEADERS_NAMES", "MULTIPART_PART_HEADERS":
		return Place{m.Variable, m.Key}, m.Key != ""
	case "REQUEST_URI", "REQUEST_URI_RAW", "REQUEST_FILENAME", "REQUEST_BASENAME", "QUERY_STRING", "REQUEST_METHOD", "FILES", "FILES_NAMES":
		return Place{m.Variable, ""}, true // the exclusion names path and method
	}
	return Place{}, false
}

// put returns the request with value in the place, everything else as it was.
// ok is false when the request has no such place.
func put(p rulesets.Probe, at Place, value string) (out rulesets.Probe, ok bool) {
	switch at.Variable {
	case "ARGS":
		return putArg(p, at.Key, value)
	case "REQUEST_HEADERS":
		return putHeader(p, at.Key, value)
	case "REQUEST_COOKIES":
		return putCookie(p, at.Key, value)
	case "FILES":
		return putParts(p, func(form, file string) (string, string, bool) { return form, value, file != "" })
	case "REQUEST_URI", "REQUEST_URI_RAW", "QUERY_STRING":
		return putElsewhere(p, value), true
	}
	return p, false
}

// putElsewhere returns the request with one more parameter in its query, of a
// name that no exclusion knows.
func putElsewhere(p rulesets.Probe, value string) rulesets.Probe {
	sep := "?"
	if strings.Contains(p.Target, "?") {
		sep = "&"
	}
	p.Target += sep + "qorgan-elsewhere=" + url.QueryEscape(value)
	return p
}

func putArg(p rulesets.Probe, key, value string) (rulesets.Probe, bool) {
	path, query, _ := strings.Cut(p.Target, "?")
	query, inQuery := putPair(query, key, value)
	if inQuery {
		p.Target = path + "?" + query
	}
	typ, params, _ := mime.ParseMediaType(header(p, "Content-Type"))
	var body []byte
	inBody := false
	switch {
	case len(p.Body) == 0:
	case strings.HasPrefix(key, "json."):
		body, inBody = putJSON(p.Body, key, value)
	case typ == "multipart/form-data" && params["boundary"] != "":
		changed, ok := putParts(p, func(form, file string) (string, string, bool) { return value, file, file == "" && names(form, key) })
		if ok {
			return changed, true
		}
	default:
		var text string
		text, inBody = putPair(string(p.Body), key, value)
		body = []byte(text)
	}
	if inBody {
		p = withBody(p, body)
	}
	return p, inQuery || inBody
}

// names reports whether a parameter as sent is the one that the rules call key.
func names(sent, key string) bool {
	if strings.EqualFold(sent, key) {
		return true
	}
	php, _ := reader.PHPName(sent)
	return php != "" && strings.EqualFold(php, key)
}

// putPair changes a parameter of a query or a form.
func putPair(text, key, value string) (string, bool) {
	if text == "" {
		return text, false
	}
	pairs := strings.Split(text, "&")
	found := false
	for i, pair := range pairs {
		raw, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(raw)
		if err != nil {
			name = raw
		}
		if names(name, key) {
			pairs[i], found = raw+"="+url.QueryEscape(value), true
		}
	}
	return strings.Join(pairs, "&"), found
}

// putJSON changes the value at a path such as json.items.0.note.
func putJSON(body []byte, key, value string) ([]byte, bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var doc any
	if d.Decode(&doc) != nil {
		return nil, false
	}
	doc, found := putMember(doc, "json", key, value)
	if !found {
		return nil, false
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(doc) != nil {
		return nil, false
	}
	return bytes.TrimSpace(b.Bytes()), true
}

func putMember(at any, path, key, value string) (any, bool) {
	if strings.EqualFold(path, key) {
		switch at.(type) {
		case map[string]any, []any:
			return at, false
		}
		return value, true
	}
	found := false
	member := func(name string, v any) any {
		next := path + "." + name
		if len(key) < len(next) || !strings.EqualFold(key[:len(next)], next) {
			return v
		}
		v, here := putMember(v, next, key, value)
		found = found || here
		return v
	}
	switch at := at.(type) {
	case map[string]any:
		for name, v := range at {
			at[name] = member(name, v)
		}
	case []any:
		for i, v := range at {
			at[i] = member(strconv.Itoa(i), v)
		}
	}
	return at, found
}

// putParts rewrites a multipart body. change is given each part's value and
// file name (empty for a field, of which form is the name) and returns what is
// to stand there; ok says that the part was meant.
func putParts(p rulesets.Probe, change func(form, file string) (value, name string, ok bool)) (rulesets.Probe, bool) {
	_, params, err := mime.ParseMediaType(header(p, "Content-Type"))
	if err != nil || params["boundary"] == "" {
		return p, false
	}
	var b bytes.Buffer
	out := multipart.NewWriter(&b)
	if out.SetBoundary(params["boundary"]) != nil {
		return p, false
	}
	in := multipart.NewReader(bytes.NewReader(p.Body), params["boundary"])
	found := false
	for {
		part, err := in.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return p, false
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return p, false
		}
		head := textproto.MIMEHeader{}
		for name, lines := range part.Header {
			head[name] = slices.Clone(lines)
		}
		_, disposition, _ := mime.ParseMediaType(head.Get("Content-Disposition"))
		value, name, meant := change(part.FormName(), disposition["filename"])
		switch {
		case meant && disposition["filename"] != "":
			quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
			head.Set("Content-Disposition", `form-data; name="`+quoted.Replace(part.FormName())+`"; filename="`+quoted.Replace(name)+`"`)
			found = true
		case meant:
			content, found = []byte(value), true
		}
		w, err := out.CreatePart(head)
		if err != nil {
			return p, false
		}
		if _, err := w.Write(content); err != nil {
			return p, false
		}
	}
	if out.Close() != nil || !found {
		return p, false
	}
	return withBody(p, b.Bytes()), true
}

func putHeader(p rulesets.Probe, key, value string) (rulesets.Probe, bool) {
	found := false
	p.Fields = slices.Clone(p.Fields)
	for i, f := range p.Fields {
		if strings.EqualFold(f.Name, key) {
			p.Fields[i].Value, found = strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ").Replace(value), true
		}
	}
	return p, found
}

func putCookie(p rulesets.Probe, key, value string) (rulesets.Probe, bool) {
	found := false
	p.Fields = slices.Clone(p.Fields)
	for i, f := range p.Fields {
		if !strings.EqualFold(f.Name, "Cookie") {
			continue
		}
		parts := strings.Split(f.Value, ";")
		for j, part := range parts {
			name, _, ok := strings.Cut(part, "=")
			if ok && names(strings.TrimSpace(name), key) {
				parts[j], found = name+"="+url.QueryEscape(value), true
			}
		}
		p.Fields[i].Value = strings.Join(parts, ";")
	}
	return p, found
}

// withBody gives the request another body, and the length that belongs to it.
func withBody(p rulesets.Probe, body []byte) rulesets.Probe {
	p.Body = body
	p.Fields = slices.Clone(p.Fields)
	for i, f := range p.Fields {
		if strings.EqualFold(f.Name, "Content-Length") {
			p.Fields[i].Value = strconv.Itoa(len(body))
		}
	}
	return p
}

func header(p rulesets.Probe, name string) string {
	for _, f := range p.Fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}
