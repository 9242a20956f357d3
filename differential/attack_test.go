//go:build differential

package differential

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/qorgan/qorgan/differential/seen"
)

// attack is one way to hide the payload from whoever reads unlike PHP.
type attack struct{ name, head, body string }

// attacks are requests that mean to bring the payload into a variable of PHP's.
// A head ends before its last empty line, and its Content-Length is added.
func attacks() []attack {
	const (
		form = "Content-Type: application/x-www-form-urlencoded\r\n"
		mp   = "Content-Type: multipart/form-data; boundary=A\r\n"
		js   = "Content-Type: application/json\r\n"
		xml  = "Content-Type: text/xml\r\n"
	)
	hidden := "%3Cscript%3Ealert(1)%3C/script%3E"
	unicode := `\u003cscript\u003ealert(1)\u003c/script\u003e`
	entities := "&#60;script&#x3e;alert(1)&lt;/script&gt;"
	part := func(head, value string) string {
		return "--A\r\n" + head + "\r\n\r\n" + value + "\r\n--A--\r\n"
	}
	field := `Content-Disposition: form-data; name="a"`
	post := func(name, head, body string) attack { return attack{name, "POST / HTTP/1.1\r\n" + head, body} }
	get := func(name, target, head string) attack {
		return attack{name, "GET " + target + " HTTP/1.1\r\n" + head, ""}
	}
	rpc := func(value string) string {
		return "<methodCall><methodName>a</methodName><params><param>" + value + "</param></params></methodCall>"
	}
	return []attack{
		post("plain", form, "a="+hidden),
		post("a boundary in capitals", "Content-Type: multipart/form-data; BOUNDARY=A\r\n", part(field, payload)),
		post("a boundary of the shorter name", "Content-Type: multipart/form-data; boundary=AA\r\n", strings.ReplaceAll(part(field, payload), "--A", "--AA")+"--A\r\n"+field+"\r\n\r\n"+payload+"\r\n--A--\r\n"),
		post("a boundary in quotes that do not end", "Content-Type: multipart/form-data; boundary=\"A\r\n", part(field, payload)),
		post("a boundary in single quotes", "Content-Type: multipart/form-data; boundary='A'\r\n", part(field, payload)),
		post("a boundary with a comma behind it", "Content-Type: multipart/form-data; boundary=A,B\r\n", part(field, payload)),
		post("a boundary behind a tab", "Content-Type: multipart/form-data;\tboundary=A\r\n", part(field, payload)),
		post("a boundary without a semicolon", "Content-Type: multipart/form-data boundary=A\r\n", part(field, payload)),
		post("a boundary with blanks around the sign", "Content-Type: multipart/form-data; boundary = A\r\n", part(field, payload)),
		post("a boundary behind a charset that holds one", "Content-Type: multipart/form-data; charset=\"boundary=A\"; boundary=B\r\n", part(field, payload)+"--B--\r\n"),
		post("a form's type before multipart's", "Content-Type: application/x-www-form-urlencoded; multipart/form-data; boundary=A\r\n", part(field, hidden)+"&a="+hidden),
		post("multipart's type before a form's", "Content-Type: multipart/form-data; boundary=A; application/x-www-form-urlencoded\r\n", "a="+hidden),
		post("a type behind a semicolon", "Content-Type: ;application/x-www-form-urlencoded\r\n", "a="+hidden),
		post("a type with a comma", "Content-Type: application/x-www-form-urlencoded,image/png\r\n", "a="+hidden),
		post("a type with an alias", "Content_Type: application/x-www-form-urlencoded\r\nContent-Type: image/png\r\n", "a="+hidden),
		post("a type in letters that fold", "Content-Type: application/x-www-form-urlencoded\u212a\r\n", "a="+hidden),
		post("a type nobody knows, JSON inside", "Content-Type: application/x-nothing\r\n", `{"a":"`+unicode+`"}`),
		post("an image, JSON behind blanks", "Content-Type: image/png\r\n", " \r\n\t\v"+`{"a":"`+unicode+`"}`),
		post("a font, XML inside", "Content-Type: font/woff2\r\n", rpc("<value>"+entities+"</value>")),
		post("no type, JSON inside", "", `["`+unicode+`"]`),
		post("a form, a JSON text inside", form, `"`+unicode+`"`),
		post("a value of a form that is JSON", form, "a="+hidden+"&b=%7B%22a%22%3A1%7D"),
		post("JSON's keys", js, `{"`+unicode+`":1}`),
		post("JSON, nested", js, `{"a":[[[{"b":"`+unicode+`"}]]]}`),
		post("JSON with a solidus escaped", js, `{"a":"\u003Cscript\u003Ealert(1)\u003C\/script\u003E"}`),
		post("JSON, in the PUT of a form", js, `{"a":"x","b":{"c":"`+unicode+`"}}`),
		post("JSON in a single value", js, `"`+unicode+`"`),
		post("a part without quotes", mp, part("Content-Disposition: form-data; name=a", payload)),
		post("a part in capitals", mp, part(`CONTENT-DISPOSITION: FORM-DATA; NAME="a"`, payload)),
		post("a part whose filename is a parameter of nobody", mp, part(field+`; filenam="x"; e="x"`, payload)),
		post("a part with an empty filename", mp, part(field+`; filename=`, payload)),
		post("a part with a filename of quotes alone", mp, part(field+`; filename=""`, payload)),
		post("a part with a filename in Latin-1 quotes", mp, part(field+"; filename=\xabx\xbb", payload)),
		post("a part with a name twice", mp, part(field+`; name="b"`, payload)),
		post("a part behind a part's nested one", mp, "--A\r\nContent-Type: multipart/mixed; boundary=B\r\n"+field+"\r\n\r\n--B\r\n"+field+"\r\n\r\n"+payload+"\r\n--B--\r\n--A--\r\n"),
		post("a part with a length that lies", mp, part(field+"\r\nContent-Length: 0", payload)),
		post("a part behind a closing delimiter with a blank", mp, "--A-- \r\n"+part(field, payload)),
		post("a part behind a delimiter with a blank", mp, "--A \r\n"+field+"\r\n\r\n"+payload+"\r\n--A--\r\n"),
		post("a part ended by CR", mp, strings.ReplaceAll(part(field, payload), "\r\n", "\r")),
		post("a part whose header has no blank line", mp, "--A\r\n"+field+"\r\n"+payload+"\r\n--A--\r\n"),
		post("a name's bracket in a part", mp, part(`Content-Disposition: form-data; name="a[b"`, payload)),
		post("a name's blank in a part", mp, part(`Content-Disposition: form-data; name=" a.b"`, payload)),
		post("a name with a NUL", form, "a%00b="+hidden),
		post("a name in brackets alone", form, "[a]="+hidden+"&a[="+hidden),
		post("a name of many levels", form, "a"+strings.Repeat("[b]", 60)+"="+hidden),
		post("semicolons for ampersands", form, "a=1;b="+hidden),
		post("bare ampersands", form, "&&&=&a="+hidden),
		post("a plus in the escape", form, "a=%3C+script%3Ealert(1)&b="+hidden),
		post("a half escape before the payload", form, "a=%%3Cscript%3Ealert(1)%3C/script%3E"),
		post("chunks of a byte", form+"Transfer-Encoding: chunked\r\n", "a="+hidden),
		post("XML, a value in CDATA and text", xml, rpc("<value>&lt;scr<![CDATA[ipt>alert(1)</script>]]></value>")),
		post("XML, a value in references", xml, rpc("<value>"+entities+"</value>")),
		post("XML, a value in base64", xml, rpc("<value><base64>PHNj cmlwdD5h\r\nbGVydCgxKTwvc2NyaXB0Pg==</base64></value>")),
		post("XML, a value in base64 with rubbish", xml, rpc("<value><base64>PHNj*cmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==</base64></value>")),
		post("XML, an attribute", xml, `<a b='`+entities+`'/>`),
		post("XML, a name", xml, rpc("<value><struct><member><name>"+entities+"</name><value>1</value></member></struct></value>")),
		post("XML behind a declaration of blanks", xml, "<?xml\tversion='1.0'\n?>"+rpc("<value>"+entities+"</value>")),
		post("XML in the encoding of a lie", xml, "<?xml version='1.0' encoding='utf-7'?>"+rpc("<value>+ADw-script+AD4-alert(1)+ADw-/script+AD4-</value>")),
		post("XML as a form", form, rpc("<value>"+entities+"</value>")),
		get("a query behind a second question mark", "/?a=1?b=2&c="+hidden, ""),
		get("a query in an absolute target", "http://edge.test/?a="+hidden, "Host: edge.test\r\n"),
		get("a path behind a script", "/index.php/"+hidden, ""),
		get("a fragment before the query", "/#?a="+hidden, ""),
		get("a cookie behind a comma", "/", "Cookie: a=1, b="+hidden+"\r\n"),
		get("a cookie without a name", "/", "Cookie: ="+hidden+"; "+hidden+"\r\n"),
		get("a cookie in two headers", "/", "Cookie: a=1\r\nCookie: b="+hidden+"\r\n"),
		get("a cookie encoded twice", "/", "Cookie: a=%253Cscript%253Ealert(1)%253C/script%253E\r\n"),
		get("a cookie with an array's name", "/", "Cookie: a[b][=1; a[b]="+hidden+"\r\n"),
		get("a cookie in quotes", "/", "Cookie: a=\""+hidden+"\"\r\n"),
		get("a cookie behind a tab", "/", "Cookie: a=1;\tb="+hidden+"\r\n"),
		{"a form in HTTP/1.0", "POST / HTTP/1.0\r\n" + form, "a=" + hidden},
		{"a form with PUT", "PUT / HTTP/1.1\r\n" + form, "a=" + hidden},
		{"a form with DELETE", "DELETE / HTTP/1.1\r\n" + form, "a=" + hidden},
		{"JSON with GET", "GET / HTTP/1.1\r\n" + js, `{"a":"` + unicode + `"}`},
		{"a part with PATCH", "PATCH / HTTP/1.1\r\n" + mp, part(field, payload)},
	}
}

