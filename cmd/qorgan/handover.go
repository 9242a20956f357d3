package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
)

// firstHanded is the first descriptor of sd_listen_fds(3).
const firstHanded = 3

// handedOver returns the listening sockets that a service manager opened for
// this process (sd_listen_fds(3)), none when there is no such manager. They
// outlive the process: who connects after its end waits for the next one and is
// not refused.
func handedOver() ([]net.Listener, error) {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("take over sockets: LISTEN_FDS is %q", count)
	}
	// They are this process's and none of its children's.
	if err := errors.Join(os.Unsetenv("LISTEN_PID"), os.Unsetenv("LISTEN_FDS"), os.Unsetenv("LISTEN_FDNAMES")); err != nil {
		return nil, fmt.Errorf("take over sockets: %w", err)
	}
	var list []net.Listener
	for fd := firstHanded; fd < firstHanded+n; fd++ {
		f := os.NewFile(uintptr(fd), "socket "+strconv.Itoa(fd))
		l, err := net.FileListener(f)
		_ = f.Close()
		if err != nil {
			for _, l := range list {
				_ = l.Close()
			}
			return nil, withHint(fmt.Errorf("take over socket %d: %w", fd, err), "ListenStream= only in the socket unit")
		}
		list = append(list, l)
	}
	return list, nil
}
