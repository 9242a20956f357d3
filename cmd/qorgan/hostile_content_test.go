package main

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

// TestHostileContent is about what PHP makes of a request: names, encodings,
// bodies.
func TestHostileContent(t *testing.T) {
	f := newFortress(t, twoSites)
	f.run(t, nameCases())
	f.run(t, encodingCases())
	f.run(t, typeCases())
	f.run(t, jsonAndXMLCases())
	f.run(t, multipartCases())
	f.run(t, uploadCases())
}

// nameCases: the owner's rule 9001 is about ARGS:user_id, and PHP makes a
// user_id of each of these.
func nameCases() []hostileCase {
	cases := []hostileCase{{name: "a parameter no rule is about", send: ask("/?user_ids=7"), status: "200", seen: "GET /?user_ids=7 ", event: "-"}}
	for _, name := range []string{"user_id", "user.id", "user%20id", "user+id", "user[id", "%20user_id", "user_id[]", "user_id[0]", "%75ser_id", "user_id%00x", "user%5Fid"} {
		cases = append(cases,
			hostileCase{name: "in the query: " + name, send: ask("/?" + name + "=7"), status: "403", event: "rule 9001"},
			hostileCase{name: "in a form: " + name, send: post(formType, name+"=7"), status: "403", event: "rule 9001"})
	}
	return append(cases,
		hostileCase{name: "in a part: user.id", send: post(partType, onePart(`Content-Disposition: form-data; name="user.id"`, "7")), status: "403", event: "rule 9001"},
		hostileCase{name: "one name three times, an attack in the query", send: strings.Replace(post(formType, "q=1", "Cookie: q=1"), "POST /", "POST /?q="+escaped, 1), status: "403", event: "rule 941100"},
		hostileCase{name: "one name three times, an attack in the body", send: strings.Replace(post(formType, "q="+escaped, "Cookie: q=1"), "POST /", "POST /?q=1", 1), status: "403", event: "rule 941100"},
		hostileCase{name: "one name three times, an attack in a cookie", send: strings.Replace(post(formType, "q=1", "Cookie: q="+escaped), "POST /", "POST /?q=1", 1), status: "403", event: "+"},
		hostileCase{name: "the first of one name attacks", send: ask("/?q=" + escaped + "&q=1"), status: "403", event: "rule 941100"},
		hostileCase{name: "the last of one name attacks", send: ask("/?q=1&q=" + escaped), status: "403", event: "rule 941100"},
		hostileCase{name: "an element of a list attacks", send: ask("/?q[]=1&q[]=" + escaped + "&q=1"), status: "403", event: "rule 941100"},
	)
}

func encodingCases() []hostileCase {
	q := func(name, value string) hostileCase {
		return hostileCase{name: name, send: ask("/?q=" + value), status: "400|403", event: "+"}
	}
	return []hostileCase{
		q("encoded twice", "%253Cscript%253Ealert(1)%253C/script%253E"),
		q("encoded in a mixture", "%3Cscr%69pt%3Ealert(1)%3C/script%3E"),
		q("as %u", "%u003cscript%u003ealert(1)%u003c/script%u003e"),
		q("as overlong UTF-8", "%C0%BCscript%C0%BEalert(1)%C0%BC/script%C0%BE"),
		q("as fullwidth letters", "%EF%BC%9Cscript%EF%BC%9Ealert(1)%EF%BC%9C/script%EF%BC%9E"),
		q("as entities", "%26lt;script%26gt;alert(1)%26lt;/script%26gt;"),
		{name: "three times, of which PHP undoes one", send: ask("/?q=%25253Cscript%25253E"), status: "200", seen: "q=%25253Cscript%25253E", event: "-"},
		{name: "the per cent sign of a discount", send: ask("/?s=100%"), status: "200", seen: "GET /?s=100% HTTP/1.1\r\n", event: "-"},
	}
}

func compressed(t func(io.Writer) io.WriteCloser, s string) string {
	var b bytes.Buffer
	w := t(&b)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.String()
}

func gzipped(s string) string {
	return compressed(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, s)
}

