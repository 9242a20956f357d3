//go:build differential

package differential

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"

	"github.com/qorgan/qorgan/differential/seen"
)

// generator makes one request of a run. While honest is set, it made nothing
// that a browser or a well-known client would not send.
type generator struct {
	*rand.Rand
	honest bool
	odds   float64 // how odd this request is
}

func newGenerator(seed uint64, i int) *generator {
	g := &generator{rand.New(rand.NewPCG(seed, uint64(i))), true, 0}
	g.odds = []float64{0, 0.5, 1, 3}[g.IntN(4)]
	return g
}

func (g *generator) pick(choices ...string) string { return choices[g.IntN(len(choices))] }

// odd picks, once in a while, something that no client sends.
func (g *generator) odd(usual string, p float64, choices ...string) string {
	if g.Float64() >= p*g.odds {
		return usual
	}
	g.honest = false
	return g.pick(choices...)
}

func (g *generator) chance(p float64) bool { return g.Float64() < p }

func (g *generator) request() *seen.Request {
	q := &seen.Request{Method: "POST", Target: []byte("/")}
	if g.chance(0.3) {
		q.Target = []byte(g.target())
	}
	if g.chance(0.2) {
		q.Target = append(q.Target, '?')
		q.Target = append(q.Target, g.query()...)
	}
	if g.chance(0.2) {
		q.Fields = append(q.Fields, [2][]byte{[]byte("Cookie"), []byte(g.cookie())})
	}
	var contentType, body string
	switch n := g.IntN(100); {
	case n < 45:
		contentType, body = g.multipart()
	case n < 60:
		contentType, body = g.pick("application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=UTF-8"), g.form()
	case n < 75:
		contentType, body = g.pick("application/json", "application/json; charset=utf-8", "application/vnd.api+json"), g.json()
	case n < 87:
		contentType, body = g.pick("text/xml", "application/xml; charset=utf-8"), g.xml()
	case n < 95: // announced as something else
		g.honest = false
		_, multi := g.multipart()
		body = g.pick(g.form(), g.json(), g.xml(), multi)
		contentType = g.pick("text/plain", "application/x-www-form-urlencoded", "application/json", "text/xml", "image/png", "application/octet-stream",
			"APPLICATION/X-WWW-FORM-URLENCODED", "application/x-www-form-urlencoded ; charset=utf-8", "application/x-www-form-urlencoded;", "application/x-www-form-urlencoded,x/y",
			"application/x-www-form-urlencoded\t", "Multipart/Form-Data; boundary=A", "multipart/form-data, boundary=A", "text/html", "x", "", "application/x-www-form-urlencoded; charset=windows-1251",
			"application/x-www-form-urlencoded; charset=utf-16", "multipart/mixed; boundary=A", "application/x-www-form-urlencodedx", " application/x-www-form-urlencoded")
	default:
		q.Method = "GET"
		return q
	}
	if g.chance(0.1) {
		body = g.mutate(body)
	}
	if g.chance(0.05) {
		g.honest = false
		q.Method = g.pick("PUT", "PATCH", "DELETE", "GET")
	}
	q.Fields = append(q.Fields, [2][]byte{[]byte("Content-Type"), []byte(contentType)})
	q.Body = []byte(body)
	return q
}

// mutate changes a few bytes.
func (g *generator) mutate(s string) string {
	g.honest = false
	b := []byte(s)
	for range 1 + g.IntN(3) {
		if len(b) == 0 {
			return ""
		}
		i := g.IntN(len(b))
		j := min(len(b), i+1+g.IntN(12))
		switch g.IntN(4) {
		case 0:
			b = append(b[:i:i], b[j:]...)
		case 1:
			b = append(b[:j:j], b[i:]...)
		case 2:
			const special = "\r\n\t \"'\\;=:&%-\x00\xff<>[]{}.A"
			b[i] = special[g.IntN(len(special))]
		default:
			piece := g.pick("\r\n", "\n", "--A", "\r\n--A", "\n--A", "--", "\"", "\\", "'", ";", "=", " ", "\x00", "filename=", "<!--", "]]>", "&", "[", "]", "%00", ",", ":")
			b = append(b[:i:i], append([]byte(piece), b[i:]...)...)
		}
	}
	return string(b)
}

