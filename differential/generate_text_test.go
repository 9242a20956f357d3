//go:build differential

package differential

import (
	"encoding/json"
	"fmt"
	"strings"
)

// json makes a text, mostly well-formed.
func (g *generator) json() string {
	var value func(depth int) string
	text := func() string {
		b, _ := json.Marshal(strings.ToValidUTF8(g.value(), "?"))
		s := string(b)
		switch g.IntN(5) {
		case 0:
			s = strings.ReplaceAll(s, `\u003c`, "<")
		case 1:
			s = g.odd(s, 0.3, `"\ud83d\ude00"`, `"\ud83d"`, `"\u0000"`, "\"a\nb\"", `"\x41"`, `"\u00"`, "\"\xff\"", `"a`, `'a'`, `"\/"`, `"`+"\u2028"+`"`)
		}
		return s
	}
	value = func(depth int) string {
		n := g.IntN(10)
		if depth > 4 {
			n = 3 + n%7
		}
		switch {
		case n < 2:
			var members []string
			for i := range g.IntN(5) {
				key, _ := json.Marshal(fmt.Sprintf("%s%d", g.pick("k", "a.b", "", "K", "0", "json", "ключ", "<b>"), i))
				if g.chance(0.02) {
					g.honest = false
					key = []byte(g.pick(`"dup"`, `"dup"`, `"\u0064up"`, "k", "1", `"\u0000x"`))
				}
				members = append(members, string(key)+g.odd(":", 0.01, "=", " ", "::", " : ")+value(depth+1))
			}
			return "{" + strings.Join(members, g.odd(",", 0.01, ",,", " ", ";", "\n,\t")) + g.odd("}", 0.01, ",}", "]", "")
		case n < 3:
			var items []string
			for range g.IntN(4) {
				items = append(items, value(depth+1))
			}
			return "[" + strings.Join(items, ",") + g.odd("]", 0.01, ",]", "}", "")
		case n < 5:
			return g.odd(g.pick("0", "1", "-1", "3.14", "1e5", "-0", "12345678901234567890", "1E-2", "0.10"), 0.05, "01", "+1", ".5", "1.", "0x1", "NaN", "1e", "--1", "1e999", "Infinity")
		case n < 6:
			return g.odd(g.pick("true", "false", "null"), 0.05, "TRUE", "False", "nul", "undefined", "NULL")
		}
		return text()
	}
	s := "{\"a\":" + value(0) + "}"
	if g.chance(0.3) {
		s = g.pick("[", "") + s
		if s[0] == '[' {
			s += "]"
		}
	}
	if g.chance(0.02) {
		g.honest = false
		n := g.IntN(200)
		s = strings.Repeat("[", n) + s + strings.Repeat("]", n)
	}
	return g.odd("", 0.02, "\xef\xbb\xbf", " ", "\n\n", "/* x */", "\x00", ")]}'\n") + s + g.odd("", 0.02, "\n", " x", "{}", "\x00", ",", "//")
}

