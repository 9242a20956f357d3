package certs

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"github.com/rs/zerolog"
)

func storageKey() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// TestSealed: keys lie encrypted, certificates do not; a wrong key and a missing
// one are said to be that, and cost no key.
func TestSealed(t *testing.T) {
	const by, name = "authority", "shop.example"
	ctx, bare := t.Context(), Folder(t.TempDir())
	right, wrong := storageKey(), storageKey()
	open := func(key string) *shelf {
		t.Helper()
		s, err := Sealed(bare, key)
		if err != nil {
			t.Fatal(err)
		}
		return &shelf{storage: s, log: zerolog.Nop()}
	}
	chain, key := pairOf(t, name)
	if err := open(right).save(ctx, by, name, key, acme.Certificate{ChainPEM: chain}); err != nil {
		t.Fatal(err)
	}
	keyName := certmagic.StorageKeys.SitePrivateKey(by, name)
	lies, err := bare.Load(ctx, keyName)
	if err != nil || bytes.Contains(lies, []byte("PRIVATE KEY")) || bytes.Contains(lies, key[30:60]) {
		t.Errorf("the key lies open: %s, %v", lies, err)
	}
	if crt, err := bare.Load(ctx, certmagic.StorageKeys.SiteCert(by, name)); err != nil || !bytes.Equal(crt, chain) {
		t.Error("the certificate does not lie as it is", err)
	}
	if got, err := open(right).load(ctx, []string{by}, name); err != nil || got.leaf().DNSNames[0] != name {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := open(wrong).load(ctx, []string{by}, name); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "is not the key") {
		t.Errorf("another key: %v", err)
	}
	plain := &shelf{storage: bare, log: zerolog.Nop()}
	if _, err := plain.load(ctx, []string{by}, name); !errors.Is(err, errSealed) {
		t.Errorf("no key: %v", err)
	}
	if after, err := bare.Load(ctx, keyName); err != nil || !bytes.Equal(after, lies) {
		t.Error("a wrong key cost the key", err)
	}
	moved := certmagic.StorageKeys.SitePrivateKey(by, "other.example")
	if err := bare.Store(ctx, moved, lies); err != nil {
		t.Fatal(err)
	}
	if _, err := open(right).storage.Load(ctx, moved); err == nil {
		t.Error("a key was taken under another's name")
	}
	if err := bare.Store(ctx, keyName, key); err != nil {
		t.Fatal(err)
	}
	if _, err := open(right).load(ctx, []string{by}, name); err != nil {
		t.Errorf("a key that lies open: %v", err)
	}
	for _, bad := range []string{"", "short", base64.StdEncoding.EncodeToString(make([]byte, 31)), strings.Repeat("!", 44)} {
		if _, err := Sealed(bare, bad); err == nil {
			t.Errorf("%q was taken for a key", bad)
		}
	}
}