// name makes a parameter's name.
func (g *generator) name() string {
	var b strings.Builder
	b.WriteString(g.pick("a", "b", "user_id", "user.id", "user id", " user_id", "комментарий", "a-b", "a]", "", ".", "_x", "log", "content", "x\ty", "été"))
	for g.chance(0.35) {
		b.WriteString(g.pick("[]", "[0]", "[k]", "[ ]", "[k.l]", "[", "]", "[5]", "x", ".", " ", "[a b]", "[[k]", "[-3]", "[00]", "[\t]"))
	}
	return b.String()
}

// value makes a value, sometimes one that looks like syntax.
func (g *generator) value() string {
	switch g.IntN(12) {
	case 0:
		return ""
	case 1:
		return "<script>alert(1)</script>"
	case 2:
		return g.pick("--A", "\r\n--B", "a\nb", "\r", "\n", "\r\n", "\r\n\r\n", "--", "\n--", "\r\n--", "A--")
	case 3:
		return strings.Repeat(g.pick("x", "ж", "\r\n", "\n-", "\r\n-", "\r"), g.IntN(200))
	case 4:
		return strings.Repeat(g.pick("0123456789abcde", "\r\n--", "line\r\n", "\xff\xd8"), 300+g.IntN(1500))
	case 5:
		return g.pick("привет, мир", "қорған", "日本語", "\xe0\xf8\xe8\xe1\xea\xe0", "😀", "\x00", "a\x00b", "\x01")
	default:
		return g.pick("1", "hello world", "a=b&c=d", "100%", "%41", "1+1", "{\"a\":1}", "O'Reilly; \"x\"", "C:\\dir\\", "true", "user@example.kz")
	}
}

// form makes a form body with PHP's and other spellings of each byte.
func (g *generator) form() string {
	var b strings.Builder
	for i := range 1 + g.IntN(8) {
		if i > 0 {
			b.WriteString(g.odd("&", 0.05, "&&", ";", "& ", "&amp;", ""))
		}
		b.WriteString(g.escape(g.name()))
		if g.chance(0.95) {
			b.WriteString(g.odd("=", 0.03, "==", "%3d", " ="))
			b.WriteString(g.escape(g.value()))
		}
	}
	return b.String()
}

// escape encodes as browsers do, or leaves bytes bare, or breaks an escape.
func (g *generator) escape(s string) string {
	switch g.IntN(6) {
	case 0:
		if strings.Contains(s, "\x00") {
			g.honest = false
		}
		return s
	case 1:
		var b strings.Builder
		for i := 0; i < len(s); i++ {
			fmt.Fprintf(&b, g.pick("%%%02x", "%%%02X"), s[i])
		}
		return b.String()
	case 2:
		return url.QueryEscape(s) + g.pick("", "%", "%4", "%zz", "%u0041", "+", "%+1", "%2", "%00", "%c0%bc")
	default:
		return url.QueryEscape(s)
	}
}

// query makes a query of bytes that stand in a request line.
func (g *generator) query() string {
	clean := []byte(g.form())
	for i, c := range clean {
		if c <= ' ' || c == 0x7f || c == '#' {
			clean[i] = 'x'
		}
	}
	g.honest = false                              // bytes that browsers encode
	return string(clean[:min(len(clean), 4<<10)]) // what nginx hands to PHP has a limit
}

func (g *generator) target() string {
	g.honest = false
	var b strings.Builder
	for range 1 + g.IntN(5) {
		b.WriteString(g.pick("/", "/", "//", "/./", "/../", "/%2e/", "/%2e%2e/", "%2f", "/..;/", "%5c", "/a%20b"))
		b.WriteString(g.pick("", "a", "wp-admin", "index.php", "x.jpg", "%D0%B6", "ж", "a;b=c", "a+b", "\xef\xf0\xe8", "\xe2\x80\xa8", "\x85", "\u009b", "%85", "%41", "%2541", ".", "..", "...", "~", "%00", "%zz", "a\\b", "'", "a:b", "*"))
	}
	s := b.String()
	if s[0] != '/' {
		s = "/" + s
	}
	return s
}

