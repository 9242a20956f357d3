package outbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/qorgan/qorgan/report/wire"
)

// Batch is what is sent at a time: whole frames, as they lie on the disk.
// After is the number of the record before it in its lane.
type Batch struct {
	Epoch       string
	Lane        uint64
	After, Last uint64
	Records     int64
	Frames      []byte
}

// place is where reading a lane goes on: frames up to number after lie before
// offset in this version of the segment.
type place struct {
	segment, after uint64
	offset         int64
	version        int
}

// Lanes returns the lanes of which something may be left to send, oldest
// first. The last is the one that grows.
func (b *Outbox) Lanes() []Lane {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.state.Lanes)
}

// Split ends the lane that grows and begins another with what comes next, so
// that new reports need not wait for those before them. No segment holds
// records of two lanes. It returns the new
// lane, or the old one when nothing of it has been appended yet.
func (b *Outbox) Split() (Lane, error) {
	b.appending.Lock()
	defer b.appending.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	last := b.state.Lanes[len(b.state.Lanes)-1]
	if last.From == b.next {
		return last, nil
	}
	ahead := b.state
	ahead.Lanes = slices.Clone(b.state.Lanes)
	ahead.Lanes[len(ahead.Lanes)-1].To = b.next - 1
	fresh := Lane{From: b.next, Acked: b.next - 1}
	ahead.Lanes = append(ahead.Lanes, fresh)
	if err := ahead.save(b.options.Dir); err != nil {
		return Lane{}, fmt.Errorf("split lane: %w", err)
	}
	b.state = ahead
	if b.file != nil {
		_ = b.file.Close() // synced when it was written
		b.file = nil
	}
	return fresh, nil
}

// Read returns the lane's next batch of about size bytes, at least one frame.
// It returns an empty batch when nothing is there. Reading again before Ack
// returns the same records again.
func (b *Outbox) Read(lane uint64, size int) (Batch, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.state.lane(lane)
	if l == nil {
		return Batch{}, nil // sent to its end
	}
	batch := Batch{Epoch: b.state.Epoch, Lane: lane, After: max(l.Acked, l.From-1)}
	batch.Last = batch.After
	for i, s := range b.segments {
		if s.last <= batch.After || l.To != 0 && s.first > l.To {
			continue
		}
		if err := b.touch(s); err != nil {
			return Batch{}, fmt.Errorf("read outbox: %w", err)
		}
		full, err := b.readSegment(s, l, &batch, size)
		if errors.Is(err, wire.ErrDamaged) || errors.Is(err, wire.ErrTooBig) || errors.Is(err, wire.ErrShort) {
			if i == len(b.segments)-1 && b.file != nil {
				return Batch{}, fmt.Errorf("read outbox: %w", err) // appended to; repaired at the next start
			}
			if err := b.repair(i); err != nil {
				return Batch{}, fmt.Errorf("repair outbox: %w", err)
			}
			b.segments[i].version++
			full, err = b.readSegment(s, l, &batch, size)
		}
		if err != nil {
			return Batch{}, fmt.Errorf("read outbox: %w", err)
		}
		if full {
			break
		}
	}
	return batch, nil
}

// touch writes down that something of s may be sent.
func (b *Outbox) touch(s *segment) error {
	if slices.Contains(b.state.Touched, s.first) {
		return nil
	}
	ahead := b.state
	ahead.Touched = append(slices.Clone(b.state.Touched), s.first)
	if err := ahead.save(b.options.Dir); err != nil {
		return err
	}
	b.state = ahead
	return nil
}

// readSegment adds the frames of s that belong into batch, until it is full.
func (b *Outbox) readSegment(s *segment, l *Lane, batch *Batch, size int) (full bool, err error) {
	at := b.places[l.From]
	if at.segment != s.first || at.version != s.version || at.after > batch.After {
		at = place{segment: s.first, version: s.version}
	}
	f, err := os.Open(s.path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	for offset := at.offset; offset < s.size; {
		frame, head, err := frameAt(f, offset, s.size)
		if err != nil {
			return false, err
		}
		offset += int64(head.Size)
		if head.Last <= batch.After {
			// Only what is committed lies before the place to go on from.
			at.after, at.offset = head.Last, offset
			b.places[l.From] = at
			continue
		}
		if len(batch.Frames) > 0 && (len(batch.Frames)+len(frame) > size || batch.Records >= wire.MaxRecords) {
			return true, nil
		}
		batch.Frames = append(batch.Frames, frame...)
		batch.Records += int64(head.Count)
		batch.Last = head.Last
	}
	return false, nil
}

func frameAt(f io.ReaderAt, offset, end int64) ([]byte, wire.Head, error) {
	var head [wire.HeadSize]byte
	if end-offset < wire.HeadSize {
		return nil, wire.Head{}, wire.ErrShort
	}
	if _, err := f.ReadAt(head[:], offset); err != nil {
		return nil, wire.Head{}, err
	}
	h, err := wire.ReadHead(head[:])
	if err != nil {
		return nil, h, err
	}
	if end-offset < int64(h.Size) {
		return nil, h, wire.ErrShort
	}
	frame := make([]byte, h.Size)
	if _, err := f.ReadAt(frame, offset); err != nil {
		return nil, h, err
	}
	_, err = wire.Check(frame)
	return frame, h, err
}

// Ack says that the console has committed the lane's records up to seq. What
// is no longer needed is deleted.
func (b *Outbox) Ack(lane, seq uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.state.lane(lane)
	if l == nil || !l.holds(max(seq, l.From)) || seq >= b.next {
		return fmt.Errorf("acknowledge %d: not a number of lane %d", seq, lane)
	}
	if seq <= l.Acked {
		return nil
	}
	l.Acked = seq
	if err := b.sweep(); err != nil {
		return fmt.Errorf("delete sent reports: %w", err)
	}
	return nil
}
