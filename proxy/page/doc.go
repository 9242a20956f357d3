// Package page renders what a refused visitor sees: a page in his language, or
// problem details (RFC 9457) when he asked for JSON.
//
// A page says in plain words what happened and what he can do, shows the
// incident code and the owner's contact, and nothing about rules, versions or
// upstreams. It loads nothing: no script, no font, no picture.
//
// [Pages] is immutable and safe for concurrent use. It imports nothing of
// Qorgan.
package page
