package witness

import (
	"net/http"
	"strings"

	"github.com/qorgan/qorgan/exchange"
)

// newDrupal reads Drupal 7 to 11. Its session cookie is SESS or SSESS and 32
// hexadecimal digits. Forms that any member may be given (node/add, his own
// node/N/edit) prove an author only under the administration's toolbar.
func newDrupal() *opaque {
	return &opaque{
		profile: "drupal",
		cookie: func(name string) bool {
			return strings.HasPrefix(name, "SESS") && isHex(name[4:], 32) || strings.HasPrefix(name, "SSESS") && isHex(name[5:], 32)
		},
		ends: []string{"/user/logout"},
		place: func(path, query string) exchange.Rank {
			if !drupalQuery(query) {
				return exchange.Visitor
			}
			p := withoutLanguage(strings.TrimSuffix(path, "/"))
			switch p {
			case "/admin/config", "/admin/modules", "/admin/people/permissions", "/admin/structure", "/admin/appearance":
				return exchange.Admin
			case "/admin/content", "/node/add", "/admin":
				return exchange.Author
			}
			if strings.HasPrefix(p, "/node/") && (strings.HasSuffix(p, "/edit") || strings.HasPrefix(p, "/node/add/")) {
				return exchange.Author
			}
			return exchange.Visitor
		},
		shown: func(rank exchange.Rank, h http.Header, page []byte) exchange.Rank {
			isDrupal := strings.Contains(h.Get("X-Generator"), "Drupal") || h.Get("X-Drupal-Dynamic-Cache") != "" ||
				containsAny(page, []string{`name="Generator" content="Drupal`, `name="generator" content="Drupal`})
			if !isDrupal || !containsAny(page, drupalToolbar) {
				return exchange.Visitor
			}
			return rank
		},
		asks: []string{`id="user-login-form"`, `id="user-login"`},
	}
}

// withoutLanguage takes a language's prefix off a path: /ru, /kaz, /pt-br.
func withoutLanguage(p string) string {
	first, _, ok := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	if ok && strings.Trim(first, "abcdefghijklmnopqrstuvwxyz-") == "" && (len(first) == 2 || len(first) == 3 || strings.IndexByte(first, '-') == 2) {
		return p[1+len(first):]
	}
	return p
}

// drupalToolbar opens the administration's toolbar: core's of 8 and later, the
// navigation of 10.3 and later, core's of 7, and the module admin_menu's.
var drupalToolbar = []string{`<div id="toolbar-administration"`, `id="admin-toolbar"`, `<div id="toolbar" class="toolbar`, `<div id="admin-menu"`}

// drupalQuery reports whether a query leaves the page as the path has it: q
// replaces the path in Drupal 7, and _format and its kin the page.
func drupalQuery(query string) bool {
	for rest := query; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		name, _, _ := strings.Cut(pair, "=")
		switch name {
		case "page", "order", "sort", "title", "type", "status", "langcode", "destination", "check_logged_in":
		default:
			return false
		}
	}
	return true
}
