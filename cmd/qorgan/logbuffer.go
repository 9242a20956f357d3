package main

import (
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	logDelay = 100 * time.Millisecond // a line waits no longer
	logBytes = 32 << 10               // and not behind more than this
)

// logBuffer gathers log lines, so that a busy edge does not spend one write a
// request on its access log. Warnings and errors go out at once, with what was
// logged before them. It is safe for concurrent use; close must be called, or
// the last lines are lost.
type logBuffer struct {
	mu     sync.Mutex
	out    io.Writer
	lines  []byte
	timer  *time.Timer
	closed bool
}

func newLogBuffer(out io.Writer) *logBuffer {
	b := &logBuffer{out: out}
	b.timer = time.AfterFunc(logDelay, b.flush)
	b.timer.Stop()
	return b
}

// Write implements io.Writer.
func (b *logBuffer) Write(p []byte) (int, error) { return b.WriteLevel(zerolog.NoLevel, p) }

// WriteLevel implements zerolog.LevelWriter.
func (b *logBuffer) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lines) == 0 {
		b.timer.Reset(logDelay)
	}
	b.lines = append(b.lines, p...)
	if level >= zerolog.WarnLevel && level != zerolog.NoLevel || len(b.lines) >= logBytes || b.closed {
		return len(p), b.send()
	}
	return len(p), nil
}

func (b *logBuffer) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.send() // nobody is left to be told that the log cannot be written
}

// send writes what is there. The lock is held, so that lines keep their order.
func (b *logBuffer) send() error {
	if len(b.lines) == 0 {
		return nil
	}
	b.timer.Stop()
	_, err := b.out.Write(b.lines)
	b.lines = b.lines[:0]
	if cap(b.lines) > 4*logBytes {
		b.lines = nil
	}
	return err
}

// close writes what is left. Lines that come later are written as they come.
func (b *logBuffer) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	_ = b.send()
}
