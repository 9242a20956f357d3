package certs

import (
	"github.com/rs/zerolog"
	"go.uber.org/zap/zapcore"
)

// zapCore writes the certificate library's log lines into ours.
type zapCore struct {
	log    zerolog.Logger
	fields []zapcore.Field
}

var _ zapcore.Core = (*zapCore)(nil)

// Enabled reports whether lines of a level are wanted. The library's "info" is
// our "debug": it tells of every cache look-up.
func (c *zapCore) Enabled(l zapcore.Level) bool { return c.log.GetLevel() <= level(l) }

// With returns a core whose lines carry more fields.
func (c *zapCore) With(f []zapcore.Field) zapcore.Core {
	return &zapCore{log: c.log, fields: append(c.fields[:len(c.fields):len(c.fields)], f...)}
}

// Check adds the core to an entry that is wanted.
func (c *zapCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

// Write writes one line.
func (c *zapCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range c.fields {
		f.AddTo(enc)
	}
	for _, f := range fields {
		f.AddTo(enc)
	}
	c.log.WithLevel(level(e.Level)).Str("by", e.LoggerName).Fields(enc.Fields).Msg(e.Message)
	return nil
}

// Sync does nothing: every line is written at once.
func (c *zapCore) Sync() error { return nil }

func level(l zapcore.Level) zerolog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return zerolog.ErrorLevel
	case l == zapcore.WarnLevel:
		return zerolog.WarnLevel
	}
	return zerolog.DebugLevel
}