func (g *generator) cookie() string {
	var parts []string
	for range 1 + g.IntN(5) {
		v := strings.NewReplacer("\r", "", "\n", "", "\x00", "", "\x01", "").Replace(g.value())
		if len(v) > 1000 {
			v = v[:1000]
		}
		name := g.pick(g.name(), "PHPSESSID", "wordpress_logged_in_ab", "__Host-x", "__Secure-y", "..Host-x", "_ga")
		parts = append(parts, g.pick("", " ", "  ")+strings.ReplaceAll(name, "\t", "")+g.pick("=", "=", "=", " =", "= ", "", "==")+g.pick(v, url.QueryEscape(v), url.PathEscape(v)))
	}
	g.honest = false // bytes that browsers keep out of cookies
	return strings.Join(parts, g.pick("; ", ";", ";;", " ; "))
}

// multipart makes a body with boundary A, mostly as clients write it.
func (g *generator) multipart() (contentType, body string) {
	boundary := g.pick("A", "----WebKitFormBoundary7MA4YWxkTrZu0gW", "------------------------d74496d66958873e", "alamofire.boundary.9f4", "=_x", "3f1b2c4d-0000-4000-8000-a0b1c2d3e4f5")
	quoted := boundary
	if strings.Contains(boundary, "=") || g.chance(0.15) {
		quoted = `"` + boundary + `"`
	}
	contentType = g.pick("multipart/form-data; boundary="+quoted, "multipart/form-data; boundary="+quoted, "multipart/form-data;boundary="+quoted,
		"multipart/form-data; charset=utf-8; boundary="+quoted, "multipart/form-data; boundary="+quoted+"; charset=UTF-8")
	contentType = g.odd(contentType, 0.03,
		"multipart/form-data; type=\"boundary=A\"; boundary="+quoted, "multipart/form-data; boundary="+quoted+",x", "multipart/form-data; Boundary=xboundary=A; boundary="+quoted,
		"multipart/form-data; boundary="+quoted+";", "multipart/form-data; boundary=A; boundary=B", "multipart/form-data; boundary ="+quoted, "multipart/form-data; boundary='"+boundary+"'",
		"multipart/form-data, boundary="+quoted, "multipart/form-data boundary="+quoted, "multipart/form-data; xboundary="+quoted, "multipart/form-data; boundary="+boundary+" ; x=y")
	mark := "--" + boundary
	var b strings.Builder
	b.WriteString(g.odd("", 0.02, "preamble\r\n", "\n", "\r\n", mark+"--\r\n", " "))
	for range 1 + g.IntN(5) {
		b.WriteString(mark)
		b.WriteString(g.odd("\r\n", 0.01, "\n", " \r\n", "x\r\n", "\t\r\n", "\r\r\n"))
		g.part(&b)
		value := g.value()
		if strings.Contains(value, "\n"+mark) || strings.HasPrefix(value, mark) {
			g.honest = false
		}
		b.WriteString(g.odd(value, 0.03, value+"\n"+mark, value+"\r\n"+mark+"x\r\n", mark+"\r\n", value+"\r\n"+mark[:len(mark)-1], "\r"+value, value+"\r"))
		b.WriteString(g.odd("\r\n", 0.01, "\n", "", "\r", "\r\n\r\n"))
	}
	b.WriteString(mark)
	b.WriteString("--")
	b.WriteString(g.odd(g.pick("\r\n", ""), 0.02, "\r\n\r\n", "epilogue", "\n", mark+"\r\nContent-Disposition: form-data; name=\"z\"\r\n\r\nhidden\r\n"+mark+"--\r\n",
		"\r\n"+mark+"\r\nContent-Disposition: form-data; name=\"z\"\r\n\r\nhidden\r\n"+mark+"--\r\n"))
	return contentType, b.String()
}

