package outbox

import (
	"os"

	"golang.org/x/sys/unix"
)

// dataSync brings a file's content to the disk; its times may stay behind.
func dataSync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
