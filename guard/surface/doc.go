// Package surface keeps the PHP files shut that nobody asks for directly. A CMS
// answers on a handful of them; anything else that ends in .php and is asked
// for by a visitor is a web shell, a plugin's innards or a search for one.
//
// What is open: the files the CMS itself answers on, endpoints of well-known
// plugins, what the owner lists (surface: allow), and what the site's own public
// pages load, once a witnessed author's browser has loaded it from there. A
// witnessed author is never refused; the first time an unlisted file answers
// 200 to anyone is an event of its own.
//
// It does not look at files that are not PHP, and costs them one scan of the
// path. A [Lock] is safe for concurrent use and owns no goroutine; its owner calls
// Save now and then, so that no request waits for the disk.
package surface
