package differential

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/proxy"
	"github.com/qorgan/qorgan/rulesets"
	"github.com/qorgan/qorgan/rulesets/profiles"
)

// socket is proxy and rules on a real socket, and an origin that says which
// target and body reached it.
type socket struct {
	addr   string
	events chan event.Event
	seen   chan string
}

func newSocket(t *testing.T) *socket {
	t.Helper()
	s := &socket{events: make(chan event.Event, 1000), seen: make(chan string, 1000)}
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		s.seen <- fmt.Sprintf("%s %s %v\n%s", r.Method, r.RequestURI, err, body)
	}))
	t.Cleanup(origin.Close)
	upstream, err := url.Parse(origin.URL)
	if err != nil {
		t.Fatal(err)
	}
	site := &config.Site{Name: "shop", Hosts: []string{"*"}, Upstreams: []config.Upstream{{URL: upstream}}, Mode: config.Block, Level: 1, Profile: "wordpress",
		Threshold: config.Threshold{Inbound: 5, Outbound: 4}, Limits: config.Limits{HeaderBytes: 64 << 10, Headers: 100, Inspect: 128 << 10, Args: 1000}}
	record := func(e event.Event) { s.events <- e }
	known, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	judge, err := rulesets.New(rulesets.Options{Record: record, Profiles: known, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = judge.Close() })
	rules, err := judge.Prepare(t.Context(), []*config.Site{site})
	if err != nil {
		t.Fatal(err)
	}
	judge.Use(rules)
	server, err := proxy.New(proxy.Options{
		Config: &config.Config{HTTP: []string{"127.0.0.1:0"}, Sites: []*config.Site{site}, Drain: time.Second},
		Logger: zerolog.Nop(), Record: record, Middleware: []func(http.Handler) http.Handler{judge.Handler},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	plain, _ := server.Addrs()
	s.addr = plain[0].String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		server.Close()
		<-ended
	})
	return s
}

// talk sends raw bytes and returns the status of the answer, 0 for none.
func (s *socket) talk(t *testing.T, raw string) int {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	go func() { _, _ = io.WriteString(conn, raw) }() // an edge may answer before it has read all
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

const browserHead = "Host: shop.example.kz\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\nConnection: close\r\n"

func rawGet(target string, more ...string) string {
	return "GET " + target + " HTTP/1.1\r\n" + browserHead + strings.Join(more, "") + "\r\n"
}

func rawPost(contentType, body string, more ...string) string {
	if contentType != "" {
		contentType = "Content-Type: " + contentType + "\r\n"
	}
	return "POST / HTTP/1.1\r\n" + browserHead + contentType + strings.Join(more, "") + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

func gzipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, s)
	_ = z.Close()
	return b.String()
}

// field wraps a Content-Disposition and a value in a body with boundary A.
func field(disposition, value string) string {
	return "--A\r\nContent-Disposition: " + disposition + "\r\n\r\n" + value + "\r\n--A--\r\n"
}

