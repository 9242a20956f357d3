// Package certs gives every served name a certificate: from the edge's own
// local authority ([Local]) for localhost, internal names and first runs, from
// an ACME authority ([ACME]), or from the owner's own files ([Files]).
//
// It does not decide which names are served: the caller's Serves function
// does, and a name it refuses gets no certificate and no look at another's. Of
// the libraries it uses acmez for the protocol, and certmagic for the contract
// and layout of storage; when a certificate is ordered, and for whom, is decided
// here.
//
// A handshake (handshake.go) finds a certificate in memory, or begins a job
// that loads it, is let in (admit.go), and is ordered for (order.go) by workers
// at the authority's pace (rate.go, authority.go). The keeper (renew.go) begins
// renewals. Everything in the background ends with Close.
//
// All exported types are safe for concurrent use.
package certs
