// Package upstream knows the servers behind the sites: which of them answers
// next, which is backed off because it failed, and how a request is sent to
// it. A [Set] belongs to one table of sites; a new set takes over connections
// and health of the servers it shares with the one before it.
//
// It copies no bodies and decides no status; the proxy does.
//
// A [Set] is built by one goroutine and immutable afterwards; pools and peers
// are safe for concurrent use. It starts no goroutine that outlives a call.
package upstream
