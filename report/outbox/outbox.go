package outbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/qorgan/qorgan/internal/hold"
	"github.com/qorgan/qorgan/report/wire"
)

// ErrFull says that the outbox is at its capacity and nothing can be folded.
var ErrFull = errors.New("outbox is full")

// Options configures an outbox. Zero values are replaced by the defaults.
type Options struct {
	Dir      string // made when it is missing; required
	For      string // who reads what is sent: another reader than before gets what is left in lanes of its own
	Capacity int64  // bytes of segments; 1 GiB by default
	Segment  int64  // bytes after which a segment is full; 8 MiB by default

	// Fold makes fewer records of many, so that nothing is lost without being
	// counted. The first time it may keep details, pressed it keeps as little
	// as it can. Without it a full outbox refuses what comes.
	Fold func(records [][]byte, pressed bool) [][]byte

	// Damaged is told how many records at least are gone and why: "damaged"
	// or "too-big". It is called while the outbox is locked and must not call
	// it. Optional.
	Damaged func(records int64, reason string)
}

// Stats is what an outbox holds and what happened to it since it was opened.
type Stats struct {
	Records int64 // on disk, those that are committed and not yet deleted included
	Waiting int64 // of them, what is not committed
	Bytes   int64 // of all segments
	Last    uint64
	Damaged int64 // records lost to damage
	Folded  int64 // segments folded
}

// Outbox is an open outbox. The zero value is not usable.
type Outbox struct {
	options Options
	lock    *os.File

	appending sync.Mutex // one Append at a time; taken before mu
	encoder   *wire.Encoder
	packer    *wire.Encoder // of segments that are full
	decoder   *wire.Decoder
	buffer    []byte
	file      *os.File // of the last segment; nil until something is appended

	mu       sync.Mutex
	state    state
	segments []*segment
	next     uint64 // number of the next record
	runs     bool   // the next segment is the first of this run
	news     chan struct{}
	places   map[uint64]place // where reading a lane goes on
	stats    Stats
}

// Open opens the outbox in o.Dir, makes it when there is none, and repairs it.
// It fails with a [*hold.HeldError] while another process has it open.
func Open(o Options) (_ *Outbox, err error) {
	if o.Capacity <= 0 {
		o.Capacity = 1 << 30
	}
	if o.Segment <= 0 {
		o.Segment = 8 << 20
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open outbox: %w", err)
	}
	b := &Outbox{options: o, news: make(chan struct{}), places: map[uint64]place{}}
	if b.lock, err = hold.File(filepath.Join(o.Dir, "lock")); err != nil {
		return nil, fmt.Errorf("open outbox %s: %w", o.Dir, err)
	}
	if err := b.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open outbox %s: %w", o.Dir, err), b.Close())
	}
	return b, nil
}

func (b *Outbox) open() (err error) {
	if b.encoder, err = wire.NewEncoder(); err != nil {
		return err
	}
	if b.packer, err = wire.NewPacker(); err != nil {
		return err
	}
	if b.decoder, err = wire.NewDecoder(); err != nil {
		return err
	}
	var fresh bool
	if b.state, fresh, err = loadState(b.options.Dir); err != nil {
		return err
	}
	if b.segments, err = listSegments(b.options.Dir); err != nil {
		return err
	}
	if fresh && len(b.segments) > 0 {
		b.state.Lanes = []Lane{{From: b.segments[0].first}}
		for _, s := range b.segments {
			b.state.Touched = append(b.state.Touched, s.first)
		}
	}
	b.state.readBy(b.options.For)
	b.next = b.state.Ceiling + 1
	for i, s := range b.segments {
		if err := b.repair(i); err != nil {
			return fmt.Errorf("read %s: %w", filepath.Base(s.path), err)
		}
		b.next = max(b.next, s.last+1)
	}
	b.segments = slices.DeleteFunc(b.segments, func(s *segment) bool {
		return s.last < s.first && os.Remove(s.path) == nil
	})
	b.runs = b.next > 1
	b.state.Ceiling = b.next + reserve
	if err := b.state.save(b.options.Dir); err != nil {
		return err
	}
	return b.sweep()
}

// repair reads the segment with index i and cuts out what is damaged. What a
// crash cut off at the end of a run was never acknowledged and is not counted;
// a whole frame that is damaged there is, and so are the numbers missing
// between two segments of one run.
func (b *Outbox) repair(i int) error {
	s := b.segments[i]
	missing, tail, err := s.index()
	if err != nil {
		return err
	}
	if i+1 < len(b.segments) && !b.segments[i+1].run {
		missing += b.segments[i+1].first - 1 - s.last
	} else {
		missing += tail
	}
	info, err := os.Stat(s.path)
	if err != nil || info.Size() == s.size {
		return err
	}
	b.damaged(int64(missing), "damaged")
	return s.salvage()
}

func (b *Outbox) damaged(records int64, reason string) {
	if records == 0 {
		return
	}
	b.stats.Damaged += records
	if b.options.Damaged != nil {
		b.options.Damaged(records, reason)
	}
}

