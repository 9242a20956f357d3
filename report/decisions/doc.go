// Package decisions is how an edge takes what its console has decided: bans
// and the like for networks, exclusions, virtual patches, modes, messages.
//
// A [Keeper] trusts nothing because it is signed. It takes a batch that the
// pinned key signed, that follows the one before and that changes no more than
// a fifth of what it holds in a minute; and of it every decision that [Check]
// has nothing against. What it takes is on the disk, so that a start without a
// console enforces it, and ends by this machine's clock.
//
// A [Follower] holds the stream to the console and answers it: what was refused
// and why, what met a decision, who is behind an address that attacks.
//
// It enforces nothing: whoever made the Keeper is told of each change. A Keeper
// and a Follower are safe for concurrent use; a Follower's Run owns its
// goroutines and waits for them.
package decisions
