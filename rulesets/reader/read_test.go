package reader

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/qorgan/qorgan/event"
)

func TestHeadAmbiguities(t *testing.T) {
	field := func(kv ...string) (out []event.Field) {
		for i := 0; i < len(kv); i += 2 {
			out = append(out, event.Field{Name: kv[i], Value: kv[i+1]})
		}
		return out
	}
	for _, tc := range []struct {
		name, target, proto string
		fields              []event.Field
		want                string
		status              int
	}{
		{"plain", "/", "HTTP/1.1", nil, "", 0},
		{"space", "/a b", "HTTP/1.1", nil, "target-control-character", 400},
		{"control byte in the query", "/?a=\x01", "HTTP/1.1", nil, "target-control-character", 400},
		{"C1 byte in the path", "/a\x85b", "HTTP/2.0", nil, "target-control-character", 400},
		{"C1 byte in the query", "/?a=\x9b", "HTTP/2.0", nil, "target-control-character", 400},
		{"C1 character in UTF-8", "/?a=\u009b", "HTTP/2.0", nil, "target-control-character", 400},
		{"fragment", "/a#b", "HTTP/1.1", nil, "target-fragment", 400},
		{"fragment in the query", "/?a#b", "HTTP/1.1", nil, "target-fragment", 400},
		{"backslash in the path", `/a\b`, "HTTP/1.1", nil, "target-backslash", 400},
		{"backslash in the query", `/?a\b`, "HTTP/1.1", nil, "", 0},
		{"NUL in the path", "/a%00b", "HTTP/1.1", nil, "target-nul", 400},
		{"NUL in the query", "/?a%00b", "HTTP/1.1", nil, "", 0},
		{"cut escape", "/a%4", "HTTP/1.1", nil, "target-escape", 400},
		{"empty", "", "HTTP/1.1", nil, "target-form", 400},
		{"authority", "example.kz:443", "HTTP/1.1", nil, "target-form", 400},
		{"absolute", "http://example.kz", "HTTP/1.1", nil, "", 0},
		{"asterisk", "*", "HTTP/1.1", nil, "", 0},
		{"1,000 parameters", "/?" + strings.Repeat("a=1&", 1000), "HTTP/1.1", nil, "", 0},
		{"1,001 parameters", "/?" + strings.Repeat("a=1&", 1001), "HTTP/1.1", nil, "too-many-parameters", 400},
		{"5,000 cookies", "/", "HTTP/1.1", field("Cookie", strings.Repeat("a=1;", 5000)), "too-many-parameters", 400},
		{"two Cookie headers", "/", "HTTP/1.1", field("Cookie", "a=1", "cookie", "b=2"), "cookie-repeated", 400},
		{"two Cookie headers in HTTP/2", "/", "HTTP/2.0", field("cookie", "a=1", "cookie", "b=2"), "", 0},
		{"control byte in a cookie", "/", "HTTP/1.1", field("Cookie", "a\x0b=1"), "cookie-control-character", 400},
		{"two Content-Types", "/", "HTTP/1.1", field("Content-Type", "text/plain", "content-type", "application/json"), "content-type-repeated", 400},
		{"gzip", "/", "HTTP/1.1", field("Content-Encoding", "gzip"), "content-encoding", 415},
		{"identity", "/", "HTTP/1.1", field("Content-Encoding", "identity"), "", 0},
		{"deflate twice", "/", "HTTP/1.1", field("Content-Encoding", "deflate, gzip"), "content-encoding", 415},
		{"two types", "/", "HTTP/1.1", field("Content-Type", "text/plain, application/json"), "content-type", 400},
		{"no slash", "/", "HTTP/1.1", field("Content-Type", "json"), "content-type", 400},
		{"tab", "/", "HTTP/1.1", field("Content-Type", "application/json\t; charset=utf-8"), "content-type", 400},
		{"charset twice", "/", "HTTP/1.1", field("Content-Type", "text/plain; charset=utf-8; Charset=utf-7"), "content-type", 400},
		{"UTF-7", "/", "HTTP/1.1", field("Content-Type", "text/plain; charset=utf-7"), "charset", 415},
		{"GB 18030", "/", "HTTP/1.1", field("Content-Type", "application/json; charset=gb18030"), "charset", 415},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := Head("POST", tc.target, tc.proto, tc.fields, Limits{})
			var a *Ambiguity
			if got := name(err); got != tc.want || errors.As(err, &a) && a.Status != tc.status {
				t.Errorf("got %v, want %q %d", err, tc.want, tc.status)
			}
			if r == nil || r.Target != tc.target {
				t.Errorf("the request is lost: %v", r)
			}
		})
	}
}

