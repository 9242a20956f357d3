package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/qorgan/qorgan/e2e/wordpress"
)

// xmlrpc calls a method as the mobile apps do.
func xmlrpc(t *testing.T, p *people, method string, params ...string) answer {
	t.Helper()
	body := `<?xml version="1.0"?><methodCall><methodName>` + method + `</methodName><params>`
	for _, v := range params {
		body += "<param><value>" + v + "</value></param>"
	}
	return p.visitor.send(t, "POST", "/xmlrpc.php", "text/xml", []byte(body+"</params></methodCall>"), "User-Agent", "wp-android/24.0", "Accept", "*/*")
}

func str(s string) string {
	return "<string>" + strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s) + "</string>"
}

func member(name, value string) string {
	return "<member><name>" + name + "</name><value>" + value + "</value></member>"
}

// app calls the REST API with an application password, as scripts do.
func app(t *testing.T, p *people, method, route, contentType, body string) answer {
	t.Helper()
	credentials := base64.StdEncoding.EncodeToString([]byte(wordpress.Admin.User + ":" + p.blog.AppPassword))
	other := visitor(t, p.edge)
	return other.send(t, method, "/wp-json"+route, contentType, []byte(body), "Authorization", "Basic "+credentials, "User-Agent", "python-requests/2.31.0", "Accept", "*/*")
}

var machines = []action{
	{"XML-RPC getUsersBlogs", func(t *testing.T, p *people) {
		xmlrpc(t, p, "wp.getUsersBlogs", str(wordpress.Editor.User), str(wordpress.Editor.Password)).want(t, 200, "isAdmin")
	}},
	{"XML-RPC newPost", func(t *testing.T, p *people) {
		xmlrpc(t, p, "wp.newPost", "<int>1</int>", str(wordpress.Editor.User), str(wordpress.Editor.Password),
			"<struct>"+member("post_title", str("From the phone & it's fine"))+member("post_content", str(pieces[6].content+pieces[3].content))+member("post_status", str("draft"))+"</struct>").want(t, 200, "<string>")
	}},
	{"XML-RPC uploadFile", func(t *testing.T, p *people) {
		xmlrpc(t, p, "wp.uploadFile", "<int>1</int>", str(wordpress.Editor.User), str(wordpress.Editor.Password),
			"<struct>"+member("name", str("phone photo.png"))+member("type", str("image/png"))+member("bits", "<base64>"+base64.StdEncoding.EncodeToString(picture(t, 31))+"</base64>")+"</struct>").want(t, 200, "phone-photo")
	}},
	{"XML-RPC multicall", func(t *testing.T, p *people) {
		call := func(method string) string {
			return "<value><struct>" + member("methodName", str(method)) + member("params", "<array><data><value>"+str("1")+"</value><value>"+str(wordpress.Editor.User)+"</value><value>"+str(wordpress.Editor.Password)+"</value></data></array>") + "</struct></value>"
		}
		xmlrpc(t, p, "system.multicall", "<array><data>"+call("wp.getOptions")+call("wp.getPostFormats")+"</data></array>").want(t, 200, "<array>")
	}},
	{"XML-RPC listMethods", func(t *testing.T, p *people) { xmlrpc(t, p, "system.listMethods").want(t, 200, "wp.newPost") }},
	{"pingback", func(t *testing.T, p *people) {
		xmlrpc(t, p, "pingback.ping", str("http://other.example.test/2026/post?x=1&y=2"), str("http://"+host+"/?p=1")).want(t, 200, "fault")
	}},
	{"cron", func(t *testing.T, p *people) {
		p.visitor.get(t, "/wp-cron.php?doing_wp_cron=1700000000.1234567890123456789012", "User-Agent", "WordPress/6.1; http://"+host, "Accept", "*/*").want(t, 200, "")
	}},
	{"REST read with an application password", func(t *testing.T, p *people) {
		app(t, p, "GET", "/wp/v2/users/me?context=edit", "", "").want(t, 200, "capabilities")
	}},
	{"REST write with an application password", func(t *testing.T, p *people) {
		app(t, p, "GET", "/wp/v2/users/me?context=edit", "", "").want(t, 200, "")
		app(t, p, "POST", "/wp/v2/posts", "application/json", `{"title":"From a script","content":"<!-- wp:html --><script>let a = \"<b>\"</script><!-- /wp:html -->","status":"draft"}`).want(t, 201, "")
	}},
	{"REST form-encoded write", func(t *testing.T, p *people) {
		app(t, p, "GET", "/wp/v2/users/me?context=edit", "", "").want(t, 200, "")
		app(t, p, "POST", "/wp/v2/posts", "application/x-www-form-urlencoded", url.Values{"title": {"Form"}, "content": {pieces[3].content}, "status": {"draft"}}.Encode()).want(t, 201, "")
	}},
	{"REST PUT and DELETE", func(t *testing.T, p *people) {
		id := postID(t, p.editor, map[string]any{"title": "Method", "status": "draft"})
		p.editor.send(t, "PUT", fmt.Sprintf("/wp-json/wp/v2/posts/%d", id), "application/json", []byte(`{"title":"Put"}`), "X-WP-Nonce", p.editor.nonce).want(t, 200, "Put")
		p.editor.send(t, "DELETE", fmt.Sprintf("/wp-json/wp/v2/posts/%d", id), "", nil, "X-WP-Nonce", p.editor.nonce).want(t, 200, "trash")
	}},
	{"REST batch", func(t *testing.T, p *people) {
		p.editor.rest(t, "POST", "/batch/v1", map[string]any{"validation": "require-all-validate", "requests": []any{
			map[string]any{"method": "POST", "path": "/wp/v2/tags", "body": map[string]any{"name": "batch " + p.day}},
		}}).want(t, 207, "")
	}},
	{"REST OPTIONS", func(t *testing.T, p *people) {
		p.editor.send(t, "OPTIONS", "/wp-json/wp/v2/posts", "", nil, "X-WP-Nonce", p.editor.nonce).want(t, 200, "schema")
	}},
	{"HEAD", func(t *testing.T, p *people) { p.visitor.send(t, "HEAD", "/", "", nil).want(t, 200, "") }},
	{"conditional GET", func(t *testing.T, p *people) {
		const style = "/wp-includes/css/dist/block-library/style.min.css"
		modified := p.visitor.get(t, style).header.Get("Last-Modified")
		p.visitor.get(t, style, "If-Modified-Since", modified).want(t, http.StatusNotModified, "")
	}},
	{"range", func(t *testing.T, p *people) {
		p.visitor.get(t, "/wp-includes/js/jquery/jquery.min.js", "Range", "bytes=0-99").want(t, http.StatusPartialContent, "")
	}},
	{"search engine's robot", func(t *testing.T, p *people) {
		p.visitor.get(t, "/", "User-Agent", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "From", "googlebot(at)googlebot.com", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8").want(t, 200, "")
	}},
	{"link preview", func(t *testing.T, p *people) {
		p.visitor.read(t, "/?p=1", "User-Agent", "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "Range", "bytes=0-524287").want(t, 200, "")
	}},
	{"feed reader", func(t *testing.T, p *people) {
		p.visitor.get(t, "/feed/", "User-Agent", "Feedly/1.0 (+http://www.feedly.com/fetcher.html; 3 subscribers)", "Accept", "application/atom+xml, application/rss+xml, */*").want(t, 200, "<rss")
	}},
	{"uptime check", func(t *testing.T, p *people) {
		p.visitor.get(t, "/", "User-Agent", "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", "Accept", "*/*").want(t, 200, "")
	}},
}
