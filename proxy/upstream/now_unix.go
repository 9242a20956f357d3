//go:build unix

package upstream

import (
	"syscall"
)

// quiet reports whether an idle connection is open and has sent nothing. Bytes
// nobody asked for would be taken for the next response.
func quiet(raw syscall.RawConn) bool {
	var b [1]byte
	_, err := receive(raw, b[:], syscall.MSG_PEEK)
	return err == syscall.EAGAIN
}

// arrived reads what is there without waiting, maybe nothing. An error comes
// again with the next read.
func arrived(raw syscall.RawConn, b []byte) int {
	n, err := receive(raw, b, 0)
	if err != nil {
		return 0
	}
	return n
}

func receive(raw syscall.RawConn, b []byte, flags int) (n int, err error) {
	if raw == nil {
		return 0, syscall.ENOTSOCK
	}
	failed := raw.Control(func(fd uintptr) {
		n, _, err = syscall.Recvfrom(int(fd), b, flags|syscall.MSG_DONTWAIT)
	})
	if failed != nil {
		return 0, failed
	}
	return n, err
}
