// Package sample is a tiny shop to try a web application firewall on: goods,
// search, comments and a sign-in, all in memory. It is what `qorgan demo`
// stands in front of when nobody named an upstream.
//
// It is no target: it escapes whatever it is sent and executes nothing. What
// the firewall refuses in front of it would have been harmless behind it.
//
// A *Shop is safe for concurrent use and bounded: it forgets its oldest
// comments and sessions.
package sample