// TestNoAttackReachesPHP sends each to the whole edge with the real PHP behind
// it: in none of PHP's variables may the payload arrive.
func TestNoAttackReachesPHP(t *testing.T) {
	script, err := filepath.Abs("echo.php")
	if err != nil {
		t.Fatal(err)
	}
	behind := fpm(t, script)
	e := edge(t, behind, "{inbound: 5, outbound: 4}")
	bare := 0
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			status, view := a.send(t, e.addr)
			if where := reached(view); where != "" {
				t.Errorf("answered %d, and in %s", status, where)
			}
			if status == 0 || status >= 500 {
				t.Errorf("answered %d", status)
			}
			if _, view := a.send(t, behind.addr); reached(view) != "" {
				bare++
			}
		})
	}
	t.Logf("%d of %d reach a PHP that nothing stands in front of", bare, len(attacks()))
}

// send returns the status of the answer, and PHP's view when it answered.
func (a attack) send(t *testing.T, addr string) (int, *seen.View) {
	t.Helper()
	head := a.head + "User-Agent: Mozilla/5.0\r\nAccept: */*\r\nConnection: close\r\n"
	if !strings.Contains(head, "\r\nHost: ") {
		head += "Host: edge.test\r\n"
	}
	body := a.body
	switch {
	case strings.Contains(head, "Transfer-Encoding"):
		var b strings.Builder
		for i := range body {
			fmt.Fprintf(&b, "1\r\n%s\r\n", body[i:i+1])
		}
		body = b.String() + "0\r\n\r\n"
	case body != "":
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	go func() { _, _ = io.WriteString(c, head+"\r\n"+body) }()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	v := new(seen.View)
	if resp.StatusCode != http.StatusOK || json.Unmarshal(text, v) != nil {
		return resp.StatusCode, nil
	}
	return resp.StatusCode, v
}

// reached says in which variable the payload is, empty for none.
func reached(v *seen.View) string {
	if v == nil {
		return ""
	}
	has := func(b []byte) bool {
		decoded, _ := base64.StdEncoding.DecodeString(string(b))
		return strings.Contains(string(b), payload[:16]) || strings.Contains(string(decoded), payload[:16])
	}
	for name, leaves := range map[string][]seen.Leaf{"$_GET": v.Get, "$_POST": v.Post, "$_COOKIE": v.Cookie, "parse_str": v.Parsed} {
		for _, l := range leaves {
			if has(l.Value) {
				return name
			}
			for _, k := range l.Keys {
				if has(k) {
					return "a key of " + name
				}
			}
		}
	}
	if v.JSON != nil {
		for _, l := range v.JSON.Leaves {
			if has(l.Value) || has(l.Path) {
				return "json_decode"
			}
		}
	}
	if v.XML != nil {
		for _, x := range v.XML.Texts {
			if has(x.Text) {
				return "xml_parse"
			}
		}
		for _, a := range v.XML.Attrs {
			if has(a) {
				return "an attribute"
			}
		}
	}
	return ""
}
