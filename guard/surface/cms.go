package surface

import "strings"

// files is what one CMS answers on. Paths are from the CMS's own root.
type files struct {
	open   map[string]bool // exact paths
	below  bool            // the CMS may live below the site's root, where its front door shows
	front  []string        // files that may stand in one folder of any name
	shut   []string        // where open is nil: the only folders in which PHP is shut
	public []endpoint      // files of extensions that visitors ask for directly
}

// endpoint is a file outside the CMS proper that visitors' browsers or other
// services ask for, and why. Each is in the extension's own code or pages.
type endpoint struct{ path, why string }

var cms = map[string]files{
	"wordpress": {
		below: true,
		open: set("/", `index wp-login wp-comments-post wp-cron xmlrpc wp-signup wp-activate wp-trackback wp-mail wp-links-opml`).
			add("/wp-admin/", `about admin-ajax admin-post admin async-upload authorize-application comment contribute credits
				custom-background custom-header customize edit-comments edit-tags edit erase-personal-data export-personal-data
				export font-library freedoms import index link-add link-manager link-parse-opml link load-scripts load-styles
				media-new media-upload media moderation ms-admin ms-delete-site ms-edit ms-options ms-sites ms-themes
				ms-upgrade-network ms-users my-sites nav-menus network options-connectors options-discussion options-general
				options-media options-permalink options-privacy options-reading options-writing options plugin-editor
				plugin-install plugins post-new post press-this privacy-policy-guide privacy profile revision site-editor
				site-health-info site-health term theme-editor theme-install themes tools update-core update upgrade upload
				user-edit user-new users widgets install setup-config maint/repair`).
			add("/wp-admin/network/", `about admin contribute credits edit freedoms index plugin-editor plugin-install plugins
				privacy profile settings setup site-info site-new site-settings site-themes site-users sites theme-editor
				theme-install themes update-core update upgrade user-edit user-new users`).
			add("/wp-admin/user/", `about admin contribute credits freedoms index privacy profile user-edit`).
			add("/wp-includes/", `js/tinymce/wp-tinymce ms-files`),
		public: []endpoint{
			{"/wp-content/plugins/litespeed-cache/guest.vary.php", "LiteSpeed Cache: first page view in guest mode"},
			{"/wp-content/plugins/matomo/app/matomo.php", "Matomo Analytics: page views"},
			{"/wp-content/plugins/matomo/app/piwik.php", "Matomo Analytics: page views, older tracker"},
			{"/wp-content/plugins/wp-piwik/proxy/matomo.php", "Connect Matomo: page views through the proxy script"},
			{"/wp-content/plugins/wp-piwik/proxy/piwik.php", "Connect Matomo: page views, older tracker"},
			{"/koko-analytics-collect.php", "Koko Analytics: page views"},
			{"/wp-content/plugins/burst-statistics/endpoint.php", "Burst Statistics: page views"},
			{"/wp-content/plugins/burst-pro/endpoint.php", "Burst Pro: page views"},
			{"/burst-statistics-endpoint.php", "Burst Statistics: page views"},
			{"/wp-content/plugins/ajax-search-pro/ajax_search.php", "Ajax Search Pro: suggestions while typing"},
			{"/wp-content/plugins/ajax-search-for-woocommerce-premium/includes/Engines/TNTSearchMySQL/Endpoints/search.php", "FiboSearch: suggestions while typing"},
			{"/wp-content/plugins/w3-total-cache/pub/sns.php", "W3 Total Cache: purge messages of Amazon SNS"},
			{"/wp-content/plugins/si-captcha-for-wordpress/captcha/securimage_show.php", "SI Captcha: the picture"},
		},
	},
	"joomla": {
		open: set("/", `index`).add("/administrator/", `index`).add("/api/", `index`),
	},
	"drupal": {
		open: set("/", `index update cron xmlrpc authorize install`).add("/core/", `authorize install rebuild`),
		public: []endpoint{
			{"/core/modules/statistics/statistics.php", "Statistics: page views"},
			{"/modules/statistics/statistics.php", "Statistics of Drupal 7: page views"},
		},
	},
	"opencart": {
		open:  set("/", `index`),
		front: []string{"index.php"}, // the admin area, whose folder the owner renames
		public: []endpoint{
			{"/export/exchange1c.php", "exchange with 1C"},
		},
	},
	// A Bitrix site's own pages are PHP files that its owner makes, so that
	// only the folders which never hold one are shut.
	"bitrix": {
		shut: []string{
			"/upload/", "/bitrix/cache/", "/bitrix/managed_cache/", "/bitrix/stack_cache/", "/bitrix/html_pages/",
			"/bitrix/tmp/", "/bitrix/backup/", "/bitrix/updates/", "/bitrix/php_interface/", "/bitrix/modules/",
			"/bitrix/images/", "/bitrix/fonts/", "/bitrix/sounds/", "/bitrix/css/", "/local/modules/", "/local/php_interface/",
		},
	},
}

// names is a set of paths.
type names map[string]bool

// set returns the paths of files named in list, without their .php, in folder.
func set(folder, list string) names { return names{}.add(folder, list) }

func (n names) add(folder, list string) names {
	for _, f := range strings.Fields(list) {
		n[folder+f+".php"] = true
	}
	return n
}

// answers reports whether the CMS whose root is base answers on script.
func (f *files) answers(script, base string) bool {
	if f.open == nil {
		low := strings.ToLower(script)
		for _, folder := range f.shut {
			if strings.HasPrefix(low, folder) {
				return false
			}
		}
		return true
	}
	rest, ok := strings.CutPrefix(script, base)
	if !ok {
		return false
	}
	if f.open[rest] {
		return true
	}
	for _, name := range f.front {
		folder, isFront := strings.CutSuffix(rest, "/"+name)
		if isFront && strings.Count(folder, "/") == 1 && !reserved[strings.ToLower(folder)] {
			return true
		}
	}
	for i := range f.public {
		if f.public[i].path == rest {
			return true
		}
	}
	return false
}

// reserved are folders that hold what is uploaded or made, never a front door.
var reserved = map[string]bool{
	"/image": true, "/images": true, "/img": true, "/upload": true, "/uploads": true, "/files": true, "/download": true,
	"/downloads": true, "/cache": true, "/tmp": true, "/temp": true, "/system": true, "/storage": true, "/catalog": true,
	"/media": true, "/assets": true, "/css": true, "/js": true, "/.well-known": true, "/cgi-bin": true, "/vendor": true,
	"/backup": true, "/backups": true, "/logs": true,
}