func typeCases() []hostileCase {
	coded := func(coding, body string) hostileCase {
		return hostileCase{name: "compressed with " + coding, send: post(formType, body, "Content-Encoding: "+coding), status: "415", event: "content-encoding"}
	}
	attack := "q=" + escaped
	charset := func(name, contentType, body string) hostileCase {
		return hostileCase{name: "charset: " + name, send: post(contentType, body), status: "415", event: "charset"}
	}
	return []hostileCase{
		coded("gzip", gzipped(attack)),
		coded("deflate", compressed(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }, attack)),
		coded("br", compressed(func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) }, attack)),
		coded("gzip, gzip", gzipped(gzipped(attack))),
		{name: "compressed a thousandfold", send: post(formType, gzipped("q="+strings.Repeat("a", 64<<20)), "Content-Encoding: gzip"), status: "415", event: "content-encoding"},
		charset("UTF-7", formType+"; charset=utf-7", "q=%2BADw-script%2BAD4-alert(1)"),
		charset("UTF-16", jsonType+"; charset=utf-16", "{\x00}\x00"),
		charset("IBM037", formType+"; charset=ibm037", "q=%4c%a2"),
		charset("GB 18030", formType+"; charset=gb18030", "q=1"),
		charset("none that exists", formType+"; charset=x", "q=1"),
		charset("of an earlier part", partType, "--A\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n+ADw-\r\n"+onePart(`Content-Disposition: form-data; name="b"`, "1")),
		{name: "type: none", send: post("", attack), status: "403", event: "+"},
		{name: "type: empty", send: post(" ", attack), status: "403", event: "+"},
		{name: "type: two", send: post(formType, attack, "Content-Type: text/plain"), status: "400", event: "content-type-repeated"},
		{name: "type: in capitals", send: post("APPLICATION/X-WWW-FORM-URLENCODED", attack), status: "403", event: "rule 941100"},
		{name: "type: two in one line", send: post(formType+",text/plain", attack), status: "400", event: "content-type"},
		{name: "type: a semicolon behind it", send: post(formType+";", attack), status: "403", event: "+"},
		{name: "type: a tab behind it", send: post(formType+"\t;charset=utf-8", attack), status: "400", event: "content-type"},
		{name: "type: JSON said to be text", send: post("text/plain", `{"q":"`+script+`"}`), status: "403", event: "+"},
		{name: "type: JSON said to be a form", send: post(formType, `{"q":"\u003cscript\u003ealert(1)\u003c/script\u003e"}`), status: "403", event: "+"},
		{name: "type: a form said to be JSON", send: post(jsonType, attack), status: "400", event: "json-syntax"},
		{name: "type: JSON of a vendor", send: post("application/vnd.api+json", `{"q":"`+script+`"}`), status: "403", event: "+"},
	}
}

func jsonAndXMLCases() []hostileCase {
	json := func(name, body, reason string) hostileCase {
		return hostileCase{name: "JSON: " + name, send: post(jsonType, body), status: "400", event: reason}
	}
	xml := func(name, body, reason string) hostileCase {
		tc := hostileCase{name: "XML: " + name, send: post("text/xml", body), status: "400", event: reason}
		if strings.HasPrefix(reason, "rule") || reason == "+" {
			tc.status = "403"
		}
		return tc
	}
	return []hostileCase{
		json("20,000 levels", strings.Repeat("[", 20000)+strings.Repeat("]", 20000), "json-depth"),
		json("one name twice", `{"a":1,"a":"`+script+`"}`, "json-duplicate-key"),
		json("one name twice, spelt in two ways", `{"a":1,"\u0061":"`+script+`"}`, "json-duplicate-key"),
		json("a byte order mark", "\xef\xbb\xbf{}", "json-bom"),
		json("bytes behind it", `{"a":1}{"b":2}`, "json-syntax"),
		json("a comment", `{"a":/**/1}`, "json-syntax"),
		{name: "JSON: a deep tail of 13 MB behind 1,000 values", send: post(jsonType, "["+strings.Repeat("1,", 1000)+strings.Repeat("[", 13<<20)), status: "413", event: "body-too-large"},
		{name: "JSON: UTF-16", send: post(jsonType, "\xff\xfe{\x00}\x00"), status: "415", event: "charset"},
		xml("an external entity", `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`, "xml-doctype"),
		xml("an attack in two entities", `<!DOCTYPE a [<!ENTITY b "<scr"><!ENTITY c "ipt>">]><a>&b;&c;</a>`, "xml-doctype"),
		xml("a billion laughs", `<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;">]><a>&d;</a>`, "xml-doctype"),
		{name: "XML: UTF-16", send: post("text/xml", "\xff\xfe<\x00a\x00/\x00>\x00"), status: "415", event: "charset"},
		xml("an attack in an attribute", `<a b="1&apos; UNION SELECT user_pass FROM wp_users-- -"/>`, "+"),
		xml("an attack in CDATA", "<a><![CDATA["+script+"]]></a>", "+"),
		xml("an attack in pieces", "<a>&lt;scr<!-- -->ipt<![CDATA[>alert(1)</script>]]></a>", "+"),
		xml("an attack in a comment", "<a><!-- "+script+" --></a>", "+"),
		xml("a processing instruction", "<a><?php system('id') ?></a>", "xml-processing-instruction"),
		xml("1,000 levels", strings.Repeat("<a>", 1000)+strings.Repeat("</a>", 1000), "xml-depth"),
		xml("an attack in a value of a call", "<methodCall><methodName>a</methodName><params><param><value>&lt;script>alert(1)&lt;/script></value></param></params></methodCall>", "+"),
		xml("an attack in base64 of a call", "<methodCall><methodName>a</methodName><params><param><value><base64>PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==</base64></value></param></params></methodCall>", "+"),
	}
}

