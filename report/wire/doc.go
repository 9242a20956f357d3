// Package wire is what an edge and its console say to each other: the frame in
// which reports lie on the edge's disk and travel, and the items inside it.
//
// A frame is written once, at the edge, and read as it is by the console: what
// was sent is what was kept, with one checksum from end to end.
//
// It opens no file and no connection. An [Encoder] and a [Decoder] belong to
// one goroutine at a time; everything else is safe for concurrent use.
package wire
