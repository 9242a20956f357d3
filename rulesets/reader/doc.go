// Package reader reads a request the way PHP does, or says why two readers
// would disagree about it. What it returns is what the rules see: the fast path
// and Coraza are both fed from one [Request], so that neither can see a
// parameter that the other missed.
//
// [Head] reads what stands in the head; [Request.Plan] says how the body must
// be read, and [Request.ReadBody] or [Request.ParseBody] reads it. Names and
// values of ordinary requests are those that Coraza's own processors produce.
//
// It matches no rule and refuses nothing by itself: an [Ambiguity] is an error
// value that the caller turns into an answer. It checks no framing.
//
// All functions are safe for concurrent use; a Request belongs to its caller.
package reader
