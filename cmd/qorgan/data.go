package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/qorgan/qorgan/internal/replace"
)

// The files below the data folder that belong to this package.
func redactKeyFile(data string) string { return filepath.Join(data, "redact.key") }
func addressesFile(data string) string { return filepath.Join(data, "addresses.json") }

// redactKey returns the installation's key for masks, made at the first start.
func redactKey(data string) ([]byte, error) {
	path := redactKeyFile(data)
	key, err := os.ReadFile(path)
	if err == nil && len(key) >= 16 {
		return key, nil
	}
	if err == nil {
		return nil, withHint(fmt.Errorf("read mask key: %s holds %d bytes", path, len(key)), "move the file away to have a new one made")
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read mask key: %w", err)
	}
	key = make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make mask key: %w", err)
	}
	return key, replace.Bytes(path, 0o600, key)
}

// addresses are the addresses really opened, for scripts that asked for a free
// port: the file addresses.json below the data folder, there while the process
// serves.
type addresses struct {
	HTTP    []string `json:"http,omitempty"`
	HTTPS   []string `json:"https,omitempty"`
	Admin   string   `json:"admin,omitempty"`
	Console string   `json:"console,omitempty"`
}

// readAddresses returns the addresses of the process that serves over data.
func readAddresses(data string) (a addresses, err error) {
	b, err := os.ReadFile(addressesFile(data))
	if err != nil {
		return a, err
	}
	err = json.Unmarshal(b, &a)
	return a, err
}

func (a addresses) write(data string) error {
	b, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode addresses: %w", err)
	}
	return replace.Bytes(addressesFile(data), 0o644, append(b, '\n'))
}
