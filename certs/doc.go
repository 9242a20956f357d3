// Package certs gives every served name a certificate: from the edge's own
// local authority ([Local]) for localhost, internal names and first runs, or
// from an ACME authority.
//
// It does not decide which names are served: the caller's Serves function
// does, and a name it refuses gets no certificate and no look at another's.
//
// All exported types are safe for concurrent use.
package certs
