package outbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/qorgan/qorgan/internal/replace"
	"github.com/qorgan/qorgan/report/wire"
)

// segment is one file of frames. Its name is its first number; ".run" marks
// the first of a run of the program, before which numbers were skipped.
type segment struct {
	path        string
	first, last uint64 // last is first-1 while it is empty
	size        int64  // bytes of whole frames
	records     int64
	run         bool
	version     int // changes when the file is written anew
	folded      int // how often
}

const (
	plainSuffix = ".seg"
	runSuffix   = ".run"
)

func segmentPath(dir string, first uint64, run bool) string {
	suffix := plainSuffix
	if run {
		suffix = runSuffix
	}
	return filepath.Join(dir, fmt.Sprintf("%016x%s", first, suffix))
}

// listSegments returns the segments in dir, in order and not yet read.
func listSegments(dir string) ([]*segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []*segment
	for _, e := range entries {
		name, run := strings.CutSuffix(e.Name(), runSuffix)
		if !run {
			var plain bool
			if name, plain = strings.CutSuffix(e.Name(), plainSuffix); !plain {
				continue
			}
		}
		first, err := strconv.ParseUint(name, 16, 64)
		if err != nil || first == 0 || len(name) != 16 {
			continue // not ours
		}
		all = append(all, &segment{path: filepath.Join(dir, e.Name()), first: first, last: first - 1, run: run})
	}
	slices.SortFunc(all, func(a, b *segment) int {
		if a.first < b.first {
			return -1
		}
		return 1
	})
	return all, nil
}

// walk calls frame for every good frame of the file, and bad for every stretch
// of bytes that is none. A frame that the file's end cuts off is bad, too.
func walk(path string, frame func(head wire.Head, raw []byte), bad func(raw []byte)) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	broken := 0
	for at := 0; at < len(b); {
		head, err := wire.Check(b[at:])
		if err == nil {
			if broken > 0 {
				bad(b[at-broken : at])
				broken = 0
			}
			frame(head, b[at:at+head.Size])
			at += head.Size
			continue
		}
		step := wire.Find(b[at:])
		if step < 0 {
			step = len(b) - at
		}
		broken += step
		at += step
	}
	if broken > 0 {
		bad(b[len(b)-broken:])
	}
	return nil
}

// index reads the segment and returns how many records are missing between
// good frames, and how many stood in whole frames after the last of them. A
// frame whose numbers run backwards is no good one.
func (s *segment) index() (missing, tail uint64, err error) {
	s.last, s.size, s.records = s.first-1, 0, 0
	err = walk(s.path, func(h wire.Head, raw []byte) {
		if h.First <= s.last {
			return
		}
		missing += h.First - s.last - 1
		s.last = h.Last
		s.size += int64(len(raw))
		s.records += int64(h.Count)
		tail = 0
	}, func(raw []byte) {
		for at := 0; at >= 0 && at < len(raw); {
			if h, err := wire.ReadHead(raw[at:]); err == nil && at+h.Size <= len(raw) {
				tail += uint64(h.Count)
			}
			step := wire.Find(raw[at:])
			if step < 0 {
				break
			}
			at += step
		}
	})
	return missing, tail, err
}

// rewrite writes the segment anew from what it holds. turn gets each good
// frame and returns what stands in its place.
func (s *segment) rewrite(write func(w io.Writer) (records int64, err error)) error {
	var records int64
	if err := replace.File(s.path, 0o600, func(w io.Writer) (err error) {
		records, err = write(w)
		return err
	}); err != nil {
		return err
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	s.size, s.records = info.Size(), records
	s.version++
	return nil
}

// salvage writes the segment's good frames alone.
func (s *segment) salvage() error {
	return s.rewrite(func(w io.Writer) (records int64, err error) {
		last := s.first - 1
		walked := walk(s.path, func(h wire.Head, raw []byte) {
			if h.First <= last {
				return
			}
			last = h.Last
			records += int64(h.Count)
			if err == nil {
				_, err = w.Write(raw)
			}
		}, func([]byte) {})
		return records, errors.Join(walked, err)
	})
}

// load returns all records of the segment.
func (s *segment) load(d *wire.Decoder) ([][]byte, error) {
	var all [][]byte
	var inner error
	err := walk(s.path, func(h wire.Head, raw []byte) {
		_, records, err := d.Records(raw)
		inner = errors.Join(inner, err)
		all = append(all, records...)
	}, func([]byte) {})
	return all, errors.Join(err, inner)
}

// pack writes records as the numbers first to last, in as few frames as
// possible, and returns how many could not be written because one alone
// exceeds a frame.
func pack(w io.Writer, e *wire.Encoder, first, last uint64, records [][]byte) (tooBig int64, err error) {
	var buffer []byte
	for len(records) > 0 {
		n, used := 0, 0
		for n < len(records) && n < wire.MaxRecords && (n == 0 || used+len(records[n]) < wire.MaxPlain/4) {
			used += len(records[n])
			n++
		}
		for {
			end := first + uint64(n) - 1
			if n == len(records) {
				end = last
			}
			buffer, err = e.Append(buffer[:0], first, end, records[:n])
			if err == nil {
				if _, err := w.Write(buffer); err != nil {
					return tooBig, err
				}
				break
			}
			if !errors.Is(err, wire.ErrTooBig) {
				return tooBig, err
			}
			if n == 1 {
				tooBig++
				break
			}
			n /= 2
		}
		records, first = records[n:], first+uint64(n)
	}
	return tooBig, nil
}
