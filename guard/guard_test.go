package guard

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
)

func TestKeyIsMadeOnceAndKeptSecret(t *testing.T) {
	data := t.TempDir()
	read := func() []byte {
		g, err := New(Options{Data: data, Logger: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		key, err := os.ReadFile(filepath.Join(data, "guard", "key"))
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	first := read()
	if len(first) != keySize || !bytes.Equal(first, read()) {
		t.Error("the key changed between starts")
	}
	info, err := os.Stat(filepath.Join(data, "guard", "key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(data, "guard", "key"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if g, err := New(Options{Data: data, Logger: zerolog.Nop()}); err == nil {
		_ = g.Close()
		t.Error("a damaged key was accepted")
	}
}

var loopback = netip.MustParseAddr("127.0.0.1")
