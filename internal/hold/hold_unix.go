//go:build unix

package hold

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// File takes the lock file at path and writes this process's id into it. The
// lock ends with the process, however that ends. It fails with a [*HeldError]
// while another process has it.
func File(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		holder, _ := io.ReadAll(io.LimitReader(f, 32))
		err = &HeldError{Hint: fmt.Sprintf("stop process %s", strings.TrimSpace(string(holder)))}
	}
	if err == nil {
		if err = f.Truncate(0); err == nil {
			_, err = fmt.Fprintln(f, os.Getpid())
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Release gives the lock back. The file stays: removing it would race with
// the next process.
func Release(f *os.File) error { return f.Close() }