// part writes the header of a part.
func (g *generator) part(b *strings.Builder) {
	quote := func(s string) string {
		s = strings.NewReplacer("\r", "", "\n", "", "\x00", "", "\t", " ", "\x01", "").Replace(s)
		switch g.IntN(3) {
		case 0: // as browsers
			return `"` + strings.ReplaceAll(s, `"`, "%22") + `"`
		case 1: // as curl and Go
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
		}
		return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
	}
	name := g.name()
	if strings.Contains(name, "\t") {
		name = "n"
	}
	disposition := "form-data" + g.odd("; ", 0.01, ";", " ; ", ";  ", ";;", ";\t") + g.odd("name=", 0.02, "Name=", "name =", "name= ", "name\t=", "xname=", "name*=", "filename=")
	disposition += g.odd(quote(name), 0.03, "a", "'a'", `"a`, `"a\\"`, `"a"b`, `a"b"`, "a b", "", `"a\"`, `"\\a"`, `a\b`)
	file := g.chance(0.35)
	if file {
		fn := g.pick("a.jpg", "фото.png", `C:\Users\x\a.jpg`, "a b.txt", `a"b.txt`, "x.php", "a;b.txt", "a'b.txt", "dir/a.txt", "", "😀.gif", "a=b.txt", "name=x", `\\host\a`, "a.jpg ")
		if fn == "" || strings.HasPrefix(fn, `\`) {
			g.honest = false // a nameless file with content
		}
		disposition += g.odd("; ", 0.02, ";", " ; ", "", " ", ",") + g.odd("filename=", 0.05, "filename =", "filename\t=", "FILENAME=", "filename*=", "filename*=utf-8''", "filename*=iso-8859-1''", "x=';filename=y;z=';filename=", "filename*0=", "filename=;filename=")
		disposition += g.odd(quote(fn), 0.03, "x", "'x'", `"x`, `"x\\"`, "x y", `"x\"`, "'x;y'", "=x")
		if g.chance(0.05) {
			disposition += "; filename*=" + g.odd("utf-8''", 0.2, "utf-8'ru'", "windows-1251''", "\"utf-8''", "") + "%D1%84.png"
		}
	}
	disposition += g.odd("", 0.02, ";", "; x=y", `; x="\\"; filename=y`, "; filename*=utf-8''x", "\x00; filename=x", "; FILENAME*=x", "\r\n ; filename=x", "\r\n\t; filename=x", "; name=z")
	lines := []string{g.odd("Content-Disposition: ", 0.02, "Content-Disposition:", "content-disposition: ", "Content-Disposition : ", " Content-Disposition: ", "Content-Disposition;", "X: ", "Content-Disposition:\t") + disposition}
	if file || g.chance(0.1) {
		lines = append(lines, g.odd("Content-Type: "+g.pick("image/jpeg", "application/octet-stream", "text/plain; charset=utf-8", "application/pdf"), 0.03, "Content-Type: text/plain; charset=utf-7", "Content-Type: x", "Content-Type : a/b", "Content-Type: multipart/mixed; boundary=B"))
	}
	if g.chance(0.05) {
		lines = append(lines, g.pick("Content-Length: 5", "Content-Transfer-Encoding: binary", "Content-Transfer-Encoding: 8bit"))
	}
	if g.chance(0.02) {
		g.honest = false
		lines = append(lines, g.pick(lines[0], "X-Y: z", "Content-Disposition: form-data; name=\"q\"", "noheader", " folded", "\tfilename=x", ":", "Content-Type: a/b\x00"))
	}
	for _, l := range lines {
		if strings.ContainsAny(l, "\x00\r\n\t") {
			g.honest = false
		}
		b.WriteString(l)
		b.WriteString(g.odd("\r\n", 0.005, "\n", "\r", "\r\r\n"))
	}
	b.WriteString(g.odd("\r\n", 0.005, "\n", "", "\r\n\r\n"))
	// Even runs of backslashes before a quote are ambiguous, however they came about.
	if strings.Contains(disposition, `\`) {
		g.honest = false
	}
}
