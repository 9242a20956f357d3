package fastpath

import (
	"net/url"
	"strconv"
	"strings"
	"unsafe"

	"github.com/qorgan/qorgan/rulesets/reader"
)

// views are the values that Coraza derives from the request line.
type views struct {
	made                       bool
	uri, path, base, query     string
	line                       string
	failed                     bool // the target is no URI
	bodyLength, filesSize, all string
}

func (v *views) reset() { *v = views{} }

// make fills the views. Coraza does the same in Transaction.ProcessURI.
func (v *views) make(j *judgement) {
	r := j.in.Request
	v.made = true
	b := j.arena.take(len(r.Method) + len(r.Target) + len(r.Proto) + 2)
	b = append(append(append(append(append(b, r.Method...), ' '), r.Target...), ' '), r.Proto...)
	v.line = j.arena.keep(b, "")
	target, _, _ := strings.Cut(r.Target, "#")
	v.uri = target
	if plainURI(target) {
		v.path, v.query, _ = strings.Cut(target, "?")
	} else if u, err := url.ParseRequestURI(target); err == nil {
		v.uri, v.path, v.query = u.String(), u.Path, u.RawQuery
	} else {
		v.failed = true
		v.path, v.query, _ = strings.Cut(target, "?")
	}
	v.base = v.path
	if i := strings.LastIndexAny(v.path, `/\`); i >= 0 && i+1 < len(v.path) {
		v.base = v.path[i+1:]
	}
	if len(r.Body) > 0 {
		v.bodyLength = number(len(r.Body))
	}
	if r.Processor == "MULTIPART" {
		var size int64
		for i := range r.Post {
			size += int64(len(r.Post[i].Value))
		}
		for i := range r.Files {
			size += r.Files[i].Size
		}
		v.filesSize = strconv.FormatInt(size, 10)
	}
	n := 0
	for _, a := range r.Get {
		n += len(a.Name) + len(a.Value)
	}
	for _, a := range r.Post {
		n += len(a.Name) + len(a.Value)
	}
	v.all = number(n)
}

// plainURI reports whether parsing and printing a target gives it back, its
// path as it stands: an absolute path of characters that need no escaping.
func plainURI(s string) bool {
	if len(s) == 0 || s[0] != '/' || strings.HasPrefix(s, "//") {
		return false
	}
	query := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '/', c == '-', c == '_', c == '.', c == '~':
		case c == '?':
			query = true
		case c == '%', c == '+', c == '&', c == '=', c == ',', c == ';', c == ':', c == '@', c == '!', c == '$', c == '*', c == '(', c == ')', c == '\'', c == '[', c == ']':
			if !query {
				return false
			}
		default:
			return false
		}
	}
	return true
}

var numbers = func() (t [1000]string) {
	for i := range t {
		t[i] = strconv.Itoa(i)
	}
	return t
}()

func number(n int) string {
	if 0 <= n && n < len(numbers) {
		return numbers[n]
	}
	return strconv.Itoa(n)
}

func bytesString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// visit shows every value of the request to the classes.
func (j *judgement) visit() {
	j.views.make(j)
	for s := source(0); s < sourceCount; s++ {
		if len(j.p.tables[s].heads) > 0 {
			j.each(s, nil)
			if j.p.tables[s].early {
				j.value(s, "", "")
			}
		}
	}
}

// each calls value for every value of a source, or appends them to out.
func (j *judgement) each(s source, out *[]kv) {
	r, v := j.in.Request, &j.views
	give := func(key, value string) {
		if out != nil {
			*out = append(*out, kv{key, value})
			return
		}
		j.value(s, key, value)
	}
	switch s {
	case srcHeader:
		for i := range r.Fields {
			give(r.Fields[i].Name, r.Fields[i].Value)
		}
	case srcHeaderName:
		for i := range r.Fields {
			give(r.Fields[i].Name, r.Fields[i].Name)
		}
	case srcCookie:
		args(r.Cookies, give)
	case srcCookieName:
		names(r.Cookies, give)
	case srcGet:
		args(r.Get, give)
	case srcGetName:
		names(r.Get, give)
	case srcPost:
		args(r.Post, give)
	case srcPostName:
		names(r.Post, give)
	case srcFile, srcFileField, srcFileSize, srcFileContent, srcPartName, srcPartFile:
		if r.Processor == "MULTIPART" {
			j.files(s, give)
		}
	case srcPartHeader:
		for i := range r.Parts {
			for _, l := range r.Parts[i].Lines {
				give(r.Parts[i].Name, l)
			}
		}
	case srcXML:
		for _, t := range r.Text {
			give("/*", t)
		}
		for _, t := range r.Attrs {
			give("//@*", t)
		}
	case srcMethod:
		give("", r.Method)
	case srcProtocol:
		give("", r.Proto)
	case srcLine:
		give("", v.line)
	case srcURI:
		give("", v.uri)
	case srcURIRaw:
		give("", r.Target)
	case srcPath:
		give("", v.path)
	case srcBasename:
		give("", v.base)
	case srcQuery:
		give("", v.query)
	case srcBody:
		give("", bytesString(r.Body))
	case srcBodyLength:
		give("", v.bodyLength)
	case srcArgsSize:
		give("", v.all)
	case srcFilesSize:
		give("", v.filesSize)
	case srcProcessor:
		give("", r.Processor)
	case srcBodyError:
		give("", "")
		if j.in.BodyError {
			give("", "1")
		}
	case srcURIError:
		if v.failed {
			give("", "1")
		} else {
			give("", "")
		}
	case srcRemote:
		give("", j.in.Remote)
	case srcHost:
		give("", j.in.Host)
	default:
		if j.res != nil {
			j.response(s, give)
		}
	}
}

// response gives what the upstream answered.
func (j *judgement) response(s source, give func(key, value string)) {
	r := j.res
	switch s {
	case srcStatus:
		give("", number(r.Status))
	case srcResponseProtocol:
		give("", r.Proto)
	case srcResponseBody:
		give("", bytesString(r.Body))
	case srcResponseHeader:
		for i := range r.Fields {
			give(r.Fields[i].Name, r.Fields[i].Value)
		}
	case srcResponseHeaderName:
		for i := range r.Fields {
			give(r.Fields[i].Name, r.Fields[i].Name)
		}
	case srcResponseType:
		t := ""
		for i := range r.Fields {
			if strings.EqualFold(r.Fields[i].Name, "content-type") {
				t, _, _ = strings.Cut(r.Fields[i].Value, ";")
				give("", t)
			}
		}
		if t == "" {
			give("", "")
		}
	}
}

// files gives what only a multipart body has.
func (j *judgement) files(s source, give func(key, value string)) {
	r := j.in.Request
	if s == srcPartName {
		for i := range r.Post {
			give(r.Post[i].Name, r.Post[i].Name)
		}
	}
	for i := range r.Files {
		f := &r.Files[i]
		switch s {
		case srcFileField:
			give("", f.Field)
			continue
		case srcPartName:
			give(f.Field, f.Field)
			continue
		case srcFileContent:
			give(f.Field, bytesString(f.Head))
			continue
		}
		for _, name := range [...]string{f.Name, f.Alt} {
			switch {
			case name == "":
			case s == srcFile:
				give("", name)
			case s == srcFileSize:
				give(name, strconv.FormatInt(f.Size, 10))
			case s == srcPartFile:
				give(f.Field, name)
			}
		}
	}
	if s == srcFileField {
		for i := range r.FileAliases {
			give("", r.FileAliases[i].Field)
		}
	}
}

func args(as []reader.Arg, give func(key, value string)) {
	for i := range as {
		give(as[i].Name, as[i].Value)
	}
}

func names(as []reader.Arg, give func(key, value string)) {
	for i := range as {
		give(as[i].Name, as[i].Name)
	}
}

// header returns the first field of a lower-case name.
func (j *judgement) header(lower string) (string, bool) {
	for i := range j.in.Request.Fields {
		f := &j.in.Request.Fields[i]
		if len(f.Name) == len(lower) && strings.EqualFold(f.Name, lower) {
			return f.Value, true
		}
	}
	return "", false
}
