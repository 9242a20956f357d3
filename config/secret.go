package config

import (
	"fmt"
	"os"
	"strings"
)

// Secret is a value that never prints: every way to format or encode it gives
// "(secret)". In the file it is written file:PATH or env:NAME, or as it is. The
// zero Secret is empty.
type Secret struct{ value string }

const hidden = "(secret)"

// NewSecret returns a Secret that holds value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the value, for the one place that needs it.
func (s Secret) Reveal() string { return s.value }

// String returns "(secret)".
func (Secret) String() string { return hidden }

// GoString returns "(secret)", for %#v.
func (Secret) GoString() string { return hidden }

// Format writes "(secret)" for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalText returns "(secret)", for JSON and every other encoding.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// ReadSecret reads what a command line says: a value, or file: or env: and
// where it stands. The errors name the place, never the value.
func ReadSecret(text string) (Secret, error) { return readSecret(text) }

// readSecret follows file: and env:. One line end after a file's value is not
// part of it. The errors name the place, never the value.
func readSecret(text string) (Secret, error) {
	value := text
	if path, ok := strings.CutPrefix(text, "file:"); ok {
		b, err := os.ReadFile(path)
		if err != nil {
			return Secret{}, fmt.Errorf("read secret from %s: %s", path, reason(err))
		}
		value = strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	} else if name, ok := strings.CutPrefix(text, "env:"); ok {
		value = os.Getenv(name)
	}
	if value == "" {
		if !strings.HasPrefix(text, "file:") && !strings.HasPrefix(text, "env:") {
			return Secret{}, fmt.Errorf("the secret is empty")
		}
		return Secret{}, fmt.Errorf("%s is empty", text)
	}
	return Secret{value}, nil
}