func TestTargetForms(t *testing.T) {
	for _, tc := range []struct{ target, path, filename, clean, query string }{
		{"/", "/", "/", "/", ""},
		{"/a/b.php?x=1?y", "/a/b.php", "/a/b.php", "/a/b.php", "x=1?y"},
		{"//a/./b//../c/", "//a/./b//../c/", "//a/./b//../c/", "/a/c/", ""},
		{"/a/%2e%2E/%2fb%5cc", "/a/%2e%2E/%2fb%5cc", `/a/..//b\c`, `/b\c`, ""},
		{"/../../etc/passwd", "/../../etc/passwd", "/../../etc/passwd", "/etc/passwd", ""},
		{"/index.php/%D0%B6", "/index.php/%D0%B6", "/index.php/ж", "/index.php/ж", ""},
		{"/a/..;/b", "/a/..;/b", "/a/..;/b", "/a/..;/b", ""},
		{"/%2561", "/%2561", "/%61", "/%61", ""},
		{"/a/.", "/a/.", "/a/.", "/a/", ""},
		{"/a/b/..", "/a/b/..", "/a/b/..", "/a/", ""},
		{"http://example.kz/a?b", "/a", "/a", "/a", "b"},
		{"http://example.kz?b", "/", "", "/", "b"},
	} {
		r, err := Head("GET", tc.target, "HTTP/1.1", nil, Limits{})
		if err != nil {
			t.Errorf("%s: %v", tc.target, err)
			continue
		}
		if r.Path != tc.path || r.Filename != tc.filename || r.Clean != tc.clean || r.Query != tc.query {
			t.Errorf("%s: path %q, filename %q, clean %q, query %q", tc.target, r.Path, r.Filename, r.Clean, r.Query)
		}
	}
}

func TestSpellingsOfOneName(t *testing.T) {
	pattern := regexp.MustCompile(NamePattern("user_id"))
	for _, raw := range []string{"user_id", "user.id", "user id", "user[id", " user_id", "   user.id", "user_id[]", "user_id[0]", "user_id[a][b", "user_id\x00x", "user id[x]y"} {
		if _, base := PHPName(raw); base != "user_id" {
			t.Errorf("PHPName(%q) has base %q", raw, base)
		}
		if !pattern.MatchString(raw) {
			t.Errorf("NamePattern does not match %q", raw)
		}
		args, _ := withAliases([]Arg{{raw, "v"}}, 1)
		found := slices.ContainsFunc(args, func(a Arg) bool {
			return a.Name == "user_id" || strings.HasPrefix(a.Name, "user_id[") && strings.HasSuffix(a.Name, "]")
		})
		if !found {
			t.Errorf("%q: PHP's name is not among %q", raw, args)
		}
	}
	for _, raw := range []string{"user_idx", "User_id", "xuser_id", "user__id", "user]id", "user_id]", "[user_id]", "user[id]", "\tuser_id", ""} {
		if pattern.MatchString(raw) {
			t.Errorf("NamePattern matches %q", raw)
		}
	}
	for _, plain := range []string{"a", "a[b]", "a[]", "комментарий[0]", "a-b"} {
		if args, n := withAliases([]Arg{{plain, "v"}}, 1); n != 0 || len(args) != 1 {
			t.Errorf("%q is doubled: %q", plain, args)
		}
	}
}

