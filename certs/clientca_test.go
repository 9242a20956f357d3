package certs

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// TestClientCAs: a file of authorities is taken when it is good, goes on being
// believed while a change of it is not, and is taken again when it is.
func TestClientCAs(t *testing.T) {
	chain, key := pairOf(t, "shop.example")
	leaf := chain[:bytes.Index(chain, []byte("-----END"))+len("-----END CERTIFICATE-----\n")]
	root := chain[len(leaf):]
	other, _ := pairOf(t, "other.example")
	second := other[bytes.LastIndex(other, []byte("-----BEGIN")):]
	dir := t.TempDir()
	file := filepath.Join(dir, "ca.pem")
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(file+".new", b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	c := newClientCAs(zerolog.Nop(), time.Millisecond)
	defer c.Close()
	for _, bad := range []struct {
		what string
		b    []byte
		want string
	}{
		{"nothing", nil, "holds no certificate"},
		{"nonsense", []byte("nonsense"), "holds no certificate"},
		{"a key", key, "holds no certificate"},
		{"a broken certificate", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "parse certificate 1"},
		{"a site's certificate", leaf, "which is no authority"},
	} {
		write(bad.b)
		if _, err := c.Prepare([]string{file}); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: %v", bad.what, err)
		}
	}
	if _, err := c.Prepare([]string{filepath.Join(dir, "absent.pem")}); err == nil {
		t.Error("a file that is not there was read")
	}
	write(root)
	set, err := c.Prepare([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	c.Use(set)
	first := c.Pool(file)
	if first == nil || c.Pool("another") != nil {
		t.Fatal(first)
	}
	write([]byte("half a"))
	seen := looks(file)
	waitFor(t, "a bad change is noticed", func() bool { return c.set.Load().files[file].seen == seen })
	if c.Pool(file) != first {
		t.Error("a bad change was taken")
	}
	write(append(bytes.Clone(root), second...))
	waitFor(t, "a good change is taken", func() bool { return c.Pool(file) != first })
}
