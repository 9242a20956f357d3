//go:build !unix

package hold

import (
	"errors"
	"os"
)

// File makes the lock file at path; it stays behind when the process dies. It
// fails with a [*HeldError] while it is there.
func File(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, &HeldError{Hint: "stop the other process; if there is none, remove " + path}
	}
	return f, err
}

// Release gives the lock back.
func Release(f *os.File) error { return errors.Join(f.Close(), os.Remove(f.Name())) }