func TestXMLRPCNames(t *testing.T) {
	r, err := readAll(t, "text/xml", `<?xml version="1.0"?>
<methodCall><methodName>system.multicall</methodName><params><param><value><array><data>
<value><struct><member><name>methodName</name><value><string>wp.newPost</string></value></member>
<member><name>params</name><value><array><data><value><int>1</int></value><value>admin</value>
<value><struct><member><name>title</name><value>&lt;b&gt;</value></member></struct></value>
<value><base64>PHNjcmlwdD4=</base64></value><value><base64>/9j/4A==</base64></value></data></array></value></member></struct></value>
</data></array></value></param><param><value/></param><param><value>last</value></param></params></methodCall>`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Arg{
		{"xmlrpc.method", "system.multicall"}, {"xmlrpc.params.0.0.methodName", "wp.newPost"},
		{"xmlrpc.params.0.0.params.0", "1"}, {"xmlrpc.params.0.0.params.1", "admin"},
		{"xmlrpc.params.0.0.params.2.title", "<b>"}, {"xmlrpc.params.0.0.params.3", "<script>"}, {"xmlrpc.params.2", "last"},
	}
	if !slices.Equal(r.Post, want) {
		t.Errorf("got %q\nwant %q", r.Post, want)
	}
	if len(r.Files) != 1 || r.Files[0].Field != "xmlrpc.params.0.0.params.4" || string(r.Files[0].Head) != "\xff\xd8\xff\xe0" {
		t.Errorf("files %v", r.Files)
	}
	if !slices.Equal(r.Text, []string{"methodName", "params", "title"}) {
		t.Errorf("text %q", r.Text)
	}
}

func TestXMLTextIsJoined(t *testing.T) {
	r, err := readAll(t, "text/xml", `<a b="&#x3c;">&lt;scr<!-- comment --><![CDATA[ipt>]]><c d='2'/>tail</a>`)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"<", "comment", "<script>", "2", "tail", "<script>tail"}; !slices.Equal(r.Text, want) {
		t.Errorf("text %q, want %q", r.Text, want)
	}
	if want := []string{"<", "2"}; !slices.Equal(r.Attrs, want) {
		t.Errorf("attributes %q, want %q", r.Attrs, want)
	}
}

// TestBodyLimits holds that what would cost much is refused, and costs little.
func TestBodyLimits(t *testing.T) {
	long := strings.Repeat("k", 20<<10)
	for _, tc := range []struct {
		name, contentType, body, want string
		status                        int
	}{
		{"JSON, 13 MB of depth behind 1,000 scalars", "application/json", "[" + strings.Repeat("1,", 1000) + strings.Repeat("[", 13<<20), "body-too-large", 413},
		{"JSON, depth behind 1,000 scalars", "application/json", "[" + strings.Repeat("1,", 1000) + strings.Repeat("[", 2<<20), "json-depth", 400},
		{"JSON, a long path times many", "application/json", `{"` + long + `":[` + strings.Repeat("[1],", 500) + "1]}", "json-path-length", 400},
		{"JSON, many values", "application/json", "[" + strings.Repeat("1,", 5000) + "1]", "too-many-parameters", 400},
		{"JSON, many empty arrays", "application/json", "[" + strings.Repeat("[1],", 5000) + "1]", "too-many-parameters", 400},
		{"XML, many elements", "text/xml", "<a>" + strings.Repeat("<b>x</b>", 5000) + "</a>", "too-many-parameters", 400},
		{"XML, a long path times many", "text/xml", "<methodCall><params><param><value><struct><member><name>" + strings.Repeat("k", 128) + "</name><value><array><data>" +
			strings.Repeat("<value><struct><member><name>"+strings.Repeat("k", 128)+"</name><value><array><data>", 7) + strings.Repeat("<value>x</value>", 3000), "xml-path-length", 400},
		{"XML, billion laughs", "text/xml", `<!DOCTYPE a [<!ENTITY b "` + strings.Repeat("c", 1000) + `">]><a>&b;</a>`, "xml-doctype", 400},
		{"multipart, 10,000 parts", form, strings.Repeat("--A\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n", 10000) + "--A--\r\n", "too-many-parameters", 400},
		{"multipart, a header of 1 MB", form, "--A\r\nContent-Disposition: form-data; name=\"" + strings.Repeat("a", 1<<20), "multipart-header-length", 400},
		{"multipart, a large field", form, part(`form-data; name="a"`, strings.Repeat("x", 5<<20)), "body-too-large", 413},
		{"multipart, a large field that does not end", form, "--A\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n" + strings.Repeat("x", 5<<20), "body-too-large", 413},
		{"form, too large", "application/x-www-form-urlencoded", "a=" + strings.Repeat("x", 5<<20), "body-too-large", 413},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, stream := range []bool{false, true} {
				r := mustPost(t, tc.contentType)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				var err error
				if stream {
					err = r.ReadBody(struct{ io.Reader }{strings.NewReader(tc.body)})
				} else {
					err = r.ParseBody([]byte(tc.body))
				}
				runtime.ReadMemStats(&after)
				var a *Ambiguity
				if !errors.As(err, &a) || a.Name != tc.want || a.Status != tc.status {
					t.Errorf("got %v, want %s", err, tc.want)
				}
				// The reader's own cost: the text, and little beside it.
				if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
					t.Errorf("allocated %d MB", used>>20)
				}
			}
		})
	}
}

