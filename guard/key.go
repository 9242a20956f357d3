package guard

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

const keySize = 32

// loadKey returns the secret kept in the data folder, and makes one at the
// first start. Without a folder the secret lives as long as the process.
func loadKey(data string) ([]byte, error) {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails: crypto/rand
	path := inside(data, "key")
	if path == "" {
		return key, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return readKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	if _, err := f.Write(key); err != nil {
		return nil, errors.Join(fmt.Errorf("write key: %w", err), f.Close(), os.Remove(path))
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	return key, nil
}

func readKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if len(key) != keySize {
		return nil, fmt.Errorf("read key: %s holds %d bytes instead of %d; try: delete it, sessions are then witnessed anew", path, len(key), keySize)
	}
	return key, nil
}
