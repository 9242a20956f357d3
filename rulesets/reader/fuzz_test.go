package reader

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	stdmultipart "mime/multipart"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/qorgan/qorgan/event"
)

// FuzzMultipart holds that an accepted body means the same to Go's own reader,
// field by field and file by file, and that reading it as a stream changes
// nothing.
func FuzzMultipart(f *testing.F) {
	for _, s := range []string{
		part(`form-data; name="a"`, "1"), part(`form-data; name="f"; filename="x\"y.png"`, "\x00\r\n"),
		part("form-data; name=\"a\"\r\nContent-Type: text/plain; charset=utf-8", "x\r\n--B"), "--A--\r\n",
		part(`form-data; name=a; filename=b; filename*=UTF-8''c`, ""), part(`form-data; name="a\\b"`, "\n--A"),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r, s := mustPost(t, form), mustPost(t, form)
		err := r.ParseBody([]byte(body))
		streamed := s.ReadBody(iotest.OneByteReader(strings.NewReader(body)))
		if name(err) != name(streamed) {
			t.Fatalf("in memory %v, as a stream %v", err, streamed)
		}
		if err != nil || body == "" {
			return
		}
		if fmt.Sprint(r.Post, r.Files, r.Parts) != fmt.Sprint(s.Post, s.Files, s.Parts) {
			t.Fatalf("in memory %v %v, as a stream %v %v", r.Post, r.Files, s.Post, s.Files)
		}
		var fields, files int
		for std := stdmultipart.NewReader(strings.NewReader(body), "A"); ; {
			p, err := std.NextRawPart()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("Go refuses what was accepted: %v", err)
			}
			content, err := io.ReadAll(p)
			if err != nil {
				t.Fatal(err)
			}
			// Go's parser of parameters knows no bytes beyond ASCII in tokens and
			// decides by itself on filename*; what it refuses is not compared.
			_, params, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
			_, isFile := params["filename"]
			if err == nil && isFile != isFileAt(r, fields+files) {
				t.Fatalf("part %d: Go's file is %v", fields+files, isFile)
			}
			if isFileAt(r, fields+files) {
				if got := r.Files[files]; got.Size != int64(len(content)) || !bytes.HasPrefix(content, got.Head) {
					t.Fatalf("file %q: Go has %q", got.Head, content)
				}
				files++
				continue
			}
			if got := r.Post[fields].Value; got != string(content) {
				t.Fatalf("field %q: Go has %q", got, content)
			}
			fields++
		}
		if fields != len(r.Post)-r.PostAliases || files != len(r.Files) {
			t.Fatalf("Go has %d fields and %d files, reader %v %v", fields, files, r.Post, r.Files)
		}
	})
}

// isFileAt reports whether the part of that number is a file, by its header.
func isFileAt(r *Request, n int) bool {
	var h partHead
	for _, l := range r.Parts[n].Lines {
		if rest, ok := strings.CutPrefix(l, "Content-Disposition: "); ok && h.disposition(rest) != nil {
			return false
		}
	}
	return h.isFile
}

func mustPost(t *testing.T, contentType string) *Request {
	t.Helper()
	r, err := post(t, contentType)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// FuzzForm compares with url.ParseQuery wherever that accepts a text, and
// holds that nothing is lost: joined again, the pairs give the text's length.
func FuzzForm(f *testing.F) {
	for _, s := range []string{"a=1&b=2", "a=%41+%zz&&=x&y", "%", "a[b]=c=d", "%00=\x00", "a;b=c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		args, err := splitForm(s, nil, 1000)
		if err != nil {
			if strings.Count(s, "&") < 1000 {
				t.Fatal(err)
			}
			return
		}
		if n := len(strings.FieldsFunc(s, func(c rune) bool { return c == '&' })); n != len(args) {
			t.Fatalf("%d pairs, got %v", n, args)
		}
		want, err := url.ParseQuery(s)
		if err != nil {
			return
		}
		got := url.Values{}
		for _, a := range args {
			got.Add(a.Name, a.Value)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got %q, url.ParseQuery %q", got, want)
		}
	})
}

