// Package siege holds the program, built and started as an owner starts it,
// against clients that mean harm: a bomb of compressed headers, a herd of slow
// connections, and every frame that the specification of HTTP/2 forbids.
//
// Its tests measure the process from outside: the memory the system has given
// it, and whether others are answered meanwhile. How long and how many is said
// by flags; `make siege` runs them in full.
package siege