// endless gives out a multipart body with one file of n bytes.
type endless struct {
	head, tail string
	n          int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.head != "" {
		n := copy(p, e.head)
		e.head = e.head[n:]
		return n, nil
	}
	if e.n > 0 {
		n := int64(min(int64(len(p)), e.n))
		for i := range p[:n] {
			p[i] = "\r\n--"[i%4]
		}
		e.n -= n
		return int(n), nil
	}
	n := copy(p, e.tail)
	e.tail = e.tail[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func TestLargeFileInConstantMemory(t *testing.T) {
	const size = 256 << 20
	r := mustPost(t, form)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := r.ReadBody(&endless{"--A\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n", "\r\n--A\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--A--\r\n", size})
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Files) != 1 || r.Files[0].Size != size || len(r.Files[0].Head) != fileHead || len(r.Post) != 1 {
		t.Errorf("got %d files, %d fields", len(r.Files), len(r.Post))
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("allocated %d KB for a file of %d MB", used>>10, size>>20)
	}
}

func TestOpaqueBodyIsLeftAlone(t *testing.T) {
	jpeg := append([]byte("\xff\xd8\xff\xe0"), bytes.Repeat([]byte("<script>{"), 100000)...)
	r := mustPost(t, "image/jpeg")
	if r.Plan() != Opaque {
		t.Fatalf("plan %v", r.Plan())
	}
	src := bytes.NewReader(jpeg)
	if err := r.ReadBody(src); err != nil {
		t.Fatal(err)
	}
	if read := len(jpeg) - src.Len(); read > 4096 || r.Processor != "" || len(r.Post) > 0 {
		t.Errorf("read %d bytes, processor %q, %v", read, r.Processor, r.Post)
	}
	for _, tc := range []struct{ body, want string }{
		{`  {"a":"<script>"}`, "json.a"},
		{"\xef\xbb\xbf\n{\"a\":\"<script>\"}", "json.a"},
		{"<methodCall><methodName>&lt;script></methodName></methodCall>", "xmlrpc.method"},
	} {
		r := mustPost(t, "image/jpeg")
		if err := r.ReadBody(strings.NewReader(tc.body)); err != nil {
			t.Fatal(err)
		}
		if len(r.Post) != 1 || r.Post[0] != (Arg{tc.want, "<script>"}) {
			t.Errorf("%q: %q", tc.body, r.Post)
		}
	}
}

// broken fails after its text.
type broken struct{ io.Reader }

var errBroken = errors.New("connection reset")

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = errBroken
	}
	return n, err
}

func TestBrokenBody(t *testing.T) {
	for _, contentType := range []string{form, "application/json", "image/png"} {
		r := mustPost(t, contentType)
		err := r.ReadBody(broken{strings.NewReader("--A\r\n")})
		var a *Ambiguity
		if !errors.Is(err, errBroken) || errors.As(err, &a) {
			t.Errorf("%s: got %v", contentType, err)
		}
	}
}

func TestCharsets(t *testing.T) {
	for _, contentType := range []string{"application/x-www-form-urlencoded; charset=windows-1251", form + "; charset=cp1251"} {
		for body, want := range map[string]string{"\xef\xf0\xe8\xe2\xe5\xf2": "привет", "привет": "привет", "<script>": "<script>"} {
			sent := "a=" + body
			if strings.HasPrefix(contentType, "multipart") {
				sent = part(`form-data; name="a"`, body)
			}
			r, err := readAll(t, contentType, sent)
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(r.Post) != fmt.Sprint([]Arg{{"a", want}}) {
				t.Errorf("%s %q: %q", contentType, body, r.Post)
			}
		}
	}
}

func TestXMLInWindows1251(t *testing.T) {
	for _, contentType := range []string{"text/xml", "text/plain", "application/octet-stream"} {
		r, err := readAll(t, contentType, "<?xml version=\"1.0\" encoding=\"windows-1251\"?><a b='\xef'>\xf0\xe8</a>")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(r.Attrs, []string{"п"}) || !slices.Equal(r.Text, []string{"п", "ри"}) {
			t.Errorf("%s: attributes %q, text %q", contentType, r.Attrs, r.Text)
		}
	}
}

func TestTextWithManyAmpersandsIsSeenWhole(t *testing.T) {
	text := strings.Repeat("a &amp; b\n", 2000) + "<script>"
	r, err := readAll(t, "text/plain", text)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.Post) - r.PostAliases; n != 1001 || r.Post[n-1] != (Arg{"", text}) {
		t.Errorf("got %d parameters", n)
	}
}
