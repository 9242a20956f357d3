// Package refuse turns a guard's verdict into an event and, where the site
// blocks, into the refusal of the request. It decides nothing.
//
// All functions are safe for concurrent use as far as the exchange belongs to
// the caller.
package refuse
