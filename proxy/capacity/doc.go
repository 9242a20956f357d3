// Package capacity says what the process can still take on, and lets go of what
// costs most and matters least when that is too little.
//
// It counts four things: requests under way, bytes of bodies in memory,
// connections, and what one client holds. Against each stands a limit. A site
// among several may hold as many requests and bytes as are still free, so that
// one whose upstream is slow, or which is flooded, leaves room for the others
// whatever their number (the dynamic thresholds of Choudhury and Hahne, 1998).
// Beside that it reads how much memory is in use, by the process and by its
// container, and tells what to give up in order: connections kept open, bodies,
// requests.
//
// When there are as many connections as there may be, room is made for a new
// one by closing one that waits: for a handshake, for a head, for nothing, or
// for a visitor who does not take what he asked for. A herd of slow clients
// closes itself in that way, and benign requests are too quick to be met.
//
// It refuses nothing itself and writes no answers; the proxy does.
//
// A [Capacity] is safe for concurrent use. It starts no goroutine; its owner
// calls [Capacity.Watch].
package capacity
