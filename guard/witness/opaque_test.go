package witness

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/exchange"
)

// The pages below are shaped after the templates of each CMS, not recorded:
// these CMSs were not at hand to answer for themselves.
func TestOpaqueSessionsAreKnownByTheirScreens(t *testing.T) {
	const (
		joomlaCookie = "0123456789abcdef0123456789abcdef=k3j5h6g7f8d9s0a1q2w3e4r5t6; fedcba9876543210fedcba9876543210=zxcvbnmasdfghjklqwertyuiop"
		drupalCookie = "SSESS0123456789abcdef0123456789abcdef=hM0x%2CabcDEF-123456789"
		bitrixCookie = "BITRIX_SM_LOGIN=admin; PHPSESSID=4f8c1d2e3a5b6c7d8e9f0a1b2c3d4e5f"
		shopCookie   = "language=ru-ru; OCSESSID=0123456789abcdef0123456789"
		drupalTop    = `<!DOCTYPE html><html><head><meta name="Generator" content="Drupal 10 (https://www.drupal.org)" /></head><body>`
		toolbar      = `<div id="toolbar-administration" role="group" class="toolbar">`
		frame        = `<body id="bx-admin-prefix"><table class="adm-main-wrap"><tr>`
		shop         = `<nav id="column-left"><form action="x" method="post" id="form-product">`
	)
	for _, tc := range []struct {
		name, profile, cookie, target, page string
		want                                exchange.Rank
	}{
		{"dashboard", "joomla", joomlaCookie, "/administrator/index.php", `<body class="admin com_cpanel view-cpanel layout-default">`, exchange.Author},
		{"articles of Joomla 3", "joomla", joomlaCookie, "/administrator/index.php?option=com_content", `<body class="admin com_content view-articles layout- task- itemid-">`, exchange.Author},
		{"global configuration", "joomla", joomlaCookie, "/administrator/index.php?option=com_config", `<body class="admin com_config view-application">`, exchange.Admin},
		{"login form", "joomla", joomlaCookie, "/administrator/index.php", `<body class="site com_login view-login layout-default">`, 0},
		{"login form of Joomla 4", "joomla", joomlaCookie, "/administrator/index.php", `<body class="admin com_login view-login layout-default">`, 0},
		{"public page", "joomla", joomlaCookie, "/index.php?option=com_content", `<body class="admin com_content">`, 0},
		{"no session cookie", "joomla", "lang=ru", "/administrator/index.php", `<body class="admin com_cpanel">`, 0},
		{"content", "drupal", drupalCookie, "/admin/content", drupalTop + toolbar, exchange.Author},
		{"new article", "drupal", drupalCookie, "/ru/node/add/article", drupalTop + toolbar, exchange.Author},
		{"modules", "drupal", drupalCookie, "/admin/modules", drupalTop + toolbar, exchange.Admin},
		{"member's own topic", "drupal", drupalCookie, "/node/7/edit", drupalTop + `<form class="node-form">`, 0},
		{"path replaced in the query", "drupal", drupalCookie, "/admin/content?q=user", drupalTop + toolbar, 0},
		{"another site's words", "drupal", drupalCookie, "/admin/content", toolbar, 0},
		{"public page", "drupal", drupalCookie, "/blog/admin/content", drupalTop + toolbar, 0},
		{"element", "bitrix", bitrixCookie, "/bitrix/admin/iblock_element_edit.php?IBLOCK_ID=1", frame, exchange.Author},
		{"settings", "bitrix", bitrixCookie, "/bitrix/admin/settings.php?lang=ru", frame, exchange.Admin},
		{"login form", "bitrix", bitrixCookie, "/bitrix/admin/", `<body id="bx-admin-prefix"><div class="login-main-wrapper"><form name="form_auth">`, 0},
		{"denied", "bitrix", bitrixCookie, "/bitrix/admin/settings.php", frame + `<form name="form_auth" method="post">`, 0},
		{"public page", "bitrix", bitrixCookie, "/about/index.php", frame, 0},
		{"product", "opencart", shopCookie, "/admin/index.php?route=catalog/product&user_token=0123456789abcdef0123456789abcdef", shop, exchange.Author},
		{"settings", "opencart", shopCookie, "/office/index.php?route=setting/setting&user_token=0123456789abcdef0123456789abcdef", shop, exchange.Admin},
		{"denied", "opencart", shopCookie, "/admin/index.php?route=catalog/product&user_token=0123456789abcdef0123456789abcdef", `<nav id="column-left">Permission Denied!`, 0},
		{"without a token", "opencart", shopCookie, "/admin/index.php?route=catalog/product", shop, 0},
		{"two routes", "opencart", shopCookie, "/admin/index.php?route=catalog/product&route=common/login&user_token=0123456789abcdef0123456789abcdef", shop, 0},
	} {
		t.Run(tc.profile+" "+tc.name, func(t *testing.T) {
			w := newWitness(t, "", nil)
			defer w.Close()
			site := "a"
			send := func(method, target, cookie, page, fetch string, status int) exchange.Rank {
				x := &exchange.Exchange{Site: &config.Site{Name: site}, Profile: tc.profile, Target: target}
				r := httptest.NewRequest(method, "http://a/", nil)
				r.Header.Set("Cookie", cookie)
				r.Header.Set("Sec-Fetch-Site", fetch)
				w.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "text/html; charset=utf-8")
					w.WriteHeader(status)
					_, _ = io.WriteString(w, page)
				})).ServeHTTP(httptest.NewRecorder(), r.WithContext(exchange.With(r.Context(), x)))
				return x.Rank
			}
			for _, status := range []int{403, 302, 404} {
				send("GET", tc.target, tc.cookie, tc.page, "none", status)
			}
			send("POST", tc.target, tc.cookie, tc.page, "none", 200)
			if got := send("POST", tc.target, tc.cookie, tc.page, "same-origin", 200); got != 0 {
				t.Errorf("rank %q without a screen", got)
			}
			send("GET", tc.target, tc.cookie, tc.page, "none", 200)
			if got := send("POST", tc.target, tc.cookie, "", "same-origin", 303); got != tc.want {
				t.Errorf("rank %q, want %q", got, tc.want)
			}
			if got := send("POST", tc.target, tc.cookie, "", "cross-site", 303); got != 0 {
				t.Errorf("rank %q for another site's form", got)
			}
			if got := send("POST", tc.target, tc.cookie+"0", "", "same-origin", 303); got != 0 {
				t.Errorf("rank %q for another cookie", got)
			}
			site = "b"
			if got := send("POST", tc.target, tc.cookie, "", "same-origin", 303); got != 0 {
				t.Errorf("rank %q on another site", got)
			}
			site = "a"
			logout := map[string]string{"joomla": "/administrator/index.php?option=com_login&task=logout", "drupal": "/user/logout", "bitrix": "/?logout=yes", "opencart": "/admin/index.php?route=common/logout&user_token=0"}
			send("GET", logout[tc.profile], tc.cookie, "", "none", 303)
			if got := send("POST", tc.target, tc.cookie, "", "same-origin", 303); got != 0 {
				t.Errorf("rank %q after logout", got)
			}
		})
	}
}

