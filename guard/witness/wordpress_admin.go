package witness

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/guard/peek"
)

// lookAtAdmin is how much of an admin page is looked at: the menu, which tells
// what the user may do, ends well before that on a site full of plugins.
const lookAtAdmin = 96 << 10

// proofFor is how many seconds a proof is taken as fresh, so that not every
// page has to be looked at.
const proofFor = 60

// adminMark opens every page of the admin area (wp-admin/admin-header.php); its
// script names the screen a few lines further down.
const adminMark = `<html class="wp-toolbar"`

// The menu of the admin area holds only what the user may open. On these two
// screens, open to any member, the menu is the proof.
const (
	postsInMenu    = `<a href='edit.php'`
	settingsInMenu = `<a href='options-general.php'`
)

// adminRank says what the screens of wp-admin prove (wp-admin/menu.php and the
// capability each file asks for: edit_posts, upload_files; manage_options,
// edit_theme_options, activate_plugins, edit_plugins, create_users).
var adminRank = map[string]exchange.Rank{
	"index":   exchange.Member,
	"profile": exchange.Member,

	"edit":          exchange.Author,
	"post-new":      exchange.Author,
	"post":          exchange.Author,
	"upload":        exchange.Author,
	"media-new":     exchange.Author,
	"edit-comments": exchange.Author,

	"options-general":    exchange.Admin,
	"options-writing":    exchange.Admin,
	"options-reading":    exchange.Admin,
	"options-discussion": exchange.Admin,
	"options-media":      exchange.Admin,
	"options-permalink":  exchange.Admin,
	"plugins":            exchange.Admin,
	"plugin-install":     exchange.Admin,
	"plugin-editor":      exchange.Admin,
	"themes":             exchange.Admin,
	"theme-install":      exchange.Admin,
	"theme-editor":       exchange.Admin,
	"widgets":            exchange.Admin,
	"nav-menus":          exchange.Admin,
	"site-editor":        exchange.Admin,
	"user-new":           exchange.Admin,
}

// adminScreen returns the name of the admin screen at path: "edit" for
// /blog/wp-admin/edit.php. A path that runs another script first names none.
func adminScreen(path string) string {
	i := strings.LastIndex(path, "/wp-admin/")
	if i < 0 || strings.Contains(path[:i], ".php") || strings.Contains(path[:i], "%") {
		return ""
	}
	name := path[i+len("/wp-admin/"):]
	if name == "" {
		return "index"
	}
	name, ok := strings.CutSuffix(name, ".php")
	if !ok || strings.ContainsAny(name, "/%") {
		return ""
	}
	return name
}

// adminAnswer reads the head of an answer from the admin area.
func (c wordpress) adminAnswer(g *sighting, status int, h http.Header) int {
	i := strings.Index(g.q.path, "/wp-admin/")
	if i < 0 || g.b.admin == "" {
		return 0
	}
	switch status {
	case http.StatusFound:
		// The session is no longer good: WordPress asks for the password again.
		if to := h.Get("Location"); g.known && strings.Contains(to, "/wp-login.php") && strings.Contains(to, "reauth=1") {
			c.forget(g, "session no longer accepted")
		}
		return 0
	case http.StatusForbidden:
		// What it may do no longer includes this screen.
		if rank := adminRank[adminScreen(g.q.path)]; g.known && g.q.r.Method == http.MethodGet && rank > exchange.Member && rank <= g.session.Rank {
			g.w.book.update(g.session.Key, func(s *Session) { s.Rank = min(s.Rank, rank-1) })
			g.w.tell(g, "session lowered", rank-1)
		}
		return 0
	case http.StatusOK:
	default:
		return 0
	}
	if strings.HasSuffix(g.q.path, "/wp-admin/admin-ajax.php") {
		return c.ajaxAnswer(g, h)
	}
	rank, ok := adminRank[adminScreen(g.q.path)]
	if !ok || g.q.r.Method != http.MethodGet || !isHTML(h) || !fresh(h) || !c.complete(g, g.q.path[:i+1]) {
		return 0
	}
	if rank == exchange.Member {
		rank = exchange.Admin // the most that the menu can prove
	}
	if g.known && g.session.Rank >= rank && g.w.now().Unix()-g.session.Proved < proofFor {
		return 0 // nothing new to learn
	}
	g.encoding = h.Get("Content-Encoding")
	return lookAtAdmin
}

func (c wordpress) body(g *sighting, raw []byte) {
	page := peek.Plain(g.encoding, raw, lookAtAdmin)
	if strings.HasSuffix(g.q.path, "/wp-admin/admin-ajax.php") {
		c.ajaxBody(g, page)
		return
	}
	if rank := screenRank(adminScreen(g.q.path), page); rank > exchange.Visitor {
		g.raise(rank)
	}
}

// screenRank returns the rank that a page proves if it is that admin screen.
func screenRank(name string, page []byte) exchange.Rank {
	if !bytes.Contains(page[:min(len(page), 512)], []byte(adminMark)) || !bytes.Contains(page, []byte("adminpage = '"+name+"-php'")) {
		return exchange.Visitor
	}
	rank := adminRank[name]
	if rank == exchange.Member {
		if bytes.Contains(page, []byte(postsInMenu)) {
			rank = exchange.Author
		}
		if bytes.Contains(page, []byte(settingsInMenu)) {
			rank = exchange.Admin
		}
	}
	return rank
}
