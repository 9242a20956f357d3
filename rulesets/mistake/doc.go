// Package mistake answers "this was a mistake": given a refused request it
// proposes the narrowest rule exclusions that would let it pass, and proves
// each before anybody is offered it. [Propose] is the whole of it: the refused
// request passes; every attack of a corpus that the rules refuse in the same
// place today is refused still, and so are attacks elsewhere in the same
// request; other incidents of the day stay refused. [Recheck] proves one again
// when the rules have changed. [Permitted] says which exclusions may be at all:
// none that disarms the verdict, and none without a place.
//
// It stores nothing, puts nothing into force and asks nobody: who may, for how
// long and where it is written down are the business of others. [Recent] holds
// refused requests in memory, whole, for a bounded time; [Masked] makes of one
// what may be written down.
//
// Everything is safe for concurrent use. A proof judges some hundreds of
// requests, off the hot path, on the caller's goroutine.
package mistake