// Close gives the folder back. It waits for an Append under way.
func (b *Outbox) Close() error {
	b.appending.Lock()
	defer b.appending.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	if b.state.Epoch != "" {
		errs = append(errs, b.state.save(b.options.Dir))
	}
	if b.file != nil {
		errs = append(errs, b.file.Close())
		b.file = nil
	}
	if b.decoder != nil {
		b.decoder.Close()
	}
	return errors.Join(append(errs, hold.Release(b.lock))...)
}

// Epoch returns the name of the folder's sequence of numbers.
func (b *Outbox) Epoch() string { return b.state.Epoch }

// Stats returns the outbox's figures.
func (b *Outbox) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Last = b.next - 1
	for _, seg := range b.segments {
		s.Records += seg.records
		s.Bytes += seg.size
		// Folded segments hold fewer records than numbers.
		s.Waiting += min(int64(b.state.waiting(seg.first, seg.last)), seg.records)
	}
	return s
}

// News returns a channel that is closed when something more was appended.
func (b *Outbox) News() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.news
}

// Append takes records, in order, and returns once they are on the disk. On an
// error none is kept and the same records may be appended again; it fails with
// ErrFull at the capacity. A record that alone exceeds a frame is counted as
// lost.
func (b *Outbox) Append(records [][]byte) error {
	if len(records) == 0 {
		return nil
	}
	b.appending.Lock()
	defer b.appending.Unlock()
	if err := b.append(records); err != nil {
		return fmt.Errorf("append to outbox: %w", err)
	}
	return nil
}

func (b *Outbox) append(records [][]byte) error {
	if err := b.makeRoom(); err != nil {
		return err
	}
	s, err := b.active(uint64(len(records)))
	if err != nil {
		return err
	}
	first, last := b.next, b.next+uint64(len(records))-1
	var w writer
	w.b = b.buffer[:0]
	tooBig, err := pack(&w, b.encoder, first, last, records)
	b.buffer = w.b
	if err != nil {
		return err
	}
	_, err = b.file.WriteAt(w.b, s.size)
	if err == nil {
		err = dataSync(b.file)
	}
	if err != nil {
		// What may stand there now must not be read as a frame later.
		b.abandon(s)
		return err
	}
	b.mu.Lock()
	s.size += int64(len(w.b))
	s.last = last
	s.records += int64(len(records)) - tooBig
	b.next = last + 1
	b.damaged(tooBig, "too-big")
	close(b.news)
	b.news = make(chan struct{})
	full := s.size >= b.options.Segment
	b.mu.Unlock()
	if full {
		b.seal(s)
	}
	return nil
}

// writer collects frames.
type writer struct{ b []byte }

func (w *writer) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

// active returns the segment to append n records to, and opens its file.
func (b *Outbox) active(n uint64) (*segment, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next+n > b.state.Ceiling {
		ahead := b.state
		ahead.Ceiling = b.next + n + reserve
		if err := ahead.save(b.options.Dir); err != nil {
			return nil, err
		}
		b.state.Ceiling = ahead.Ceiling
	}
	if b.file != nil {
		return b.segments[len(b.segments)-1], nil
	}
	s := &segment{path: segmentPath(b.options.Dir, b.next, b.runs), first: b.next, last: b.next - 1, run: b.runs}
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := dirSync(b.options.Dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	b.file, b.runs = f, false
	if last := len(b.segments) - 1; last >= 0 && b.segments[last].first == s.first {
		b.segments[last] = s // an empty one of before
	} else {
		b.segments = append(b.segments, s)
	}
	return s, nil
}

// abandon cuts the active segment back to its whole frames and leaves it, so
// that the next append begins a new one.
func (b *Outbox) abandon(s *segment) {
	_ = b.file.Truncate(s.size)
	_ = b.file.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.file = nil
	if s.last < s.first {
		b.segments = b.segments[:len(b.segments)-1]
		b.runs = s.run
		_ = os.Remove(s.path)
	}
}

// seal closes a full segment and packs it anew. When that fails, for want of
// space, it stays as it is.
func (b *Outbox) seal(s *segment) {
	_ = b.file.Close()
	b.file = nil
	b.mu.Lock()
	untouched := !slices.Contains(b.state.Touched, s.first)
	b.mu.Unlock()
	if untouched {
		_ = b.replace(s, func(records [][]byte) [][]byte { return records })
	}
}

// replace writes a segment that nobody reads anew, with what turn makes of its
// records.
func (b *Outbox) replace(s *segment, turn func([][]byte) [][]byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	records, err := s.load(b.decoder)
	if err != nil {
		return err
	}
	turned := turn(records)
	if len(turned) == 0 || uint64(len(turned)) > s.last-s.first+1 {
		return fmt.Errorf("fold %d records into %d", len(records), len(turned))
	}
	return s.rewrite(func(w io.Writer) (int64, error) {
		_, err := pack(w, b.packer, s.first, s.last, turned)
		return int64(len(turned)), err
	})
}