// TestOpaqueSessionEndsWhenThePasswordIsAsked: a session that the CMS no longer
// knows, whatever ended it (a new password, a time that ran out, another place),
// is answered with the form of the login.
func TestOpaqueSessionEndsWhenThePasswordIsAsked(t *testing.T) {
	const token = "&user_token=0123456789abcdef0123456789abcdef"
	for _, tc := range []struct{ name, profile, cookie, target, screen, form string }{
		{"Joomla 3", "joomla", "0123456789abcdef0123456789abcdef=k3j5h6g7f8d9s0a1q2w3e4r5t6", "/administrator/index.php", `<body class="admin com_cpanel view-cpanel">`, `<body class="site com_login view-login layout-default">`},
		{"Joomla 4", "joomla", "0123456789abcdef0123456789abcdef=k3j5h6g7f8d9s0a1q2w3e4r5t6", "/administrator/index.php", `<body class="admin com_cpanel view-cpanel">`, `<body class="admin com_login view-login layout-default">`},
		{"Drupal", "drupal", "SSESS0123456789abcdef0123456789abcdef=hM0x%2CabcDEF-123456789", "/admin/content", `<head><meta name="Generator" content="Drupal 10" /></head><div id="toolbar-administration">`, `<form class="user-login-form" id="user-login-form">`},
		{"1C-Bitrix", "bitrix", "PHPSESSID=4f8c1d2e3a5b6c7d8e9f0a1b2c3d4e5f", "/bitrix/admin/settings.php", `<table class="adm-main-wrap">`, `<form name="form_auth" method="post" target="_top">`},
		{"OpenCart 3", "opencart", "OCSESSID=0123456789abcdef0123456789", "/admin/index.php?route=catalog/product" + token, `<nav id="column-left"><form id="form-product">`, `<form action="https://a/admin/index.php?route=common/login" method="post">`},
		{"OpenCart 4", "opencart", "OCSESSID=0123456789abcdef0123456789", "/admin/index.php?route=catalog/product" + token, `<nav id="column-left"><form id="form-product">`, `<form id="form-login" action="https://a/admin/index.php?route=common/login.login&amp;login_token=0" method="post">`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWitness(t, "", nil)
			defer w.Close()
			rank := func(method, page string, status int) exchange.Rank {
				x := &exchange.Exchange{Site: &config.Site{Name: "a"}, Profile: tc.profile, Target: tc.target}
				r := httptest.NewRequest(method, "http://a/", nil)
				r.Header.Set("Cookie", tc.cookie)
				r.Header.Set("Sec-Fetch-Site", "same-origin")
				w.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "text/html; charset=utf-8")
					w.WriteHeader(status)
					_, _ = io.WriteString(w, page)
				})).ServeHTTP(httptest.NewRecorder(), r.WithContext(exchange.With(r.Context(), x)))
				return x.Rank
			}
			rank("GET", tc.screen, 200)
			if got := rank("POST", "", 303); got < exchange.Author {
				t.Errorf("rank %q after the screen", got)
			}
			rank("GET", tc.form, 200)
			if got := rank("POST", "", 303); got != 0 {
				t.Errorf("rank %q after the form of the login", got)
			}
		})
	}
}
