package e2e

import (
	"net/url"
	"strings"
	"testing"
)

// read makes an action of reading one page.
func read(name, target, text string) action {
	return action{name, func(t *testing.T, p *people) { p.visitor.read(t, target).want(t, 200, text) }}
}

// search makes an action of searching for words.
func search(words string) action {
	return action{"search " + words, func(t *testing.T, p *people) {
		p.visitor.get(t, "/?s="+url.QueryEscape(words)).want(t, 200, "</html>")
	}}
}

// comment makes an action of commenting on the first post.
func comment(name, text string) action {
	return action{"comment " + name, func(t *testing.T, p *people) {
		p.visitor.post(t, "/wp-comments-post.php", url.Values{
			"comment": {text + " (" + p.day + ")"}, "author": {"Айгерім Ә."}, "email": {"a.bekova@example.test"}, "url": {"https://example.test/~aigerim/?a=1&b=2"},
			"submit": {"Post Comment"}, "comment_post_ID": {"1"}, "comment_parent": {"0"}, "wp-comment-cookies-consent": {"yes"},
		}).want(t, 302, "")
	}}
}

var visiting = []action{
	read("front page", "/", "Steppe Notes"),
	read("front page from a newsletter", "/?utm_source=newsletter&utm_campaign=spring-sale_2026", ""),
	read("post about SQL", "/?name=joining-two-tables", "UNION ALL"),
	read("post about shells", "/?name=shell-one-liners", "/etc/passwd"),
	read("post in Russian", "/?name="+url.QueryEscape("неделя-в-алматы"), "Мы приехали"),
	read("post in Kazakh", "/?name="+url.QueryEscape("алматыдағы-бір-апта"), "шыңдары"),
	read("archive", "/2026/11/", ""),
	read("category", "/category/uncategorized/", "Uncategorized"),
	read("author", "/author/admin/", "admin"),
	read("feed", "/feed/", "<rss"),
	read("atom feed", "/feed/atom/", "<feed"),
	read("comments feed", "/comments/feed/", "<rss"),
	read("feed of one post", "/?feed=rss2&p=1", "<rss"),
	read("sitemap", "/wp-sitemap.xml", "sitemapindex"),
	read("sitemap of posts", "/wp-sitemap-posts-post-1.xml", "urlset"),
	read("robots.txt", "/robots.txt", "User-agent"),
	read("oEmbed", "/wp-json/oembed/1.0/embed?url="+url.QueryEscape("http://"+host+"/?p=1")+"&format=xml", ""),
	read("embedded post", "/?p=1&embed=true", "</html>"),
	read("REST index", "/wp-json/", "namespaces"),
	read("REST posts", "/wp-json/wp/v2/posts?per_page=10&_embed=1&orderby=date&order=desc", `"rendered"`),
	read("REST search", "/wp-json/wp/v2/search?search="+url.QueryEscape("select union tables")+"&_fields=id,title,url", "["),
	read("script", "/wp-includes/js/jquery/jquery.min.js?ver=3.6.1", "jQuery"),
	read("style", "/wp-content/themes/twentytwentyone/style.css?ver=1.7", "Twenty Twenty-One"),
	read("login form", "/wp-login.php?redirect_to="+url.QueryEscape("http://"+host+"/wp-admin/")+"&reauth=1", "user_login"),
	read("registration form", "/wp-login.php?action=register", "user_email"),
	read("lost password form", "/wp-login.php?action=lostpassword", "user_login"),
	{"missing page", func(t *testing.T, p *people) { p.visitor.get(t, "/no-such-page/").want(t, 404, "</html>") }},
	{"click from a search engine", func(t *testing.T, p *people) {
		p.visitor.read(t, "/?p=1", "Referer", "https://www.google.com/search?q=select+*+from+users+where+1%3D1&hl=ru").want(t, 200, "")
	}},
	{"click from an advertisement", func(t *testing.T, p *people) {
		p.visitor.get(t, "/?gclid=EAIaIQobChMI-_x1a2b3c4&fbclid=IwAR0abc-DEF_123&yclid=123456&utm_term=%7Bkeyword%7D&utm_content=a|b").want(t, 200, "")
	}},
	{"cookies of trackers", func(t *testing.T, p *people) {
		p.visitor.read(t, "/?p=1", "Cookie", `_ga=GA1.2.1234567890.1700000000; _ym_uid=1700000000123456789; _fbp=fb.1.1700000000000.1234567890; cookieyes-consent=consentid:abc,consent:yes,action:yes,necessary:yes; cart=%7B%22items%22%3A%5B%7B%22id%22%3A1%2C%22q%22%3A2%7D%5D%7D`).want(t, 200, "")
	}},
	search("кофе в Алматы"),
	search("Қазақстан тарихы"),
	search("select a table from the menu"),
	search("union all workers, order by name"),
	search("C++ vs C#"),
	search(`"Tom & Jerry's" 50% off!`),
	search("O'Brien's café"),
	search("mom (dad) and/or kids"),
	search("drop shipping; update 2026"),
	search("<3 love"),
	search("5'11\" door"),
	search("имо и мнение, употребляют"),
	search("what's new in PHP 8.3?"),
	search("how to alter table height"),
	search("what are .htaccess and robots.txt?"),
	comment("in English", "Great photos! Don't miss the bazaar; it's open 'til 7 & closed on Mondays (I've checked)."),
	comment("with a link", `See <a href="https://example.test/page?id=1&x=2#top" rel="nofollow">my notes</a> and https://example.test/?q=a+b`),
	comment("in Russian", "Спасибо! А как сделать «group by» и having? Мы ищем товары, которые являются неотъемлемой частью… 😊"),
	comment("in Kazakh", "Рақмет, өте пайдалы мақала! Мен де осылай жасап көрдім, бірақ нәтиже басқаша болды."),
	comment("with code", "What about <code>LEFT JOIN b ON a.id = b.id WHERE a.x IS NULL</code>?"),
	comment("long", strings.Repeat("We tried the bread and it was great; the owner told us to come back in May. ", 40)),
	comment("with emoji", "❤️🔥👍🏽 <3 :-) ;)"),
	{"reply to a comment", func(t *testing.T, p *people) {
		p.visitor.post(t, "/wp-comments-post.php", url.Values{"comment": {"I agree, and what's more: it works on " + p.day}, "author": {"Ivan"}, "email": {"ivan@example.test"},
			"url": {""}, "comment_post_ID": {"1"}, "comment_parent": {"1"}}).want(t, 302, "")
	}},
	{"register", func(t *testing.T, p *people) {
		name := "guest" + p.day
		p.visitor.post(t, "/wp-login.php?action=register", url.Values{"user_login": {name}, "user_email": {name + "@example.test"}, "redirect_to": {""}, "wp-submit": {"Register"}}).want(t, 302, "")
	}},
	{"lose a password", func(t *testing.T, p *people) {
		p.visitor.post(t, "/wp-login.php?action=lostpassword", url.Values{"user_login": {"reader@example.test"}, "redirect_to": {""}, "wp-submit": {"Get New Password"}}).want(t, 302, "")
	}},
	{"mistype a password", func(t *testing.T, p *people) {
		p.visitor.post(t, "/wp-login.php", url.Values{"log": {"editor"}, "pwd": {`wr0ng;--1=1 "or" <pass>'`}, "wp-submit": {"Log In"}, "testcookie": {"1"}}).want(t, 200, "login_error")
	}},
	{"subscriber's profile", func(t *testing.T, p *people) {
		p.reader.get(t, "/wp-admin/profile.php").want(t, 200, "O&#039;Brien")
	}},
	{"subscriber comments", func(t *testing.T, p *people) {
		p.reader.post(t, "/wp-comments-post.php", url.Values{"comment": {"Signed in, and it's nice & easy: 1 < 2, " + p.day}, "comment_post_ID": {"1"}, "comment_parent": {"0"}}).want(t, 302, "")
	}},
}
