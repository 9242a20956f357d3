// Package exclude holds rule exclusions as data: which rules do not apply to
// which parameter, on which path, for whom. [Compile] turns the exclusions of a
// site or a profile into a [Set]; [Set.Match] answers, for one request, which of
// them hold as a [Mask].
//
// It excludes nothing by itself and knows no rule: the judge takes the targets
// in a Mask out of its transaction, and the fast path asks [Mask.Excludes].
//
// A Set is immutable and safe for concurrent use; a Mask belongs to its
// request.
package exclude
