// Package bans enforces what was decided about networks: it refuses the banned,
// asks those under challenge for a click before they send anything, and has the
// rest of the edge judge strictly whom it is told to. A session whose sign-in
// the edge saw is never refused here: its requests are judged by their content,
// as everybody's.
//
// It decides nothing. The list is immutable behind one atomic pointer; a change
// makes a new one that shares nearly all of the old. A look-up takes a few dozen
// nanoseconds and no lock, among a million entries too.
//
// A [Gate] is safe for concurrent use and owns no goroutine.
package bans
