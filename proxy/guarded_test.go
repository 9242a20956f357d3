package proxy

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

var wordpressAdmin = newGuarded([]string{"/wp-admin", "/wp-login.php", "*/secret"}, []string{"/wp-admin/admin-ajax.php"})

// TestGuardedPaths: every spelling that a server, PHP or a file system may read
// as a guarded path is guarded, and what only looks like one is not.
func TestGuardedPaths(t *testing.T) {
	for _, p := range []string{
		"/wp-admin", "/wp-admin/", "/wp-admin/index.php", "/wp-admin/admin-ajax.php/", "/wp-login.php", "/wp-login.php/x/y.css",
		"//wp-admin//", "/./wp-admin/", "/a/../wp-admin/", "/a/b/../../wp-login.php", "/../wp-admin", "/wp-admin/../wp-admin/x",
		"/wp-admin/./admin-ajax.php", "/a/../wp-admin/admin-ajax.php",
		"/%77p-admin/", "/wp%2dadmin/", "/wp-admin%2findex.php", "/%2e%2e/wp-admin", "/a%2f..%2fwp-login.php", "/%2577p-admin/", "/%252577p-admin",
		"/wp-admin%5cindex.php", `/a\..\wp-admin`, "/WP-ADMIN/", "/Wp-Login.PHP", "/wp-adm%C4%B1n/x/../../wp-admin/",
		"/wp-admin;a=b/index.php", "/wp-admin%3ba/index.php", "/;x/wp-admin", "/wp-login.php;.css", "/wp-login.php%00.css", "/wp-login.php.", "/wp-login.php%20", "/wp-login.php::$DATA",
		"/wp-admin/../", "/wp-login.php/../../index.php", "/wp-login.php/..:/x", "/wp-login.php;x/..:/y", "/wp-login.php/..%00/x", "/x/..%20/wp-admin", "/x/..;/wp-admin",
		"/wp-login.php%2f", "/wp-admin%2f..%2fwp-admin", "/blog/secret", "/secret/x", "/a/b/%73ecret/", "/\u017fecret",
	} {
		if !wordpressAdmin.has(p) {
			t.Errorf("%q is open", p)
		}
	}
	for _, p := range []string{
		"/", "", "*", "/wp-admin/admin-ajax.php", "/wp-administrator", "/wp-admin.css", "/wp-login.phpx", "/blog/wp-admin/", "/wp-content/wp-admin", "/secrets", "/a-secret", "/x?/wp-admin", "/%", "/%zz",
	} {
		if wordpressAdmin.has(p) {
			t.Errorf("%q is shut", p)
		}
	}
	below := newGuarded([]string{"/blog/wp-admin"}, nil)
	for _, p := range []string{"/blog/wp-admin", "/blog/..:/../wp-admin", "/x/../blog//wp-admin/", "/blog/x/../wp-admin"} {
		if !below.has(p) {
			t.Errorf("%q is open", p)
		}
	}
	whole := newGuarded([]string{"/"}, []string{"/robots.txt"})
	if !whole.has("/") || !whole.has("/x") || !whole.has("*") || whole.has("/robots.txt") || !whole.has("/robots.txt/") {
		t.Error("the whole site is not guarded")
	}
}

// FuzzGuarded: whatever the standard library makes of a path, decoded up to
// twice and cleaned, is guarded if that is.
func FuzzGuarded(f *testing.F) {
	for _, p := range []string{"/wp-admin/", "/a/../wp-admin", "/%77p-admin", "/%2577p-login.php", "//wp-admin;x", "/wp-admin/admin-ajax.php"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if !strings.HasPrefix(p, "/") || p == "/wp-admin/admin-ajax.php" {
			return
		}
		for seen, again := p, 0; again < 3; again++ {
			clean := path.Clean(seen)
			if (clean == "/wp-admin" || strings.HasPrefix(clean, "/wp-admin/") || strings.HasPrefix(clean+"/", "/wp-login.php/")) && !wordpressAdmin.has(p) {
				t.Fatalf("%q is open, and may be read as %q", p, clean)
			}
			next, err := url.PathUnescape(seen)
			if err != nil {
				return
			}
			seen = next
		}
	})
}
