// Command peers measures what a request costs in CPU time: through the edge,
// through a bare reverse proxy written in Go, through nginx alone, and through
// nginx with libmodsecurity and Apache with mod_security2, which judge with the
// same release of the Core Rule Set. All stand on this machine in front of one
// page of an nginx of their own, and get the same requests, one peer after the
// other in rounds. It prints a table of medians.
//
// The peers are Debian packages. Without them it says which and ends.
//
// It is started in the repository's root: make bench-peers.
package main
