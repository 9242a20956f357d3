package certs

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/caddyserver/certmagic"
	"github.com/rs/zerolog"
)

func TestDamagedFiles(t *testing.T) {
	whole := []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	for _, c := range []struct {
		what, key string
		stored    []byte
		aside     bool
	}{
		{"a whole certificate", "certificates/a/shop.example/shop.example.crt", whole, false},
		{"a cut certificate", "certificates/a/shop.example/shop.example.crt", whole[:30], true},
		{"an empty key", "certificates/a/shop.example/shop.example.key", nil, true},
		{"what the certificate is for", "certificates/a/shop.example/shop.example.json", []byte("{}"), false},
		{"an account's key", "acme/a/users/owner/owner.key", []byte("?"), false},
	} {
		t.Run(c.what, func(t *testing.T) {
			var said bytes.Buffer
			s := &storage{FileStorage: &certmagic.FileStorage{Path: t.TempDir()}, log: zerolog.New(&said)}
			if err := s.Store(t.Context(), c.key, c.stored); err != nil {
				t.Fatal(err)
			}
			got, err := s.Load(t.Context(), c.key)
			if !c.aside {
				if err != nil || !bytes.Equal(got, c.stored) || said.Len() > 0 {
					t.Errorf("got %q, %v, said %s", got, err, &said)
				}
				return
			}
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("error %v", err)
			}
			if s.Exists(t.Context(), c.key) {
				t.Error("the damaged file is still in its place")
			}
			if kept, err := os.ReadFile(s.Filename(c.key) + damagedSuffix); err != nil || !bytes.Equal(kept, c.stored) {
				t.Errorf("kept %q, %v", kept, err)
			}
			if said.Len() == 0 {
				t.Error("nobody was told")
			}
		})
	}
}
