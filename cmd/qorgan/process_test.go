package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode"

	"github.com/qorgan/qorgan/config"
)

// What a visitor sends reaches the log, and the log often a terminal.
func TestLogHoldsNoControlCharacters(t *testing.T) {
	const hostile = "/\u009b2J\u0085\u0090q\u009c\x1b[2J\x7f\xff\r\nжé"
	for _, format := range []string{"json", "console"} {
		var out bytes.Buffer
		log, flush := (&process{err: &out}).logger(config.Log{Format: format, Level: "info"})
		log.Info().Str("target", hostile).Msg("seen " + hostile)
		flush()
		line := strings.TrimRight(out.String(), "\n")
		if strings.ContainsFunc(strings.ReplaceAll(line, "\n", ""), unicode.IsControl) {
			t.Errorf("%s: a control character in %q", format, line)
		}
		if format == "json" && strings.Contains(line, "\n") {
			t.Errorf("more than one line: %q", line)
		}
		if !strings.Contains(line, `\u009b2J`) || !strings.Contains(line, "жé") {
			t.Errorf("%s: %q", format, line)
		}
	}
}
