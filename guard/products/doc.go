// Package products tells which version of WordPress and which plugins and themes
// a site runs, from what the site answers anyway: addresses of scripts and style
// sheets in its pages, the generators in their heads, the list of its REST API,
// and readme files that somebody asks for. It asks the site nothing.
//
// What a visitor sends never counts, and of a page only what stands inside of
// the tags link, script and meta, which visitors cannot write. A product that
// was not seen may still be there: many plugins show nothing to visitors. What
// is kept of a site is bounded; beyond the bound what was not seen longest goes.
//
// A [Book] is safe for concurrent use and owns no goroutine; its owner calls Save
// now and then, so that no request waits for the disk.
package products
