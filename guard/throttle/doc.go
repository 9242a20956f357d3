// Package throttle slows down whoever guesses passwords: by client (an IPv6
// client is its /64) and by user name, on the login page, on XML-RPC with every
// guess inside a multi-call counted, and on the REST API with a password.
//
// Only failures count, and only as the CMS's own answers show them. Sessions at
// work are never held up, nor is a program whose password the CMS has accepted,
// nor a client that has logged in as that user before by what others do
// elsewhere. User names are kept as hashes with a key
// that ends with the process.
//
// Memory is bounded; nothing survives a restart. A [Throttle] is safe for
// concurrent use and owns no goroutine.
package throttle
