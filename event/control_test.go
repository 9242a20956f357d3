package event

import "testing"

func TestEscapeControls(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		"plain жé © \u00a0":         "plain жé © \u00a0",
		"\u0080\u009f":              `\u0080\u009f`,
		"a\u009b2J\x7fb\u0085":      `a\u009b2J\u007fb\u0085`,
		"\x7f\u009b":                `\u007f\u009b`,
		"©\u0090©":                  `©\u0090©`,
		"\xc2\xc2\u0085\xc2":        "\xc2\xc2\\u0085\xc2",
		"\x1b is escaped by others": "\x1b is escaped by others",
	} {
		if got := string(EscapeControls([]byte(in))); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
