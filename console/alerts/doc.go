// Package alerts tells people what they asked to be told: that one client is
// refused again and again, that a site is under attack, that a certificate
// runs out, that an edge is silent, that something was lost.
//
// A [Desk] looks for news every few seconds, keeps what is to be told in the
// store until it was delivered, puts together what belongs together, waits out
// quiet hours, and tries again when a delivery fails. What is told goes out by
// e-mail, Telegram, syslog (RFC 5424) or a signed webhook.
//
// It renders no page and changes nothing at the edges. A Desk owns one
// goroutine, in [Desk.Run]; all its methods are safe for concurrent use. Of
// several consoles on one store one at a time looks and delivers.
package alerts
