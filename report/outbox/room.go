package outbox

import (
	"os"
	"slices"
)

// makeRoom folds the oldest segments until the outbox is below its capacity:
// all of them gently before any of them under pressure. It fails with ErrFull
// when that is not enough.
func (b *Outbox) makeRoom() error {
	for b.bytes() >= b.options.Capacity {
		s, pressed := b.toFold()
		if s == nil {
			return ErrFull
		}
		if err := b.replace(s, func(r [][]byte) [][]byte { return b.options.Fold(r, pressed) }); err != nil {
			return err
		}
		b.mu.Lock()
		s.folded++
		b.stats.Folded++
		b.mu.Unlock()
	}
	return nil
}

func (b *Outbox) bytes() (n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.segments {
		n += s.size
	}
	return n
}

// toFold returns the oldest segment of those folded least, of which nothing
// was sent and to which nothing is appended.
func (b *Outbox) toFold() (_ *segment, pressed bool) {
	if b.options.Fold == nil {
		return nil, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	sealed := b.segments
	if b.file != nil {
		sealed = sealed[:len(sealed)-1]
	}
	for times := range 2 {
		for _, s := range sealed {
			if s.folded == times && !slices.Contains(b.state.Touched, s.first) {
				return s, times > 0
			}
		}
	}
	return nil, false
}

// sweep deletes the segments of which the console has everything: first what
// it has committed is written down, then they go. The caller holds b.mu or is
// alone.
func (b *Outbox) sweep() error {
	var gone []*segment
	kept := make([]*segment, 0, len(b.segments))
	for i, s := range b.segments {
		active := b.file != nil && i == len(b.segments)-1
		if !active && b.state.waiting(s.first, s.last) == 0 {
			gone = append(gone, s)
		} else {
			kept = append(kept, s)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	b.state.Touched = slices.DeleteFunc(b.state.Touched, func(first uint64) bool {
		return slices.ContainsFunc(gone, func(s *segment) bool { return s.first == first })
	})
	b.state.forget()
	if err := b.state.save(b.options.Dir); err != nil {
		return err
	}
	b.segments = kept
	for _, s := range gone {
		if err := os.Remove(s.path); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}
