// Package reader reads a request the way PHP does, or says why two readers
// would disagree about it. What it returns is what the rules see: the fast path
// and Coraza are both fed from one [Request], so that neither can see a
// parameter that the other missed.
//
// It matches no rule and refuses nothing by itself: an [Ambiguity] is an error
// value that the caller turns into an answer.
//
// All functions are safe for concurrent use; a Request belongs to its caller.
package reader