func multipartCases() []hostileCase {
	d := `Content-Disposition: form-data; name="comment"`
	body := onePart(d, script)
	parts := func(name, contentType, body, reason string) hostileCase {
		return hostileCase{name: "multipart: " + name, send: post(contentType, body), status: "400", event: reason}
	}
	cases := []hostileCase{
		parts("parts behind the end", partType, onePart(d, "b")+body, "multipart-epilogue"),
		parts("the end first", partType, "--A--\r\n"+body, "+"),
		parts("a boundary within another parameter", `multipart/form-data; type="boundary=A"; boundary=B`, body+"--B--\r\n", "multipart-content-type"),
		parts("a boundary within the start", `multipart/form-data; start="boundary=A,x"; boundary=B`, body+"--B--\r\n", "multipart-content-type"),
		parts("two boundaries", "multipart/form-data; boundary=A; boundary=B", body, "+"),
		parts("a parameter that ends in boundary", "multipart/form-data; xboundary=A; boundary=B", body, "+"),
		parts("line feeds alone", partType, strings.ReplaceAll(body, "\r\n", "\n"), "multipart-delimiter"),
		parts("no end", partType, strings.TrimSuffix(body, "--A--\r\n"), "multipart-unfinished"),
		parts("a header twice", partType, onePart(d+"\r\n"+d, script), "multipart-header-repeated"),
		parts("a folded header", partType, onePart("Content-Disposition: form-data;\r\n name=\"comment\"", script), "multipart-disposition"),
		parts("nested", partType, onePart(d+"\r\nContent-Type: multipart/mixed; boundary=B", script), "multipart-nested"),
		parts("a header of 1 MB", partType, onePart(`Content-Disposition: form-data; name="`+strings.Repeat("a", 1<<20)+`"`, "x"), "multipart-header-length"),
		parts("10,000 parts", partType, strings.Repeat("--A\r\n"+d+"\r\n\r\nx\r\n", 10000)+"--A--\r\n", "too-many-parameters"),
		parts("base64", partType, onePart(d+"\r\nContent-Transfer-Encoding: base64", "PHNjcmlwdD4="), "multipart-transfer-encoding"),
		{name: "multipart: an attack in a field", send: post(partType, body), status: "403", event: "rule 941100"},
		{name: "multipart: an honest field", send: post(partType, onePart(d, "hello")), status: "200", seen: onePart(d, "hello"), event: "-"},
	}
	// A file for many readers, a field for PHP.
	for _, disposition := range []string{
		`form-data; name="comment"; filename*=utf-8''x`, `form-data; name="comment"; filename*=iso-8859-1''x`, `form-data; name="comment"; FILENAME*=utf-8''x`,
		`attachment; name="comment"; filename*=utf-8''x`, `form-data; name="comment"; filename ="x"`, "form-data; name=\"comment\"; filename\t=\"x\"",
		`form-data; x=';filename=y;z='; name="comment"`, `form-data; x=';filename="y";z='; name="comment"`, `form-data; x="\\"; filename=y; name="comment"`,
	} {
		cases = append(cases, parts("a file for some: "+disposition, partType, onePart("Content-Disposition: "+disposition, script), "+"))
	}
	return cases
}

func uploadCases() []hostileCase {
	var cases []hostileCase
	for _, name := range []string{"x.php", "x.phtml", "x.PhP5", "x.phar", ".htaccess", "x.php.", "x.php ", "x.php%00.jpg", "x.php\x00.jpg", "x\u202egpj.php", "../../x.php", "x.jpg.php"} {
		cases = append(cases, hostileCase{name: fmt.Sprintf("upload: %q", name), send: post(partType, onePart(`Content-Disposition: form-data; name="f"; filename="`+name+`"`, "x")), status: "400|403", event: "+"})
	}
	file := func(name, contentType, content string) string {
		return post(partType, onePart(`Content-Disposition: form-data; name="f"; filename="`+name+"\"\r\nContent-Type: "+contentType, content))
	}
	image := "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
	return append(cases,
		hostileCase{name: "upload: an image", send: file("фото (1).jpg", "image/jpeg", image), status: "200", seen: "фото (1).jpg", event: "-"},
		hostileCase{name: "upload: code within an image", send: file("x.jpg", "image/jpeg", image+"<?php system($_GET['c']); ?>"), status: "400", event: "multipart-image-code"},
		hostileCase{name: "upload: code within an image, in a short tag", send: file("x.png", "image/png", "\x89PNG\r\n\x1a\n<?=`$_GET[c]`?>"), status: "400", event: "multipart-image-code"},
		hostileCase{name: "upload: an archive that is code", send: file("x.jpg", "image/jpeg", "GIF89a<?php __HALT_COMPILER(); ?>\r\n"), status: "400", event: "multipart-image-code"},
	)
}
