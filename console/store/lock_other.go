//go:build !unix

package store

import (
	"errors"
	"os"
)

// hold makes the lock file at path; it stays behind when the process dies.
func hold(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, &HintError{ErrHeld, "stop the other process; if there is none, remove " + path}
	}
	return f, err
}

func release(f *os.File) error { return errors.Join(f.Close(), os.Remove(f.Name())) }
