// Package trust has this machine believe the edge's local authority, and stop
// to: the system's store of certificates, and the NSS stores of the user's
// browsers where certutil is installed.
//
// It does not make the authority; package certs does. Its functions change files
// that are everybody's on the machine and are not safe for concurrent use.
package trust
