// Package proxy serves HTTP: it owns the listeners, finds the site a request
// is for, works out who asks, enforces what a request may cost, strings the
// judging rooms between the site table and the upstream, forwards with
// streaming in both directions, and renders the refusal page.
//
// It judges nothing. Rooms that do are given as middleware and refuse through
// [exchange.Exchange.Refuse]. It obtains no certificates (a *tls.Config is
// given), handles no signals, and reads no files.
//
// A [Server] is safe for concurrent use. Configuration is one immutable table
// behind one atomic pointer: a request keeps the table it began with, and a
// replaced table is retired when its last request ends. Every goroutine is
// started by [Server.Run] and has ended when Run returns.
//
// It may import config, event and exchange, and is the only door to net/http's
// server.
package proxy
