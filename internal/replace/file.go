package replace

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// File has write fill a new file beside path, brings it to the disk and moves
// it to path. On an error path is as it was and nothing is left beside it.
func File(path string, mode fs.FileMode, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = write(f)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Bytes is File for content that is at hand.
func Bytes(path string, mode fs.FileMode, content []byte) error {
	return File(path, mode, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}