// FuzzJSON compares with encoding/json: what is accepted is valid there and
// has the same leaves, and what is valid there is refused only for a reason
// that is named.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,{"b":"c"}],"d":null}`, `[]`, `"\ud83d\ude00"`, `{"a":1,"a":2}`, `-0.5e+3`, "\xef\xbb\xbf{}", `[[[[]]]]`, `{"\u0061":"\/"}`, `tru`, `{"a":1}x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 1<<16 {
			return
		}
		r := mustPost(t, "application/json")
		err := r.ParseBody([]byte(s))
		valid := json.Valid([]byte(s))
		switch n := name(err); {
		case err == nil && !valid && strings.Trim(s, " \t\r\n") != "":
			t.Fatalf("accepted what encoding/json refuses: %q", s)
		case n == jsonSyntax && valid && utf8.ValidString(s) && !strings.Contains(s, `\u`):
			t.Fatalf("refused what encoding/json accepts: %v", err)
		}
		if err != nil || !valid {
			return
		}
		d := json.NewDecoder(strings.NewReader(s))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		want := map[string]int{}
		if _, ok := v.(map[string]any); !ok {
			if _, ok := v.([]any); !ok {
				v = []any{v}
			}
		}
		flatten("json", v, want)
		for _, a := range r.Post {
			want[a.Name+"="+a.Value]--
		}
		for k, n := range want {
			if n != 0 {
				t.Fatalf("%q: %d too few; reader %q", k, n, r.Post)
			}
		}
	})
}

func flatten(path string, v any, into map[string]int) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			flatten(path+"."+k, x, into)
		}
	case []any:
		for i, x := range v {
			flatten(path+"."+strconv.Itoa(i), x, into)
		}
		if len(v) > 0 {
			into[path+"="+strconv.Itoa(len(v))]++
		}
	case nil:
		into[path+"="]++
	default:
		into[path+"="+fmt.Sprint(v)]++
	}
}

// FuzzXML compares with encoding/xml: what is accepted parses there, every
// text and attribute that it finds is shown, and no accepted text has a
// directive or an instruction.
func FuzzXML(f *testing.F) {
	for _, s := range []string{
		`<?xml version="1.0"?><a b="c&amp;d">x<!-- y --><![CDATA[z]]></a>`, `<a><b/>&#x41;</a>`, `<!DOCTYPE a><a/>`,
		`<methodCall><methodName>m</methodName><params><param><value><base64>eA==</base64></value></param></params></methodCall>`,
		`<a b='1' b='2'/>`, `<a>]]></a>`, "<a x='\n'>\r\n</a>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 1<<16 {
			return
		}
		r := mustPost(t, "text/xml")
		if err := r.ParseBody([]byte(s)); err != nil || strings.Trim(s, "\xef\xbb\xbf"+xmlSpace) == "" {
			return
		}
		shown := strings.Join(r.Text, "\x00") + "\x00" + strings.Join(r.Attrs, "\x00")
		for _, a := range r.Post {
			shown += "\x00" + a.Value
		}
		for _, file := range r.Files {
			shown += "\x00" + string(file.Head)
		}
		d := xml.NewDecoder(strings.NewReader(strings.TrimLeft(strings.TrimPrefix(s, "\xef\xbb\xbf"), xmlSpace)))
		inBase64 := false
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				// Names are checked by their bytes here, by Unicode tables there.
				if !isASCII(s) || strings.Contains(err.Error(), "invalid XML name") || strings.Contains(err.Error(), "encoding") || strings.Contains(err.Error(), "version") || strings.Contains(err.Error(), ":") {
					return
				}
				t.Fatalf("accepted what encoding/xml refuses: %v\n%q", err, s)
			}
			switch x := token.(type) {
			case xml.StartElement:
				inBase64 = x.Name.Local == "base64"
				for _, a := range x.Attr {
					if v := blankLines.Replace(a.Value); !strings.Contains(blankLines.Replace(shown), v) {
						t.Fatalf("attribute %q is not shown in %q", a.Value, shown)
					}
				}
			case xml.EndElement:
				inBase64 = false
			case xml.CharData:
				if v := strings.TrimSpace(string(x)); !inBase64 && !strings.Contains(shown, v) && !strings.Contains(string(x), "\r") {
					t.Fatalf("text %q is not shown in %q", v, shown)
				}
			case xml.Directive, xml.ProcInst:
				if p, ok := x.(xml.ProcInst); !ok || p.Target != "xml" {
					t.Fatalf("accepted %q", token)
				}
			}
		}
	})
}

