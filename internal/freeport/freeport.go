package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Linux hands out 32768 and above, other systems 49152 and above.
const first, last = 20000, 32000

// Address returns a loopback address, 127.0.0.1 and a port, on which nothing
// listens, over TCP or UDP.
func Address() (string, error) {
	var err error
	for range 50 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(last-first)))
		if err = free(addr); err == nil {
			return addr, nil
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}

func free(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	p, err := net.ListenPacket("udp", addr)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return errors.Join(p.Close(), l.Close())
}
