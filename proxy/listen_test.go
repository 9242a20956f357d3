package proxy

import (
	"net"
	"strings"
	"testing"
)

func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	c := oneSite("http://127.0.0.1:1")
	c.HTTP = []string{"127.0.0.1:0", addr, "192.0.2.1:0"}
	s, err := New(Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Listen()
	if err == nil {
		t.Fatal("bound a port that is taken")
	}
	for _, want := range []string{
		"listen on " + addr, "another process holds this port: stop it, or choose another address",
		"listen on 192.0.2.1:0", "this machine has no such address",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in the error: %v", want, err)
		}
	}
	if plain, _ := s.Addrs(); len(plain) > 0 {
		t.Errorf("some addresses were bound: %v", plain)
	}
}

func TestHTTPSWithoutCertificates(t *testing.T) {
	c := oneSite("http://127.0.0.1:1")
	c.HTTPS = []string{"127.0.0.1:0"}
	if _, err := New(Options{Config: c}); err == nil || !strings.Contains(err.Error(), "try: --tls internal") {
		t.Errorf("error %v", err)
	}
}
