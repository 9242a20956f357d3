package certs

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io/fs"
	"testing"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"github.com/rs/zerolog"
)

// pairOf returns a chain and its key in PEM for a name.
func pairOf(t *testing.T, name string) (chain, key []byte) {
	t.Helper()
	l, err := NewLocal(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.leaf(name)
	if err != nil {
		t.Fatal(err)
	}
	if key, err = certmagic.PEMEncodePrivateKey(c.PrivateKey); err != nil {
		t.Fatal(err)
	}
	return encodeChain(c.Certificate), key
}

func TestDamagedFiles(t *testing.T) {
	const by, name = "authority", "shop.example"
	chain, key := pairOf(t, name)
	strange, strangeKey := pairOf(t, "other.example")
	_, otherKey := pairOf(t, name)
	crtName, keyName := certmagic.StorageKeys.SiteCert(by, name), certmagic.StorageKeys.SitePrivateKey(by, name)
	for _, c := range []struct {
		what       string
		chain, key []byte
		aside      []string
	}{
		{"a whole pair", chain, key, nil},
		{"a cut certificate", chain[:30], key, []string{crtName}},
		{"nonsense in a certificate", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), key, []string{crtName}},
		{"an empty key", chain, nil, []string{keyName}},
		{"the key of another certificate", chain, otherKey, []string{crtName, keyName}},
		{"the certificate of another name", strange, strangeKey, []string{crtName}},
	} {
		t.Run(c.what, func(t *testing.T) {
			var said bytes.Buffer
			s := &shelf{storage: Folder(t.TempDir()), log: zerolog.New(&said)}
			if err := s.save(t.Context(), by, name, c.key, acme.Certificate{ChainPEM: c.chain, Account: "at/1"}); err != nil {
				t.Fatal(err)
			}
			got, err := s.load(t.Context(), []string{"nobody", by}, name)
			if len(c.aside) == 0 {
				if err != nil || got.leaf().DNSNames[0] != name || got.authority != by || got.account != "at/1" || said.Len() > 0 {
					t.Errorf("got %v, %v, said %s", got, err, &said)
				}
				return
			}
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("error %v", err)
			}
			for _, file := range c.aside {
				if s.storage.Exists(t.Context(), file) {
					t.Errorf("the damaged %s is still in its place", file)
				}
				if !s.storage.Exists(t.Context(), file+damagedSuffix) {
					t.Errorf("%s is gone", file)
				}
			}
			if said.Len() == 0 {
				t.Error("nobody was told")
			}
		})
	}
}

func encodeKey(tb testing.TB, c *tls.Certificate) []byte {
	tb.Helper()
	key, err := certmagic.PEMEncodePrivateKey(c.PrivateKey)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}
