package freeport_test

import (
	"net"
	"testing"

	"github.com/qorgan/qorgan/internal/freeport"
)

// TestAddress: what was chosen can be listened on, and is chosen by nobody
// while it is.
func TestAddress(t *testing.T) {
	held := map[string]bool{}
	for range 100 {
		addr, err := freeport.Address()
		if err != nil {
			t.Fatal(err)
		}
		if held[addr] {
			t.Fatalf("%s was chosen while it is listened on", addr)
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		held[addr] = true
	}
}
