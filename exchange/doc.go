// Package exchange holds one request under way: what every room on its path
// must agree on. The proxy creates an [Exchange] when the head of a request has
// been read and puts it into the request's context; guard, rulesets and
// integrity read it, add what they found, and refuse through it.
//
// It judges nothing and renders nothing: the refusal page is the proxy's, set
// as [Exchange.Refuse].
//
// An Exchange belongs to the goroutine that serves its request. Rooms that
// judge off the hot path take a copy of what they need.
package exchange
