// Package fleet is the door at which edges elsewhere knock: they enrol with a
// code, and report what they refused.
//
//	POST /fleet/v1/enroll   a code for an id; the edge's key is its own
//	POST /fleet/v1/reports  frames (package wire) of one lane, in order
//
// Who an edge is comes from the signature of its request and from nothing it
// writes in a report. An answer of 200 means that the records are on the disk.
// 409 says up to where they are, when some are missing before those that came;
// 401 that the edge is not known or retired; 429 and 503, with Retry-After,
// that it should come again. No answer makes an edge drop anything.
//
// It renders no page and decides nothing for the fleet. A [Door] may be used
// by any number of requests at a time, takes one batch of an edge and a few of
// all edges at a time, and starts no goroutine.
package fleet
