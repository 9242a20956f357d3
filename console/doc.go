// Package console is where people see what the edges refused and act on it:
// sign-in, overview, incidents, one incident explained in plain words, the
// account. Pages are rendered on the server in English, Russian and Kazakh and
// work without a script.
//
// routes.go is its table of contents: one line a page, one file a page, one
// struct of data a page. The words stand in words/, one file a language.
//
// It judges no request and keeps nothing itself: what it shows comes from
// console/store, where secrets have been masked since the edge. It never
// talks to a visitor of a protected site.
//
// A Server is safe for concurrent use. Run owns its goroutines: the listener
// and the background jobs listed in jobs.go.
package console
