//go:build !unix

package replace

import "os"

// hold opens the lock file at path. Here nothing keeps two processes apart.
func hold(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}
