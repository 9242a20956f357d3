// Package outbox keeps an edge's reports on its disk until the console has
// committed them.
//
//	box, err := outbox.Open(outbox.Options{Dir: dir})
//	err = box.Append(records) // durable when it returns
//	lane := box.Lanes()[0]
//	batch, err := box.Read(lane.From, wire.MaxPacked)
//	// … send batch.Frames; once the console has committed them:
//	err = box.Ack(lane.From, batch.Last)
//
// Every record has a sequence number that is never used again, also not after
// a crash or damage; the numbers count within an epoch, which is new when the
// folder is. A lane is a range of numbers that is sent in order, with a
// watermark of its own at the console: see [Outbox.Split].
//
// Records lie in frames (package wire) in segment files. A full segment is
// packed again, because much compresses better than little. Beyond its
// capacity the outbox has the oldest segments folded into fewer records by a
// function it is given; segments of which anything may have been sent are left
// alone, since the console may have them already. A damaged part of a segment
// is cut out, and the records that were in it are counted.
//
// It does not know what a record means, sends nothing and starts no goroutine.
// One process at a time has it open. All methods are safe for concurrent use;
// an append waits for other appends and for the disk, a read does not wait for
// the disk to confirm an append.
package outbox
