package replace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

var updating sync.Mutex // of one process; the lock file tells processes apart

// Update reads path, has change make its new content, and writes that in one
// step. Whoever else updates it waits, in this process and in others; the lock
// is a file beside it. A file that is not there reads as nothing. On an error of
// change the file is as it was.
func Update(path string, mode fs.FileMode, change func(old []byte) ([]byte, error)) (err error) {
	updating.Lock()
	defer updating.Unlock()
	lock, err := hold(path + ".lock")
	if err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	content, err := change(old)
	if err != nil {
		return err
	}
	return Bytes(path, mode, content)
}
