//go:build differential

package differential

import (
	"net/url"
	"strings"

	"github.com/qorgan/qorgan/differential/seen"
)

// fixed is a case whose outcome is laid down: the ambiguity's name, or empty
// for a request that must be accepted.
type fixed struct {
	name    string
	request seen.Request
	want    string
}

func post(contentType, body string) seen.Request {
	return seen.Request{Method: "POST", Target: []byte("/"), Fields: [][2][]byte{{[]byte("Content-Type"), []byte(contentType)}}, Body: []byte(body)}
}

func get(target, cookie string) seen.Request {
	q := seen.Request{Method: "GET", Target: []byte(target)}
	if cookie != "" {
		q.Fields = [][2][]byte{{[]byte("Cookie"), []byte(cookie)}}
	}
	return q
}

const payload = "<script>alert(1)</script>"

// parts writes a multipart body with boundary A of parts, each a header
// without its last line end, and a value.
func parts(headerAndValue ...string) string {
	var b strings.Builder
	for i := 0; i < len(headerAndValue); i += 2 {
		b.WriteString("--A\r\n" + headerAndValue[i] + "\r\n\r\n" + headerAndValue[i+1] + "\r\n")
	}
	b.WriteString("--A--\r\n")
	return b.String()
}

// fixedCases are the ways in which PHP and other readers are known to differ,
// and what clients are known to send.
func fixedCases() []fixed {
	const a = "multipart/form-data; boundary=A"
	d := `Content-Disposition: form-data; name="comment"`
	cases := []fixed{
		{"file for others: filename*", post(a, parts(d+"; filename*=utf-8''x", payload)), "multipart-filename-extended"},
		{"file for others: Latin-1 filename*", post(a, parts(d+"; filename*=iso-8859-1''x", payload)), "multipart-filename-extended"},
		{"file for others: FILENAME*", post(a, parts(d+"; FILENAME*=utf-8''x", payload)), "multipart-disposition"},
		{"file for others: odd type", post(a, parts(`Content-Disposition: x; name="comment"; filename*=utf-8''x`, payload)), "multipart-disposition"},
		{"file for others: space before =", post(a, parts(d+`; filename ="x"`, payload)), "multipart-disposition"},
		{"file for others: tab before =", post(a, parts(d+"; filename\t=\"x\"", payload)), "multipart-header"},
		{"file for others: apostrophes", post(a, parts(`Content-Disposition: form-data; x=';filename=y;z='; name="comment"`, payload)), "multipart-disposition"},
		{"file for others: apostrophes and quotes", post(a, parts(`Content-Disposition: form-data; x=';filename="y";z='; name="comment"`, payload)), "multipart-disposition"},
		{"file for others: backslashes", post(a, parts(`Content-Disposition: form-data; x="\\"; filename=y; name="comment"`, payload)), "multipart-disposition"},
		{"backslashes before the closing quote of the name", post(a, parts(`Content-Disposition: form-data; name="comment\\"; filename=y`, payload)), "multipart-quoting"},
		{"part behind the end", post(a, parts(d, "b")+parts(d, payload)), "multipart-epilogue"},
		{"end before the first part", post(a, "--A--\r\n"+parts(d, payload)), "multipart-epilogue"},
		{"boundary in type", post(`multipart/form-data; type="boundary=A"; boundary=B`, parts(d, payload)+"--B--\r\n"), "multipart-content-type"},
		{"boundary in start", post(`multipart/form-data; start="boundary=A,x"; boundary=B`, parts(d, payload)+"--B--\r\n"), "multipart-content-type"},
		{"upper-case Boundary", post(`multipart/form-data; Boundary=xboundary=A`, parts(d, payload)), "multipart-content-type"},
		{"delimiter look-alike", post(a, parts(d, "a\r\n--AB\r\n"+payload)), "multipart-delimiter"},
		{"delimiter behind a line feed", post(a, parts(d, "a\n--A\r\n"+payload)), "multipart-line-feed"},
		{"line feeds only", post(a, strings.ReplaceAll(parts(d, payload), "\r\n", "\n")), "multipart-delimiter"},
		{"no end", post(a, "--A\r\n"+d+"\r\n\r\n"+payload+"\r\n"), "multipart-unfinished"},
		{"preamble", post(a, "x\r\n"+parts(d, payload)), "multipart-preamble"},
		{"header twice", post(a, parts(d+"\r\nContent-Disposition: form-data; name=\"b\"", payload)), "multipart-header-repeated"},
		{"folded header", post(a, parts("Content-Disposition: form-data;\r\n name=\"comment\"", payload)), "multipart-disposition"},
		{"NUL in the header", post(a, parts("Content-Disposition: form-data; name=\"comment\x00\"", payload)), "multipart-header"},
		{"header line in two buffers", post(a, parts(d+`; filename="`+strings.Repeat("a", 5200)+`"`, payload)), "multipart-header-length"},
		{"base64 part", post(a, parts(d+"\r\nContent-Transfer-Encoding: base64", "eA==")), "multipart-transfer-encoding"},
		{"nameless file with content", post(a, parts(d+`; filename=""`, payload)), "multipart-file-unnamed"},

		{"Chrome: field, file, empty file", post("multipart/form-data; boundary=----WebKitFormBoundaryX",
			"------WebKitFormBoundaryX\r\nContent-Disposition: form-data; name=\"q%22x\"\r\n\r\nпривет\r\n------WebKitFormBoundaryX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"фото %22a%22.png\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\r\n------WebKitFormBoundaryX\r\nContent-Disposition: form-data; name=\"g\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n------WebKitFormBoundaryX--\r\n"), ""},
		{"Chrome: empty FormData", post("multipart/form-data; boundary=----WebKitFormBoundaryX", "------WebKitFormBoundaryX--\r\n"), ""},
		{"Firefox", post("multipart/form-data; boundary=----geckoformboundary1d", "------geckoformboundary1d\r\nContent-Disposition: form-data; name=\"a[]\"\r\n\r\n1\r\n------geckoformboundary1d\r\nContent-Disposition: form-data; name=\"a[]\"\r\n\r\n2\r\n------geckoformboundary1d--\r\n"), ""},
		{"curl before 7.81", post("multipart/form-data; boundary=------------------------d7", "--------------------------d7\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\\\"b\\\\c.txt\"\r\nContent-Type: text/plain\r\n\r\nx\r\n--------------------------d7--\r\n"), ""},
		{"curl", post("multipart/form-data; boundary=------------------------d7", "--------------------------d7\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a%22b\\c.txt\"\r\nContent-Type: text/plain\r\n\r\nx\r\n--------------------------d7--\r\n"), ""},
		{"Go", post("multipart/form-data; boundary=0a1b2c", "--0a1b2c\r\nContent-Disposition: form-data; name=\"a\\\"\\\\b\"; filename=\"x y.txt\"\r\nContent-Type: application/octet-stream\r\n\r\nx\r\n--0a1b2c--\r\n"), ""},
		{"python requests", post("multipart/form-data; boundary=0a1b2c", "--0a1b2c\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--0a1b2c\r\nContent-Disposition: form-data; name=\"f\"; filename=\"имя.txt\"\r\n\r\nx\r\n--0a1b2c--\r\n"), ""},
		{"urllib3 before 1.25, non-ASCII name", post("multipart/form-data; boundary=0a1b2c", "--0a1b2c\r\nContent-Disposition: form-data; name=\"f\"; filename*=utf-8''%D0%B8.txt\r\n\r\nx\r\n--0a1b2c--\r\n"), "multipart-filename-extended"},
		{"aiohttp", post("multipart/form-data; boundary=0a1b2c", "--0a1b2c\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--0a1b2c--\r\n"), ""},
		{".NET HttpClient", post("multipart/form-data; boundary=\"3f1b2c4d-0000-4000-8000-a0b1c2d3e4f5\"", "--3f1b2c4d-0000-4000-8000-a0b1c2d3e4f5\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=title\r\n\r\nx\r\n--3f1b2c4d-0000-4000-8000-a0b1c2d3e4f5\r\nContent-Disposition: form-data; name=file; filename=a.jpg; filename*=utf-8''a.jpg\r\n\r\nx\r\n--3f1b2c4d-0000-4000-8000-a0b1c2d3e4f5--\r\n"), ""},
		{"okhttp", post("multipart/form-data; boundary=3f1b2c4d-0000-4000-8000-a0b1c2d3e4f5", "--3f1b2c4d-0000-4000-8000-a0b1c2d3e4f5\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Length: 1\r\n\r\nx\r\n--3f1b2c4d-0000-4000-8000-a0b1c2d3e4f5\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\nContent-Length: 1\r\n\r\nx\r\n--3f1b2c4d-0000-4000-8000-a0b1c2d3e4f5--\r\n"), ""},
		{"Retrofit", post("multipart/form-data; boundary=3f1b2c4d", "--3f1b2c4d\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: binary\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: 1\r\n\r\nx\r\n--3f1b2c4d--\r\n"), ""},
		{"Apache HttpClient", post("multipart/form-data; boundary=zeX_-1; charset=UTF-8", "--zeX_-1\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nx\r\n--zeX_-1--\r\n"), ""},
		{"Spring", post("multipart/form-data;boundary=a1B2", "--a1B2\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: 1\r\n\r\nx\r\n--a1B2--\r\n"), ""},
		{"axios in Node", post("multipart/form-data; boundary=--------------------------0123456789", "----------------------------0123456789\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nx\r\n----------------------------0123456789--\r\n"), ""},
		{"Alamofire", post("multipart/form-data; boundary=alamofire.boundary.9f4", "--alamofire.boundary.9f4\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--alamofire.boundary.9f4--\r\n"), ""},
		{"Guzzle", post("multipart/form-data; boundary=5f0a1", "--5f0a1\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Length: 1\r\nContent-Type: text/plain\r\n\r\nx\r\n--5f0a1--\r\n"), ""},
		{"Dart", post("multipart/form-data; boundary=dart-http-boundary-a+.B_c", "--dart-http-boundary-a+.B_c\r\ncontent-disposition: form-data; name=\"a\"\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-transfer-encoding: binary\r\n\r\nпривет\r\n--dart-http-boundary-a+.B_c--\r\n"), ""},
		{"Perl LWP", post("multipart/form-data; boundary=xYzZY", "--xYzZY\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nx\r\n--xYzZY--\r\n"), ""},
		{"undici", post("multipart/form-data; boundary=----formdata-undici-012345678901", "------formdata-undici-012345678901\r\nContent-Disposition: form-data; name=\"a%0D%0Ab\"\r\n\r\nx\r\n------formdata-undici-012345678901--\r\n"), ""},
		{"1C, boundary of an identifier", post("multipart/form-data; boundary=8c6d3a1e-5b7f-4d2a", "--8c6d3a1e-5b7f-4d2a\r\nContent-Disposition: form-data; name=\"file\"; filename=\"Прайс.xlsx\"\r\nContent-Type: application/vnd.openxmlformats-officedocument.spreadsheetml.sheet\r\n\r\nPK\x03\x04\r\n--8c6d3a1e-5b7f-4d2a--"), ""},
		{"Delphi Indy's own default", post(a, parts(d+"\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable", "=D0=B6")), "multipart-transfer-encoding"},
		{"Delphi Indy, told to send 8 bits", post(a, parts(d+"\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit", "ж")), ""},
		{"hand-written, CRLF before every delimiter", post(a, "\r\n"+parts(d, "x")), ""},
		{"hand-written, no line end behind the end", post(a, strings.TrimSuffix(parts(d, "x"), "\r\n")), ""},
		{"Internet Explorer's whole path", post(a, parts(`Content-Disposition: form-data; name="f"; filename="C:\Users\x\a.jpg"`+"\r\nContent-Type: image/pjpeg", "x")), ""},
		{"Windows-1251 form", post("application/x-www-form-urlencoded; charset=windows-1251", "a=%EF%F0%E8%E2%E5%F2&b=1"), ""},
		{"Windows-1251 multipart", post(a+"; charset=windows-1251", parts(d, "\xef\xf0\xe8")), ""},
		{"UTF-16 form", post("application/x-www-form-urlencoded; charset=utf-16", "a=1"), "charset"},
		{"EBCDIC form", post("application/x-www-form-urlencoded; charset=ibm037", "a=1"), "charset"},
		{"_charset_", post("application/x-www-form-urlencoded", "_charset_=utf-7&a=1"), "charset"},
		{"form twice over", post("application/x-www-form-urlencoded", strings.Repeat("a=1&", 1001)), "too-many-parameters"},
		{"as many as PHP takes", post("application/x-www-form-urlencoded", strings.Repeat("a[]=1&", 1000)), ""},

		{"JSON as a form", post("application/x-www-form-urlencoded", `{"a":"`+payload+`"}`), ""},
		{"JSON as text", post("text/plain;charset=UTF-8", ` {"a":["`+payload+`"]}`), ""},
		{"JSON as an image", post("image/png", `{"a":"`+payload+`"}`), ""},
		{"JSON with literals that only PHP takes, as text", post("text/plain", `{"a":TRUE,"b":"`+payload+`"}`), ""},
		{"JSON with literals that only PHP takes", post("application/json", `{"a":TRUE}`), "json-syntax"},
		{"form as JSON", post("application/json", "a=1&b=2"), "json-syntax"},
		{"JSON, one name twice", post("application/json", `{"a":1,"\u0061":"`+payload+`"}`), "json-duplicate-key"},
		{"JSON, names that differ in case", post("application/json", `{"a":1,"A":"`+payload+`"}`), ""},
		{"JSON behind a byte order mark", post("application/json", "\xef\xbb\xbf{}"), "json-bom"},
		{"JSON with more behind it", post("application/json", `{"a":1}x`), "json-syntax"},
		{"JSON in UTF-16", post("application/json", "{\x00}\x00"), "charset"},
		{"JSON, deep", post("application/json", strings.Repeat("[", 65)+strings.Repeat("]", 65)), "json-depth"},
		{"JSON, deep enough for anybody", post("application/json", strings.Repeat("[", 64)+strings.Repeat("]", 64)), ""},
		{"upper-case type", post("Application/JSON", `{"a":1}`), ""},
		{"two types in one", post("application/x-www-form-urlencoded, application/json", "a=1"), "content-type"},
		{"type and semicolon", post("application/x-www-form-urlencoded;", "a=1"), ""},
		{"type and blank", post("application/x-www-form-urlencoded ;charset=utf-8", "a=1"), ""},
		{"type and tab", post("application/x-www-form-urlencoded\t;charset=utf-8", "a=1"), "content-type"},
		{"no type", seen.Request{Method: "POST", Target: []byte("/"), Body: []byte("a=" + payload)}, ""},
		{"PUT of a form", seen.Request{Method: "PUT", Target: []byte("/"), Fields: post("application/x-www-form-urlencoded", "").Fields, Body: []byte("a=" + payload)}, ""},
		{"XML-RPC as text", post("text/plain", `<methodCall><methodName>a</methodName><params><param><value>`+payload[1:7]+`</value></param></params></methodCall>`), ""},
		{"XML-RPC", post("text/xml", `<?xml version="1.0"?><methodCall><methodName>wp.newPost</methodName><params><param><value><int>1</int></value></param><param><value><struct><member><name>post_title</name><value><string>&lt;script&gt;</string></value></member><member><name>terms</name><value><array><data><value>x</value><value><string>y</string></value></data></array></value></member></struct></value></param></params></methodCall>`), ""},
		{"XML-RPC, text in pieces", post("text/xml", `<methodCall><methodName>a</methodName><params><param><value>&lt;scr<!-- x -->ipt<![CDATA[>]]></value></param></params></methodCall>`), ""},
		{"XML-RPC, base64", post("text/xml", `<methodCall><methodName>a</methodName><params><param><value><base64>PHNjcmlwdD4=</base64></value></param></params></methodCall>`), ""},
		{"XML-RPC, declaration inside CDATA", post("text/xml", `<methodCall><methodName>a</methodName><params><param><value><![CDATA[<scr<?xml ?>ipt>]]></value></param></params></methodCall>`), "xml-declaration"},
		{"XML, malformed declaration as text", post("text/plain", `<?xml x?><a>`+"&lt;script&gt;"+`</a>`), "xml-declaration"},
		{"XML, document type", post("text/xml", `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>`), "xml-doctype"},
		{"XML, processing instruction", post("text/xml", `<a><?php x ?></a>`), "xml-processing-instruction"},
		{"XML in Windows-1251", post("text/xml", "<?xml version=\"1.0\" encoding=\"windows-1251\"?><a b='\xef'>\xf0\xe8</a>"), ""},
		{"file name with an encoded NUL", post(a, parts(d+`; filename="x.php%00.jpg"`, "x")), "multipart-filename-nul"},
		{"XML, attributes", post("text/xml", `<a x="&lt;script&gt;" y='1'/>`), ""},
		{"XML in UTF-16", post("text/xml", "<\x00a\x00/\x00>\x00"), "charset"},
		{"XML declared as UTF-16", post("text/xml", `<?xml version="1.0" encoding="UTF-16"?><a/>`), "charset"},
		{"XML, deep", post("text/xml", strings.Repeat("<a>", 65)+strings.Repeat("</a>", 65)), "xml-depth"},

		{"path, every form", get("/a//b/./c/../%64%2fe/%2e%2e/f%20g/?q", ""), ""},
		{"path info", get("/index.php/%3Cscript%3E", ""), ""},
		{"path, NUL", get("/a%00.jpg", ""), "target-nul"},
		{"path, bad escape", get("/a%zz", ""), "target-escape"},
		{"path, backslash", get(`/a\..\b`, ""), "target-backslash"},
		{"path, semicolon", get("/a/..;/b;c=d", ""), ""},
		{"query, spellings of a name", get("/?user.id=1&user%20id=2&user+id=3&user[id=4&%20user_id=5&user_id[]=6&user_id[0]=7&%75ser_id=8&user_id%00x=9", ""), ""},
		{"query, odd separators", get("/?a=1;b=2&&c&=d&e=f=g&a[b=c]=d", ""), ""},
		{"cookies", get("/", "a=1; a=2;b.c=%41+%20; d =e;;=f; g; __Host-x=1; ..Host-y=2; h[x]=1; h[y]=2"), ""},
	}
	for _, n := range names() {
		cases = append(cases, fixed{"name " + n, post("application/x-www-form-urlencoded", url.QueryEscape(n)+"=1"), ""})
	}
	return cases
}

// names combines what PHP treats specially in a name.
func names() []string {
	var out []string
	pieces := []string{"a", "_", ".", " ", "[", "]", "[b]", "[]", "[ ]", "\x00", "\t"}
	for _, x := range pieces {
		out = append(out, x)
		for _, y := range pieces {
			out = append(out, x+y, "a"+x+y+"b")
			if x != y {
				out = append(out, "a"+x+"b"+y+"c[d.e]f")
			}
		}
	}
	return out
}
