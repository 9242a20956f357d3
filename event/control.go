package event

import (
	"bytes"
	"io"
)

// EscapeControls returns text with the control characters U+0080–U+009F and
// U+007F written as \u0080 and so on: encoding/json and loggers leave them as
// they are, and some terminals obey them as they obey ESC (ECMA-48, C1). JSON
// stays the same JSON, since they stand in its strings alone. Text without any
// is returned as it is, not copied.
func EscapeControls(text []byte) []byte {
	at := nextControl(text)
	if at < 0 {
		return text
	}
	const digits = "0123456789abcdef"
	out := make([]byte, 0, len(text)+64)
	for at >= 0 {
		out = append(out, text[:at]...)
		c, size := text[at], 1
		if c != 0x7f {
			c, size = text[at+1], 2
		}
		out = append(out, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		text = text[at+size:]
		at = nextControl(text)
	}
	return append(out, text...)
}

// nextControl returns where the first of the characters stands, or -1.
func nextControl(text []byte) int {
	end := bytes.IndexByte(text, 0x7f)
	for from := 0; ; {
		i := bytes.IndexByte(text[from:], 0xc2) // what their UTF-8 begins with
		if i < 0 || end >= 0 && from+i > end {
			return end
		}
		if from += i + 1; from < len(text) && text[from] >= 0x80 && text[from] <= 0x9f {
			return from - 1
		}
	}
}

// ControlEscaper passes what is written on to Writer through [EscapeControls].
// One write is to hold whole characters, as a line does. It is as safe for
// concurrent use as its Writer.
type ControlEscaper struct{ io.Writer }

// Write implements io.Writer.
func (w ControlEscaper) Write(p []byte) (int, error) {
	if _, err := w.Writer.Write(EscapeControls(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}