// FuzzCookies holds that every value of the header is shown under its own name
// and under the name that PHP gives it.
func FuzzCookies(f *testing.F) {
	for _, s := range []string{"a=1; b=2", " a =1;;=x; c", "a.b=%41; a[b]=c", "__Host-a=1; ..Host-b=2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		args, aliases, err := splitCookies(s, 1000)
		if err != nil {
			return
		}
		plain := args[:len(args)-aliases]
		i := 0
		for pair := range strings.SplitSeq(s, ";") {
			name, value, _ := strings.Cut(strings.Trim(pair, " "), "=")
			name, value = strings.TrimRight(name, " "), strings.TrimLeft(value, " ")
			if name == "" && value == "" {
				continue
			}
			if i == len(plain) || plain[i] != (Arg{name, value}) {
				t.Fatalf("pair %d of %q: got %q", i, s, args)
			}
			i++
		}
		if i != len(plain) {
			t.Fatalf("%q: %d pairs, got %q", s, i, plain)
		}
		for _, a := range args[len(plain):] {
			if full, _ := PHPName(a.Name); full != a.Name {
				t.Fatalf("alias %q is %q for PHP", a.Name, full)
			}
		}
	})
}

// FuzzPHPName holds that the name is a fixed point, and that NamePattern finds
// exactly the spellings of a base.
func FuzzPHPName(f *testing.F) {
	for _, s := range []string{"user.id", " user id[a][]", "a[b", "a[b]c[d", "a\x00b", "[a]", "_[x", "a[b.c", "__Host-x", "..Host-x", "a]b", "имя.x"} {
		f.Add(s, "user_id")
		f.Add(s, "a_b")
	}
	f.Fuzz(func(t *testing.T, raw, other string) {
		name, base := PHPName(raw)
		if base == "" {
			if name != "" {
				t.Fatalf("PHPName(%q) = %q, %q", raw, name, base)
			}
			return
		}
		if !strings.HasPrefix(name, base) || strings.ContainsAny(base, " .[\x00") {
			t.Fatalf("PHPName(%q) = %q, %q", raw, name, base)
		}
		if n, b := PHPName(name); n != name || b != base {
			t.Fatalf("PHPName(%q) = %q, %q; of that again %q, %q", raw, name, base, n, b)
		}
		_, otherBase := PHPName(other)
		for _, b := range []string{base, otherBase} {
			if !utf8.ValidString(b) || b == "" || strings.HasPrefix(b, "__Host-") || strings.HasPrefix(b, "__Secure-") {
				continue
			}
			p, err := regexp.Compile(NamePattern(b))
			if err != nil {
				t.Fatalf("NamePattern(%q): %v", b, err)
			}
			if got := p.MatchString(raw); got != (b == base) {
				t.Fatalf("NamePattern(%q) on %q, which is %q: %v", b, raw, base, got)
			}
		}
		if as, ok := alias(raw); ok && as != name {
			t.Fatalf("alias(%q) = %q, want %q", raw, as, name)
		}
	})
}

// FuzzTarget holds that an accepted target has one path: free of dot segments,
// double slashes and NUL when cleaned, and a fixed point of cleaning.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "//a/%2e%2e/%2f", "/a?b#c", "http://h/a", "*", "/%00", "/..;/a", "/a%20b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		r, err := Head("GET", target, "HTTP/1.1", []event.Field{}, Limits{Args: 1 << 20})
		if err != nil {
			return
		}
		if r.Path == "*" {
			return
		}
		if r.Clean == "" || r.Clean[0] != '/' || strings.Contains(r.Clean, "//") || strings.Contains(r.Clean, "\x00") ||
			hasDotSegment(r.Clean) || cleanPath(r.Clean) != r.Clean {
			t.Fatalf("%q: clean %q", target, r.Clean)
		}
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Path != r.Filename && r.Filename != "" || u.RawQuery != r.Query {
			t.Fatalf("%q: path %q, query %q; url has %v, %v", target, r.Filename, r.Query, u, err)
		}
	})
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
