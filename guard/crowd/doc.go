// Package crowd counts who is behind a client address, or behind an IPv6 /64:
// how many requests were clean, how many were attacks, about how many different
// programs and how many signed-in people sent clean ones. From that somebody
// else can tell a person's address from one that thousands share, as mobile
// operators have them.
//
// It keeps bits, not names: 64 for programs and 64 for sessions an address, and
// a bounded number of addresses. What was seen longer ago than a day is
// forgotten. It refuses nothing.
//
// A [Crowd] is safe for concurrent use and owns no goroutine.
package crowd