// TestBadInputs sends what a hostile client sends, byte for byte, and holds
// how it is answered and what of it the origin sees: nothing when it is
// refused, the very same target and body when it is not.
func TestBadInputs(t *testing.T) {
	const (
		x    = "<script>alert(1)</script>"
		sqli = "1' UNION SELECT user_pass FROM wp_users-- -"
		form = "application/x-www-form-urlencoded"
		js   = "application/json"
		mp   = "multipart/form-data; boundary=A"
	)
	d := `form-data; name="comment"`
	escaped := url.QueryEscape(x)
	s := newSocket(t)
	for _, tc := range []struct {
		name, raw string
		status    int // 0 is any refusal
	}{
		{"target: fragment", rawGet("/a#b"), 400},
		{"target: backslash", rawGet(`/a\b`), 400},
		{"path: double slash", rawGet("//admin"), 200},
		{"path: single dot", rawGet("/a/./b"), 200},
		{"path: encoded slash and backslash", rawGet("/a%2fb%5cc"), 200},
		{"path: dots to a file", rawGet("/x/..%2f..%2f..%2fetc/passwd"), 403},
		{"path: encoded dots to a file", rawGet("/%2e%2e/%2e%2e/%2e%2e/etc/passwd"), 403},
		{"path: semicolon", rawGet("/a;v=1/b"), 200},
		{"path: NUL", rawGet("/a%00.jpg"), 400},
		{"path: payload in path info", rawGet("/index.php/" + escaped), 403},
		{"path: PHP behind an image", rawGet("/x.jpg/y.php"), 200},
		{"path: letters that fold to ASCII before .php", rawGet("/%C4%B0x.php"), 200},
		{"encoding: twice", rawGet("/?a=%253Cscript%253Ealert(1)%253C%2Fscript%253E"), 403},
		{"encoding: thrice, of which PHP undoes one", rawGet("/?a=%25253Cscript%25253Ealert(1)%25253C/script%25253E"), 200},
		{"encoding: %u", rawGet("/?a=%u003cscript%u003ealert(1)%u003c/script%u003e"), 403},
		{"encoding: overlong UTF-8", rawGet("/?a=%C0%BCscript%C0%BEalert(1)%C0%BC/script%C0%BE"), 0},
		{"encoding: fullwidth", rawGet("/?a=%EF%BC%9Cscript%EF%BC%9Ealert(1)%EF%BC%9C/script%EF%BC%9E"), 0},
		{"one name: in the query", rawPost(form, "a=1", "Cookie: a=1\r\n"), 200},
		{"one name: last in the query", rawGet("/?a=1&a[]=2&a=" + escaped), 403},
		{"one name: in the body", rawPost(form, "a=1&a="+escaped, "Cookie: a=1\r\n"), 403},
		{"one name: in a cookie", rawGet("/?a=1", "Cookie: a=1; a="+escaped+"\r\n"), 403},
		{"1,001 parameters", rawGet("/?" + strings.Repeat("a=1&", 1001)), 400},
		{"10,001 parameters", rawPost(form, strings.Repeat("a=1&", 10001)), 400},
		{"5,000 cookies", rawGet("/", "Cookie: "+strings.Repeat("a=1; ", 5000)+"\r\n"), 400},
		{"2,000 headers", rawGet("/", strings.Repeat("X-A: b\r\n", 2000)), 431},
		{"payload in the 1,001st parameter", rawPost(form, strings.Repeat("a=1&", 1000)+"b="+escaped), 400},
		{"payload behind the limit", rawPost(form, "a="+strings.Repeat("x", 128<<10)+"&b="+escaped), 413},
		{"gzip", rawPost(form, gzipped("a="+x), "Content-Encoding: gzip\r\n"), 415},
		{"deflate", rawPost(form, "x", "Content-Encoding: deflate\r\n"), 415},
		{"gzip twice", rawPost(js, gzipped(gzipped("{}")), "Content-Encoding: gzip, gzip\r\n"), 415},
		{"charset UTF-7", rawPost(form+"; charset=utf-7", "a=%2BADw-script%2BAD4-"), 415},
		{"charset UTF-16", rawPost(js+"; charset=utf-16", "{\x00}\x00"), 415},
		{"charset IBM037", rawPost(form+"; charset=ibm037", "%81=%4c"), 415},
		{"charset GB 18030", rawPost(form+"; charset=gb18030", "a=1"), 415},
		{"charset nobody knows", rawPost(form+"; charset=x", "a=1"), 415},
		{"charset of an earlier part", rawPost(mp, "--A\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n+ADw-\r\n"+field(d, "x")), 415},
		{"no Content-Type", rawPost("", "a="+escaped), 403},
		{"two Content-Types", rawPost(js, "a="+escaped, "Content-Type: "+form+"\r\n"), 400},
		{"Content-Type in upper case", rawPost("APPLICATION/X-WWW-FORM-URLENCODED", "a="+escaped), 403},
		{"Content-Type: two in one", rawPost(form+",text/plain", "a="+escaped), 400},
		{"Content-Type and semicolon", rawPost(form+";", "a="+escaped), 403},
		{"Content-Type and tab", rawPost(form+"\t; charset=utf-8", "a="+escaped), 400},
		{"JSON as text", rawPost("text/plain", `{"a":"`+x+`"}`), 403},
		{"JSON as a form", rawPost(form, `{"a":"\u003cscript\u003ealert(1)\u003c/script\u003e"}`), 403},
		{"JSON as an image", rawPost("image/png", `{"a":"\u003cscript\u003ealert(1)\u003c/script\u003e"}`), 403},
		{"form as JSON", rawPost(js, "a="+escaped), 400},
		{"+json", rawPost("application/vnd.api+json", `{"a":"`+x+`"}`), 403},
		{"JSON: depth", rawPost(js, strings.Repeat("[", 20000)+strings.Repeat("]", 20000)), 400},
		{"JSON: deep tail behind 1,000 scalars", rawPost(js, "["+strings.Repeat("1,", 1000)+strings.Repeat("[", 13<<20)), 413},
		{"JSON: one name twice", rawPost(js, `{"a":1,"a":"b"}`), 400},
		{"JSON: byte order mark", rawPost(js, "\xef\xbb\xbf{}"), 400},
		{"JSON: bytes behind it", rawPost(js, `{"a":1}{"b":2}`), 400},
		{"JSON: UTF-16", rawPost(js, "\xff\xfe{\x00}\x00"), 415},
		{"XML: external entity", rawPost("text/xml", `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`), 400},
		{"XML: entity split", rawPost("text/xml", `<!DOCTYPE a [<!ENTITY b "<scr"><!ENTITY c "ipt>">]><a>&b;&c;</a>`), 400},
		{"XML: billion laughs", rawPost("text/xml", `<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><a>&d;</a>`), 400},
		{"XML: UTF-16", rawPost("text/xml", "\xff\xfe<\x00a\x00/\x00>\x00"), 415},
		{"XML: attribute", rawPost("text/xml", `<a b="`+sqli[:1]+`&apos; UNION SELECT user_pass FROM wp_users-- -"/>`), 403},
		{"XML: CDATA", rawPost("text/xml", "<a><![CDATA["+x+"]]></a>"), 403},
		{"XML: text in pieces", rawPost("text/xml", "<a>&lt;scr<!-- -->ipt<![CDATA[>alert(1)</script>]]></a>"), 403},
		{"XML: comment", rawPost("text/xml", "<a><!-- "+x+" --></a>"), 403},
		{"XML: processing instruction", rawPost("text/xml", "<a><?php system('id') ?></a>"), 400},
		{"XML: depth", rawPost("text/xml", strings.Repeat("<a>", 1000)+strings.Repeat("</a>", 1000)), 400},
		{"XML-RPC: value", rawPost("text/xml", "<methodCall><methodName>a</methodName><params><param><value>&lt;script>alert(1)&lt;/script></value></param></params></methodCall>"), 403},
		{"XML-RPC: base64", rawPost("text/xml", "<methodCall><methodName>a</methodName><params><param><value><base64>PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==</base64></value></param></params></methodCall>"), 403},
		{"multipart: file for others, filename*", rawPost(mp, field(d+"; filename*=utf-8''x", x)), 400},
		{"multipart: file for others, blank before =", rawPost(mp, field(d+`; filename ="x"`, x)), 400},
		{"multipart: file for others, apostrophes", rawPost(mp, field(`form-data; x=';filename=y;z='; name="comment"`, x)), 400},
		{"multipart: file for others, backslashes", rawPost(mp, field(`form-data; x="\\"; filename=y; name="comment"`, x)), 400},
		{"multipart: parts behind the end", rawPost(mp, field(d, "b")+field(d, x)), 400},
		{"multipart: the end first", rawPost(mp, "--A--\r\n"+field(d, x)), 400},
		{"multipart: second boundary in type", rawPost(`multipart/form-data; type="boundary=A"; boundary=B`, field(d, x)+"--B--\r\n"), 400},
		{"multipart: second boundary in start", rawPost(`multipart/form-data; start="boundary=A,x"; boundary=B`, field(d, x)+"--B--\r\n"), 400},
		{"multipart: line feeds only", rawPost(mp, strings.ReplaceAll(field(d, x), "\r\n", "\n")), 400},
		{"multipart: no end", rawPost(mp, strings.TrimSuffix(field(d, x), "--A--\r\n")), 400},
		{"multipart: header twice", rawPost(mp, field(d+"\r\nContent-Disposition: form-data; name=\"b\"", x)), 400},
		{"multipart: folded header", rawPost(mp, field("form-data;\r\n name=\"comment\"", x)), 400},
		{"multipart: nested", rawPost(mp, field(d+"\r\nContent-Type: multipart/mixed; boundary=B", x)), 400},
		{"multipart: 10,000 parts", rawPost(mp, strings.Repeat("--A\r\nContent-Disposition: "+d+"\r\n\r\nx\r\n", 10000)+"--A--\r\n"), 0},
		{"multipart: a header of 1 MB", rawPost(mp, "--A\r\nContent-Disposition: form-data; name=\""+strings.Repeat("a", 1<<20)+"\"\r\n\r\nx\r\n--A--\r\n"), 400},
		{"multipart: payload in a field", rawPost(mp, field(d, x)), 403},
		{"multipart: honest", rawPost(mp, field(d, "hello")), 200},
		{"upload: x.php", rawPost(mp, field(d+`; filename="x.php"`, "x")), 403},
		{"upload: x.phtml", rawPost(mp, field(d+`; filename="x.phtml"`, "x")), 403},
		{"upload: x.php with a dot behind it", rawPost(mp, field(d+`; filename="x.php."`, "x")), 403},
		{"upload: .htaccess", rawPost(mp, field(d+`; filename=".htaccess"`, "x")), 403},
		{"upload: x.php and an encoded NUL", rawPost(mp, field(d+`; filename="x.php%00.jpg"`, "x")), 0},
		{"upload: right-to-left override", rawPost(mp, field(d+"; filename=\"x\u202egpj.php\"", "x")), 0},
		{"upload: PHP in the extended name", rawPost(mp, field(d+`; filename=x.jpg; filename*=utf-8''x.php`, "x")), 403},
		{"upload: an image", rawPost(mp, field(d+`; filename="фото (1).jpg"`+"\r\nContent-Type: image/jpeg", "\xff\xd8\xff\xe0\x00\x10JFIF")), 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status := s.talk(t, tc.raw)
			switch {
			case tc.status == 0 && (status < 400 || status >= 500), tc.status != 0 && status != tc.status:
				t.Errorf("answered %d, want %d", status, tc.status)
			}
			select {
			case got := <-s.seen:
				method, rest, _ := strings.Cut(tc.raw, " ")
				target, _, _ := strings.Cut(rest, " HTTP/")
				_, body, _ := strings.Cut(tc.raw, "\r\n\r\n")
				if want := fmt.Sprintf("%s %s <nil>\n%s", method, target, body); tc.status != 200 || got != want {
					t.Errorf("the origin saw %.300q", got)
				}
			default:
				if tc.status == 200 {
					t.Error("the origin saw nothing")
				}
			}
			if tc.status == 200 {
				if len(s.events) > 0 {
					t.Errorf("an event for a harmless request: %+v", <-s.events)
				}
				return
			}
			select {
			case <-s.events:
			case <-time.After(5 * time.Second):
				t.Error("no event")
			}
		})
	}
}
