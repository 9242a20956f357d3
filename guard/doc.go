// Package guard decides who comes in. [Guard.Handler] is the first room behind
// the proxy: it recognises the CMS of a site that did not say, tells sessions
// that the CMS has accepted from cookies that merely look like it, throttles
// guesses at passwords and keeps the paths of PHP files that no visitor asks
// for shut.
//
// It reads no rule and inspects no body for attacks; what comes in is the rule
// set's question. It writes Exchange.Profile, Rank and Session, and refuses
// through Exchange.Refuse.
//
// Each concern is a package of its own below this one; none knows another. A
// Guard is safe for concurrent use, owns a goroutine that Close stops, and outlives every reload of the
// configuration: what differs between sites is read from the exchange.
package guard
