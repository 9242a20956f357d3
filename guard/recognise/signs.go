package recognise

import (
	"bytes"
	"net/http"
	"strings"
)

// A sign is one trace that a CMS leaves in its answers. Three points recognise
// a site at first sight.
type sign struct {
	cms    string
	points int
	header string // canonical header name; empty for the page
	text   string // lower case; contained in the header's value, or in the page
	why    string // for the operator
}

const (
	sure   = 3
	likely = 2
	maybe  = 1
)

// headerSigns are sought in every line of that header, lower-cased.
var headerSigns = []sign{
	{"wordpress", sure, "Link", `rel="https://api.w.org/"`, "Link header of the REST API"},
	{"wordpress", sure, "X-Pingback", "/xmlrpc.php", "X-Pingback header"},
	{"wordpress", sure, "X-Redirect-By", "wordpress", "X-Redirect-By header"},
	{"wordpress", sure, "Set-Cookie", "wordpress_test_cookie=", "test cookie of the login page"},
	{"wordpress", sure, "Set-Cookie", "wordpress_logged_in_", "session cookie"},
	{"wordpress", likely, "Set-Cookie", "wp-settings-", "settings cookie"},
	{"wordpress", likely, "Location", "/wp-login.php", "redirect to the login page"},
	{"wordpress", likely, "Location", "/wp-admin/", "redirect into the admin area"},

	{"joomla", sure, "X-Content-Powered-By", "joomla", "X-Content-Powered-By header"},

	{"drupal", sure, "X-Generator", "drupal", "X-Generator header"},
	{"drupal", sure, "X-Drupal-Cache", "", "X-Drupal-Cache header"},
	{"drupal", sure, "X-Drupal-Dynamic-Cache", "", "X-Drupal-Dynamic-Cache header"},
	{"drupal", likely, "Expires", "sun, 19 nov 1978 05:00:00 gmt", "Drupal's birthday in Expires"},

	{"bitrix", sure, "X-Powered-Cms", "bitrix", "X-Powered-CMS header"},
	{"bitrix", sure, "Set-Cookie", "bitrix_sm_", "BITRIX_SM_ cookie"},
	{"bitrix", sure, "P3p", "/bitrix/p3p.xml", "P3P header"},
	{"bitrix", likely, "X-Bitrix-Composite", "", "composite cache header"},

	{"opencart", sure, "Set-Cookie", "ocsessid=", "OCSESSID cookie"},
}

// pageSigns are sought in the first bytes of a page, lower-cased. Quotes and
// angle brackets are escaped in what visitors write, so a sign that has them is
// the site's own.
var pageSigns = []sign{
	{"wordpress", sure, "", `name="generator" content="wordpress`, "generator of the page"},
	{"wordpress", sure, "", `rel="https://api.w.org/"`, "REST API link of the page"},
	{"wordpress", likely, "", `="/wp-content/`, "own assets in wp-content"},
	{"wordpress", likely, "", `='/wp-includes/`, "own assets in wp-includes"},
	{"wordpress", likely, "", `="/wp-includes/`, "own assets in wp-includes"},

	{"joomla", sure, "", `name="generator" content="joomla`, "generator of the page"},
	{"joomla", sure, "", `class="joomla-script-options`, "script options of the page"},
	{"joomla", likely, "", `="/media/system/js/`, "own assets in media/system"},

	{"drupal", sure, "", `name="generator" content="drupal`, "generator of the page"},
	{"drupal", likely, "", `="/sites/default/files/`, "own files in sites/default"},
	{"drupal", likely, "", `="/core/misc/`, "own assets in core/misc"},

	{"bitrix", likely, "", `="/bitrix/templates/`, "own templates"},
	{"bitrix", likely, "", `="/bitrix/cache/`, "own cached assets"},
	{"bitrix", likely, "", `="/bitrix/js/`, "own scripts"},

	{"opencart", likely, "", `="catalog/view/`, "own assets in catalog/view"},
	{"opencart", likely, "", `index.php?route=common/home"`, "link to the shop's home"},
}

// sighting is what one answer says.
type sighting struct {
	cms    string
	points int
	why    string
}

// readHead returns the best sign in a head.
func readHead(h http.Header) (best sighting) {
	for i := range headerSigns {
		s := &headerSigns[i]
		if s.points <= best.points {
			continue
		}
		for _, v := range h[s.header] {
			if strings.Contains(strings.ToLower(v), s.text) {
				best = sighting{s.cms, s.points, s.why}
				break
			}
		}
	}
	return best
}

// readPage returns the best sign in the first bytes of a page, and nothing
// where two CMSs are equally well in sight.
func readPage(page []byte) (best sighting) {
	page = bytes.ToLower(page)
	tie := ""
	for i := range pageSigns {
		s := &pageSigns[i]
		if s.points < best.points || !bytes.Contains(page, []byte(s.text)) {
			continue
		}
		if s.points == best.points && s.cms != best.cms {
			tie = s.cms
			continue
		}
		if s.points > best.points {
			best, tie = sighting{s.cms, s.points, s.why}, ""
		}
	}
	if tie != "" {
		return sighting{}
	}
	return best
}