// xml makes a document or an XML-RPC call.
func (g *generator) xml() string {
	clean := func() string {
		s := strings.ToValidUTF8(g.value(), "?")
		s = strings.Map(func(c rune) rune {
			if c < ' ' && c != '\n' && c != '\t' {
				return -1
			}
			return c
		}, s)
		return s
	}
	text := func() string {
		s := clean()
		switch g.IntN(4) {
		case 0:
			return "<![CDATA[" + strings.ReplaceAll(s, "]]>", "") + "]]>"
		case 1:
			var b strings.Builder
			for _, c := range s {
				fmt.Fprintf(&b, g.pick("&#%d;", "&#x%x;"), c)
			}
			return b.String()
		}
		s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
		if g.chance(0.2) && len(s) > 3 && !strings.Contains(s, "&") && s[1] < 0x80 && s[2] < 0x80 {
			s = s[:2] + g.pick("<!-- c -->", "<![CDATA[x]]>", "<b/>", "<!---->") + s[2:]
		}
		return s + g.odd("", 0.03, "&nbsp;", "&", "&x;", "]]>", "<", "&#0;", "&#xFFFF;", "&#1114112;", "\x01", "<?php x ?>", "<!DOCTYPE a>", "<!ENTITY x 'y'>", "<!-- a -- b -->", "&#x;", "&lt", "&#X41;", "\xff", "<![CDATA[<scr<?xml x?>ipt>]]>", "<!-- <?xml --> ?>", "<?xml ?>")
	}
	var element func(depth int) string
	element = func(depth int) string {
		name := g.odd(g.pick("a", "item", "имя", "ns:x", "a-b.c", "_x"), 0.02, "1a", "-a", "a b", "", "a$", ":x", "x:y:z")
		attrs := ""
		for i := range g.IntN(3) {
			q := g.pick(`"`, "'")
			v := strings.NewReplacer("&", "&amp;", "<", "&lt;", q, "", "\n", " ", "\t", " ").Replace(clean())
			if len(v) > 100 {
				v = ""
			}
			attrs += fmt.Sprintf("%s%s%s%s", g.odd(" ", 0.02, "", "\n", "\t"), g.pick("x", "y", "on", "href")+g.odd(fmt.Sprint(i), 0.02, "", "="), g.odd("=", 0.02, " = ", "", "=="), g.odd(q+v+q, 0.02, v, q+v, `"<"`, `"&x;"`, "'a\"b'"))
		}
		if g.chance(0.1) {
			return "<" + name + attrs + g.pick("/>", " />")
		}
		s := "<" + name + attrs + ">"
		for range g.IntN(3) {
			if depth < 4 && g.chance(0.5) {
				s += element(depth + 1)
			} else {
				s += text()
			}
		}
		return s + g.odd("</"+name+">", 0.01, "</b>", "", "</"+name+" >", "</"+name)
	}
	decl := g.odd(g.pick("", `<?xml version="1.0"?>`, "<?xml version='1.0' encoding='utf-8'?>\n"), 0.04, " <?xml version=\"1.0\"?>", `<?xml version="1.0" encoding="windows-1251"?>`, `<?xml version="1.0" encoding="utf-16"?>`, "\xef\xbb\xbf", `<?xml?>`, `<?php ?>`, `<!DOCTYPE a [<!ENTITY x "y">]>`, "<!-- c -->", "x", "\n", `<?XML version="1.0"?>`)
	if g.chance(0.4) {
		return decl + g.rpc(text) + g.odd("", 0.02, "\n", "x", "<a/>", "<!-- c -->", "<?x y?>")
	}
	return decl + element(0) + g.odd("", 0.02, "\n", "x", "<a/>", "<!-- c -->", "<?x y?>")
}

func (g *generator) rpc(text func() string) string {
	var value func(depth int) string
	value = func(depth int) string {
		n := g.IntN(8)
		if depth > 3 {
			n = 4 + n%4
		}
		switch n {
		case 0, 1:
			s := "<value><struct>"
			for range g.IntN(3) {
				s += "<member><name>" + g.pick("title", "description", "methodName", "params", "a.b") + "</name>" + value(depth+1) + "</member>"
			}
			return s + "</struct></value>"
		case 2:
			s := "<value><array><data>"
			for range g.IntN(3) {
				s += value(depth + 1)
			}
			return s + "</data></array></value>"
		case 3:
			return "<value><base64>" + g.odd(g.pick("PHNjcmlwdD4=", "aGVsbG8=", "/9j/4AAQ", "PD9waHA=\n"), 0.1, "a", "PHN$jcmlwdD4", "====", "PHNjcmlwdD4=PHNjcmlwdD4=") + "</base64></value>"
		case 4:
			return "<value>" + text() + "</value>"
		case 5:
			return "<value><int>5</int></value>"
		}
		return "<value><string>" + text() + "</string></value>"
	}
	s := "<methodCall><methodName>" + g.pick("wp.getUsersBlogs", "system.multicall", "pingback.ping") + "</methodName><params>"
	for range g.IntN(4) {
		s += "<param>" + value(0) + "</param>"
	}
	return s + "</params></methodCall>"
}
