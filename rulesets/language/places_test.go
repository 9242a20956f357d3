package language_test

import (
	"encoding/json"
	"html"
	"net/url"
	"strings"

	"golang.org/x/net/idna"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets"
)

// place is somewhere that a person's text gets into a request.
type place struct {
	name    string
	kinds   []string // kinds of text that people write there
	profile string   // the only profile that knows it; empty for every one
	build   func(text, host string) rulesets.Probe
}

const (
	urlencoded = "application/x-www-form-urlencoded"
	boundary   = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
)

var (
	prose  = []string{"comment", "order", "forum", "search", "name"}
	addled = []string{"search", "name", "order", "comment"}
)

// ascii is a host as browsers send it.
func ascii(host string) string {
	a, err := idna.Lookup.ToASCII(host)
	if err != nil {
		panic(err)
	}
	return a
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// part is one part of a multipart body.
func part(head, body string) string {
	return "--" + boundary + "\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + body + "\r\n"
}

func multipart(parts ...string) string { return strings.Join(parts, "") + "--" + boundary + "--\r\n" }

// slug escapes a path as browsers do.
func slug(s string) string {
	var out []string
	for _, seg := range strings.Split(s, "/") {
		out = append(out, url.PathEscape(seg))
	}
	return strings.Join(out, "/")
}

var places = []place{
	{"the search", []string{"search"}, "", func(t, h string) rulesets.Probe {
		return request("GET", "/?s="+url.QueryEscape(t), ascii(h), "", "")
	}},
	{"the search of another system", []string{"search"}, "", func(t, h string) rulesets.Probe {
		return request("GET", "/search?q="+url.QueryEscape(t)+"&page=2", ascii(h), "", "")
	}},
	{"the page after a search", []string{"search"}, "", func(t, h string) rulesets.Probe {
		return request("GET", "/about/", ascii(h), "", "", event.Field{Name: "Referer", Value: "https://" + ascii(h) + "/?s=" + url.QueryEscape(t)})
	}},
	{"a search by a script", []string{"search"}, "", func(t, h string) rulesets.Probe {
		return request("POST", "/wp-admin/admin-ajax.php", ascii(h), urlencoded+"; charset=UTF-8", form("action", "ajaxsearch", "term", t))
	}},
	{"an advertisement's tag", []string{"search", "name"}, "", func(t, h string) rulesets.Probe {
		return request("GET", "/?utm_source=yandex&utm_term="+url.QueryEscape(t)+"&utm_content="+url.QueryEscape(t), ascii(h), "", "")
	}},
	{"a shop's cookie about where one came from", []string{"search"}, "", func(t, h string) rulesets.Probe {
		v := url.QueryEscape("typ=organic|||src=yandex|||mdm=organic|||cmp=(none)|||cnt=(none)|||trm=" + t)
		return request("GET", "/", ascii(h), "", "", event.Field{Name: "Cookie", Value: "sbjs_first=" + v + "; sbjs_current=" + v})
	}},
	{"a comment", prose, "", func(t, h string) rulesets.Probe {
		return request("POST", "/wp-comments-post.php", ascii(h), urlencoded, form("comment", t, "author", "A", "email", "a@example.org", "url", "", "comment_post_ID", "7", "comment_parent", "0"))
	}},
	{"a commenter's name", []string{"name"}, "", func(t, h string) rulesets.Probe {
		return request("POST", "/wp-comments-post.php", ascii(h), urlencoded, form("comment", "ok", "author", t, "email", "a@example.org", "comment_post_ID", "7"))
	}},
	{"a commenter's cookie", []string{"name"}, "", func(t, h string) rulesets.Probe {
		return request("GET", "/7/", ascii(h), "", "", event.Field{Name: "Cookie", Value: "comment_author_0123456789abcdef=" + url.PathEscape(t)})
	}},
	{"a contact form", prose, "", func(t, h string) rulesets.Probe {
		return request("POST", "/wp-json/contact-form-7/v1/contact-forms/12/feedback", ascii(h), "multipart/form-data; boundary="+boundary,
			multipart(part(`name="_wpcf7"`, "12"), part(`name="your-name"`, "A"), part(`name="your-email"`, "a@example.org"), part(`name="your-message"`, t)))
	}},
	{"a form of any system", addled, "", func(t, h string) rulesets.Probe {
		return request("POST", "/contact", ascii(h), urlencoded, form("name", "A", "message", t, "submit", "1"))
	}},
	{"a form of any system, in parts", addled, "", func(t, h string) rulesets.Probe {
		return request("POST", "/contact", ascii(h), "multipart/form-data; boundary="+boundary, multipart(part(`name="subject"`, "A"), part(`name="text"`, t)))
	}},
	{"a form of any system, in JSON", addled, "", func(t, h string) rulesets.Probe {
		return request("POST", "/api/feedback", ascii(h), "application/json", `{"name":"A","message":`+quoted(t)+`,"agree":true}`)
	}},
	{"the checkout", []string{"order", "name"}, "", func(t, h string) rulesets.Probe {
		return request("POST", "/?wc-ajax=checkout", ascii(h), urlencoded+"; charset=UTF-8", form("billing_first_name", t, "billing_address_1", t, "billing_phone", "+7 701 555 44 33", "order_comments", t, "payment_method", "cod"))
	}},
	{"the checkout of blocks", []string{"order", "name"}, "", func(t, h string) rulesets.Probe {
		return request("POST", "/wp-json/wc/store/v1/checkout", ascii(h), "application/json", `{"billing_address":{"first_name":`+quoted(t)+`,"address_1":`+quoted(t)+`},"customer_note":`+quoted(t)+`,"payment_method":"cod"}`)
	}},
	{"an order of 1C-Bitrix", []string{"order", "name"}, "generic", func(t, h string) rulesets.Probe {
		return request("POST", "/bitrix/components/bitrix/sale.order.ajax/ajax.php", ascii(h), urlencoded, form("ORDER_PROP_1", t, "ORDER_DESCRIPTION", t, "sessid", "0123456789abcdef"))
	}},
	{"an order of OpenCart", []string{"order", "name"}, "generic", func(t, h string) rulesets.Probe {
		return request("POST", "/index.php?route=checkout/guest/save", ascii(h), urlencoded, form("firstname", t, "address_1", t, "comment", t))
	}},
	{"a comment of Drupal", prose, "generic", func(t, h string) rulesets.Probe {
		return request("POST", "/comment/reply/node/5/comment", ascii(h), urlencoded, form("subject[0][value]", "A", "comment_body[0][value]", t, "form_build_id", "form-abc", "form_id", "comment_comment_form"))
	}},
	{"the block editor", []string{"article", "forum", "comment"}, "wordpress", func(t, h string) rulesets.Probe {
		return authors(request("POST", "/wp-json/wp/v2/posts/12?_locale=user", ascii(h), "application/json", `{"id":12,"title":`+quoted(t)+`,"content":`+quoted(t)+`}`, event.Field{Name: "X-HTTP-Method-Override", Value: "PUT"}))
	}},
	{"the classic editor", []string{"article", "forum", "comment"}, "wordpress", func(t, h string) rulesets.Probe {
		return authors(request("POST", "/wp-admin/post.php", ascii(h), urlencoded, form("action", "editpost", "post_ID", "12", "post_title", t, "content", t)))
	}},
	{"an app that speaks XML-RPC", []string{"article", "forum", "comment"}, "wordpress", func(t, h string) rulesets.Probe {
		return authors(request("POST", "/xmlrpc.php", ascii(h), "text/xml", `<?xml version="1.0" encoding="UTF-8"?><methodCall><methodName>metaWeblog.newPost</methodName><params><param><value><string>1</string></value></param><param><value><string>editor</string></value></param><param><value><string>secret</string></value></param><param><value><struct><member><name>description</name><value><string>`+
			html.EscapeString(t)+`</string></value></member></struct></value></param></params></methodCall>`))
	}},
	{"the library", []string{"file"}, "wordpress", func(t, h string) rulesets.Probe {
		return authors(request("POST", "/wp-admin/async-upload.php", ascii(h), "multipart/form-data; boundary="+boundary,
			multipart(part(`name="name"`, t), part(`name="action"`, "upload-attachment"), part(`name="async-upload"; filename="`+t+"\"\r\nContent-Type: application/pdf", "%PDF-1.7"))))
	}},
	{"the library through REST", []string{"file"}, "wordpress", func(t, h string) rulesets.Probe {
		return authors(request("POST", "/wp-json/wp/v2/media", ascii(h), "multipart/form-data; boundary="+boundary,
			multipart(part(`name="file"; filename="`+t+"\"\r\nContent-Type: application/pdf", "%PDF-1.7"))))
	}},
	{"a file in a contact form", []string{"file"}, "", func(t, h string) rulesets.Probe {
		return request("POST", "/wp-json/contact-form-7/v1/contact-forms/12/feedback", ascii(h), "multipart/form-data; boundary="+boundary,
			multipart(part(`name="your-name"`, "A"), part(`name="file-1"; filename="`+t+"\"\r\nContent-Type: application/pdf", "%PDF-1.7")))
	}},
	{"a file's address", []string{"file"}, "", func(t, h string) rulesets.Probe {
		return request("GET", "/wp-content/uploads/2026/11/"+slug(t), ascii(h), "", "")
	}},
	{"a page's address", []string{"slug"}, "", func(t, h string) rulesets.Probe {
		return request("GET", "/"+slug(t)+"/", ascii(h), "", "", event.Field{Name: "Referer", Value: "https://" + ascii(h) + "/" + slug(t) + "/"})
	}},
	{"a page's address in capitals and small letters", []string{"slug"}, "", func(t, h string) rulesets.Probe {
		return request("GET", "/"+strings.ToLower(slug(t))+"/?replytocom=4", ascii(h), "", "")
	}},
	{"a page asked for by its slug", []string{"slug"}, "wordpress", func(t, h string) rulesets.Probe {
		return request("GET", "/wp-json/wp/v2/posts?slug="+url.QueryEscape(t)+"&_fields=id,title", ascii(h), "", "")
	}},
	{"another site's embedding", []string{"slug"}, "wordpress", func(t, h string) rulesets.Probe {
		return request("GET", "/wp-json/oembed/1.0/embed?url="+url.QueryEscape("https://"+ascii(h)+"/"+slug(t)+"/"), ascii(h), "", "")
	}},
	{"the page to come back to", []string{"slug"}, "wordpress", func(t, h string) rulesets.Probe {
		return request("GET", "/wp-login.php?redirect_to="+url.QueryEscape("https://"+ascii(h)+"/"+slug(t)+"/"), ascii(h), "", "")
	}},
}

// authors makes a request one of a witnessed author.
func authors(p rulesets.Probe) rulesets.Probe {
	p.Rank = exchange.Author
	return p
}
