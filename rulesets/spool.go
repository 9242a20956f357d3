package rulesets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// inMemory is how much of a streamed body is held in memory; what follows
	// goes to a file.
	inMemory = 1 << 20
	// spoolStep is how much is written between two looks at the space left.
	spoolStep = 16 << 20
	// spoolSpare bounds what a spool leaves free of its disk, a tenth of which
	// it leaves in any case: visitors must not be able to fill it.
	spoolSpare = 1 << 30
)

// errSpool is what a body that cannot be kept fails with: the machine's fault,
// not the visitor's.
var errSpool = errors.New("spool body")

// spool keeps the bytes of a body that was read, in memory and beyond that in
// a file without a name, for the upstream to get exactly what was judged.
type spool struct {
	dir  string
	buf  *bytes.Buffer
	file *os.File
	size int64
	room int64 // bytes that may be written before the next look at the space left
}

// Write implements io.Writer.
func (s *spool) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	if s.file == nil && s.buf.Len()+len(p) <= inMemory {
		return s.buf.Write(p)
	}
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "qorgan-body-*")
		if err != nil {
			return 0, fmt.Errorf("%w: %w", errSpool, err)
		}
		s.file = f
		// Nothing must be left behind when the process dies.
		_ = os.Remove(f.Name())
	}
	if s.room -= int64(len(p)); s.room < 0 {
		if err := s.space(); err != nil {
			return 0, err
		}
		s.room = spoolStep
	}
	if n, err := s.file.Write(p); err != nil {
		return n, fmt.Errorf("%w: %w", errSpool, err)
	}
	return len(p), nil
}

// space is an error when the disk has no more to give.
func (s *spool) space() error {
	var disk unix.Statfs_t
	if err := unix.Fstatfs(int(s.file.Fd()), &disk); err != nil {
		return fmt.Errorf("%w: %w", errSpool, err)
	}
	block := uint64(disk.Bsize)
	free, all := disk.Bavail*block, disk.Blocks*block
	if spare := min(spoolSpare, all/10); free < spare+spoolStep {
		return fmt.Errorf("%w: %d MiB are free in %s and %d of them are not for bodies", errSpool, free>>20, s.dir, spare>>20)
	}
	return nil
}

// open returns the spooled bytes from their beginning.
func (s *spool) open() (io.Reader, error) {
	head := bytes.NewReader(s.buf.Bytes())
	if s.file == nil {
		return head, nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("%w: %w", errSpool, err)
	}
	return io.MultiReader(head, s.file), nil
}

// close lets the file go.
func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()
	}
}
