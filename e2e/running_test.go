package e2e

import (
	"net/url"
	"strings"
	"testing"
)

// screen makes an action of opening one screen of the dashboard.
func screen(name, target string) action {
	return action{name, func(t *testing.T, p *people) { p.admin.read(t, target).want(t, 200, "wpbody") }}
}

// saveOptions makes an action of saving one page of settings.
func saveOptions(page string, fields url.Values) action {
	return action{"save " + page + " settings", func(t *testing.T, p *people) {
		form := p.admin.get(t, "/wp-admin/options-"+page+".php").want(t, 200, "option_page")
		values := url.Values{"option_page": {page}, "action": {"update"}, "_wpnonce": {form.hidden(t, "_wpnonce")},
			"_wp_http_referer": {"/wp-admin/options-" + page + ".php"}, "submit": {"Save Changes"}}
		for k, v := range fields {
			values[k] = v
		}
		p.admin.post(t, "/wp-admin/options.php", values).want(t, 302, "")
	}}
}

var running = []action{
	screen("dashboard", "/wp-admin/index.php"),
	screen("comments", "/wp-admin/edit-comments.php?comment_status=all"),
	screen("themes", "/wp-admin/themes.php"),
	screen("plugins", "/wp-admin/plugins.php?plugin_status=all&paged=1&s"),
	screen("add a plugin", "/wp-admin/plugin-install.php?tab=upload"),
	screen("users", "/wp-admin/users.php?role=administrator"),
	screen("new user", "/wp-admin/user-new.php"),
	screen("tools", "/wp-admin/tools.php"),
	screen("import", "/wp-admin/import.php"),
	screen("site health", "/wp-admin/site-health.php"),
	screen("site health's details", "/wp-admin/site-health.php?tab=debug"),
	screen("updates", "/wp-admin/update-core.php"),
	screen("privacy", "/wp-admin/options-privacy.php"),
	screen("menus", "/wp-admin/nav-menus.php"),
	screen("widgets", "/wp-admin/widgets.php"),
	screen("theme editor", "/wp-admin/theme-editor.php?file=functions.php&theme=twentytwentyone"),
	{"customizer", func(t *testing.T, p *people) {
		p.admin.get(t, "/wp-admin/customize.php?return=%2Fwp-admin%2Fthemes.php").want(t, 200, "customize-controls")
	}},
	{"export", func(t *testing.T, p *people) {
		p.admin.get(t, "/wp-admin/export.php?download=true&content=all&cat=0&post_author=0").want(t, 200, "<rss")
	}},
	saveOptions("general", url.Values{"blogname": {"Steppe Notes"}, "blogdescription": {`Notes from the road; "dusty" & <slow>`}, "admin_email": {"admin@example.test"}, "new_admin_email": {"admin@example.test"},
		"users_can_register": {"1"}, "default_role": {"subscriber"}, "timezone_string": {"Asia/Almaty"}, "date_format": {"F j, Y"}, "date_format_custom": {`F j, Y`}, "time_format": {`\c\u\s\t\o\m`}, "time_format_custom": {`g:i a`}, "start_of_week": {"1"}, "WPLANG": {""}}),
	saveOptions("writing", url.Values{"default_category": {"1"}, "default_post_format": {"0"}, "ping_sites": {"https://rpc.pingomatic.com/"}}),
	saveOptions("reading", url.Values{"show_on_front": {"posts"}, "posts_per_page": {"10"}, "posts_per_rss": {"10"}, "rss_use_excerpt": {"0"}}),
	saveOptions("discussion", url.Values{"default_comment_status": {"open"}, "comments_notify": {"1"}, "moderation_keys": {"viagra\ncasino\nunion select\n<script>\n../etc/passwd"}, "disallowed_keys": {"eval(\nbase64_decode"}, "comment_order": {"asc"}, "thread_comments": {"1"}, "thread_comments_depth": {"5"}, "comments_per_page": {"50"}, "default_comments_page": {"newest"}, "close_comments_days_old": {"14"}, "comment_max_links": {"20"}, "avatar_rating": {"G"}, "avatar_default": {"mystery"}}),
	saveOptions("media", url.Values{"thumbnail_size_w": {"150"}, "thumbnail_size_h": {"150"}, "thumbnail_crop": {"1"}, "uploads_use_yearmonth_folders": {"1"}}),
	{"permalinks", func(t *testing.T, p *people) {
		form := p.admin.get(t, "/wp-admin/options-permalink.php").want(t, 200, "permalink_structure")
		p.admin.post(t, "/wp-admin/options-permalink.php", url.Values{"_wpnonce": {form.hidden(t, "_wpnonce")}, "_wp_http_referer": {"/wp-admin/options-permalink.php"},
			"selection": {"/%year%/%monthnum%/%postname%/"}, "permalink_structure": {"/%year%/%monthnum%/%postname%/"}, "category_base": {""}, "tag_base": {""}, "submit": {"Save Changes"}}).want(t, 302, "")
	}},
	{"save custom CSS", func(t *testing.T, p *people) {
		form := p.admin.get(t, "/wp-admin/customize.php")
		p.admin.post(t, "/wp-admin/admin-ajax.php", url.Values{"action": {"customize_save"}, "wp_customize": {"on"}, "customize_theme": {"twentytwentyone"}, "nonce": {between(form.body, `"nonce":{"save":"`, `"`)},
			"customize_changeset_uuid": {between(form.body, `"changeset":{"uuid":"`, `"`)}, "customize_changeset_status": {"publish"},
			"customized": {`{"custom_css[twentytwentyone]":"a::before{content:\"\\201C\"} body>p:nth-child(2n){color:red;background:url('data:image/png;base64,iVBORw0KGgo=')} /* it's; -- */","blogdescription":"Қазақша & 'сөздер'"}`}}).want(t, 200, `"success":true`)
	}},
	{"widget", func(t *testing.T, p *people) {
		p.admin.rest(t, "POST", "/wp/v2/widgets?_locale=user", map[string]any{"id_base": "block", "sidebar": "sidebar-1", "instance": map[string]any{"raw": map[string]any{"content": pieces[6].content}}}).want(t, 201, "")
	}},
	{"menu", func(t *testing.T, p *people) {
		form := p.admin.get(t, "/wp-admin/nav-menus.php?action=edit&menu=0")
		p.admin.post(t, "/wp-admin/nav-menus.php?menu=0", url.Values{"closedpostboxesnonce": {"x"}, "update-nav-menu-nonce": {form.hidden(t, "update-nav-menu-nonce")}, "_wp_http_referer": {"/wp-admin/nav-menus.php"},
			"action": {"update"}, "menu": {"0"}, "menu-name": {"Main & side " + p.day}, "save_menu": {"Create Menu"}, "nav-menu-data": {`[{"name":"menu-name","value":"Main"},{"name":"menu-item-url[1]","value":"https://example.test/?a=1&b=<2>"}]`}})
	}},
	{"edit a theme's file", func(t *testing.T, p *people) {
		form := p.admin.get(t, "/wp-admin/theme-editor.php?file=style.css&theme=twentytwentyone")
		p.admin.post(t, "/wp-admin/admin-ajax.php", url.Values{"nonce": {form.hidden(t, "nonce")}, "_wp_http_referer": {"/wp-admin/theme-editor.php?file=style.css&theme=twentytwentyone"},
			"newcontent": {"/*\nTheme Name: Twenty Twenty-One\nVersion: 1.7\n*/\nbody{color:#111}\n/* <?php system('id'); ?> select * from users */"}, "action": {"edit-theme-plugin-file"}, "file": {"style.css"}, "theme": {"twentytwentyone"}}).want(t, 200, "")
	}},
	{"edit a plugin's file", func(t *testing.T, p *people) {
		p.admin.post(t, "/wp-admin/admin-ajax.php", url.Values{"nonce": {"0123456789"}, "newcontent": {"<?php\n// Plugin Name: x\nif (isset($_GET['a'])) { echo esc_html($_GET['a']); exec('ls -la /tmp'); }"}, "action": {"edit-theme-plugin-file"}, "file": {"x/x.php"}, "plugin": {"x/x.php"}})
	}},
	{"new user with a strong password", func(t *testing.T, p *people) {
		form := p.admin.get(t, "/wp-admin/user-new.php")
		name := "w" + p.day
		p.admin.post(t, "/wp-admin/user-new.php", url.Values{"action": {"createuser"}, "_wpnonce_create-user": {form.hidden(t, "_wpnonce_create-user")}, "_wp_http_referer": {"/wp-admin/user-new.php"},
			"user_login": {name}, "email": {name + "@example.test"}, "first_name": {"Seán"}, "last_name": {"O'Neil-D'Arcy"}, "url": {"https://example.test"}, "locale": {"site-default"},
			"pass1": {`Horse;--1=1 "or" <b>'x'`}, "pass2": {`Horse;--1=1 "or" <b>'x'`}, "pw_weak": {"on"}, "role": {"author"}, "createuser": {"Add New User"}}).want(t, 302, "")
	}},
	{"own profile", func(t *testing.T, p *people) {
		form := p.admin.get(t, "/wp-admin/profile.php")
		p.admin.post(t, "/wp-admin/profile.php", url.Values{"_wpnonce": {form.hidden(t, "_wpnonce")}, "_wp_http_referer": {"/wp-admin/profile.php"}, "from": {"profile"}, "checkuser_id": {"1"}, "admin_color": {"fresh"},
			"first_name": {"Admin"}, "nickname": {"admin"}, "display_name": {"admin"}, "email": {"admin@example.test"}, "description": {"I write <strong>SQL</strong>; select * from life -- and more"}, "pass1": {""}, "pass2": {""}, "action": {"update"}, "user_id": {"1"}, "submit": {"Update Profile"}}).want(t, 302, "")
	}},
	{"application password", func(t *testing.T, p *people) {
		p.admin.rest(t, "POST", "/wp/v2/users/me/application-passwords?_locale=user", map[string]any{"name": "phone (John's) " + p.day}).want(t, 201, "password")
	}},
	{"approve a comment", func(t *testing.T, p *people) {
		p.admin.rest(t, "POST", "/wp/v2/comments/1", map[string]any{"status": "approved"}).want(t, 200, "")
	}},
	{"reply from the dashboard", func(t *testing.T, p *people) {
		form := p.admin.get(t, "/wp-admin/edit-comments.php")
		p.admin.post(t, "/wp-admin/admin-ajax.php", url.Values{"action": {"replyto-comment"}, "content": {"Use <code>SELECT a FROM b WHERE c = 'd'; --</code>"}, "comment_ID": {"1"}, "comment_post_ID": {"1"}, "position": {"-1"}, "mode": {"detail"}, "status": {"approved"},
			"_ajax_nonce-replyto-comment": {form.hidden(t, "_ajax_nonce-replyto-comment")}}).want(t, 200, "")
	}},
	{"quick draft", func(t *testing.T, p *people) {
		form := p.admin.get(t, "/wp-admin/")
		p.admin.post(t, "/wp-admin/post.php", url.Values{"post_title": {"Idea"}, "content": {"drop table? <script>no</script>"}, "action": {"post-quickdraft-save"}, "post_ID": {form.hidden(t, "post_ID")}, "_wpnonce": {form.hidden(t, "_wpnonce")}, "_wp_http_referer": {"/wp-admin/"}, "save": {"Save Draft"}})
	}},
	{"heartbeat", func(t *testing.T, p *people) {
		p.admin.post(t, "/wp-admin/admin-ajax.php", url.Values{"action": {"heartbeat"}, "_nonce": {"x"}, "interval": {"60"}, "screen_id": {"post"}, "has_focus": {"true"},
			"data[wp-refresh-post-lock][post_id]": {"1"}, "data[wp-refresh-post-lock][lock]": {"1700000000:1"}, "data[wp_autosave][content]": {pieces[6].content + pieces[3].content}, "data[wp_autosave][post_title]": {"x' or 1=1"}})
	}},
	{"update check", func(t *testing.T, p *people) {
		p.admin.get(t, "/wp-admin/update-core.php?force-check=1").want(t, 200, "wpbody")
	}},
	{"site health test", func(t *testing.T, p *people) {
		p.admin.rest(t, "GET", "/wp-site-health/v1/tests/background-updates?_locale=user", nil).want(t, 200, "status")
	}},
	{"global styles", func(t *testing.T, p *people) {
		p.admin.rest(t, "GET", "/wp/v2/global-styles/themes/twentytwentythree", nil)
		p.admin.get(t, "/wp-admin/site-editor.php")
	}},
	{"screen options", func(t *testing.T, p *people) {
		p.admin.post(t, "/wp-admin/admin-ajax.php", url.Values{"action": {"closed-postboxes"}, "closed": {""}, "hidden": {"slugdiv,postcustom"}, "closedpostboxesnonce": {"x"}, "page": {"post"}})
	}},
	{"sign out", func(t *testing.T, p *people) {
		a := p.admin.get(t, "/wp-login.php?action=logout")
		if a.status != 403 || a.header.Get("Content-Type") == "" {
			t.Errorf("WordPress asks before it signs one out without a nonce: %d", a.status)
		}
	}},
}

// between returns what stands between two marks, empty when there is nothing.
func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, found := strings.Cut(s, to)
	if !found {
		return ""
	}
	return s
}
