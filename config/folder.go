package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// folders checks that the folders for state can be used. It makes none: a
// check must leave nothing behind that belongs to the wrong user.
func (k checker) folders() {
	for _, folder := range []string{k.Data, k.CertificateFolder()} {
		if err := usable(folder); err != nil {
			k.wrong("data", "data: a folder that this user may write, or --data DIR", "%s", err)
			return // one is below the other
		}
	}
}

// CertificateFolder is where certificates and their keys lie.
func (c *Config) CertificateFolder() string { return filepath.Join(c.Data, "certs") }

// usable reports why folder cannot be written to, or be made.
func usable(folder string) error {
	for at := filepath.Clean(folder); ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case err == nil && !info.IsDir():
			return fmt.Errorf("%s is a file, not a folder", at)
		case err == nil:
			if err := unix.Access(at, unix.W_OK|unix.X_OK); err != nil {
				return fmt.Errorf("the folder %s cannot be written: %w", at, err)
			}
			return nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) || at == filepath.Dir(at):
			return fmt.Errorf("the folder %s cannot be reached: %s", at, reason(err))
		}
	}
}
