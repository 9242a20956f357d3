// Package kept is a small JSON file in which a room keeps what it has learned,
// and whose loss costs no more than learning it again: what cannot be read is
// reported and replaced by the next save.
//
// It keeps nothing in memory and decides nothing. What must not be lost or must
// be looked at by somebody is set aside by its owner instead, see guard/surface
// and guard/witness. Load and Save have one caller at a time; Changed is safe
// for concurrent use.
package kept
