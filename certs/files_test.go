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

func writePair(t *testing.T, p Pair, chain, key []byte) {
	t.Helper()
	for path, b := range map[string][]byte{p.Certificate: chain, p.Key: key} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFilesJudgesPairs(t *testing.T) {
	chain, key := pairOf(t, "shop.example")
	leafOnly := chain[:bytes.Index(chain, []byte("-----END"))+len("-----END CERTIFICATE-----\n")]
	strange, strangeKey := pairOf(t, "other.example")
	stranger := strange[bytes.LastIndex(strange, []byte("-----BEGIN")):]
	for _, c := range []struct {
		what       string
		chain, key []byte
		want       string
	}{
		{"good", chain, key, ""},
		{"the key of another", chain, strangeKey, "is not the key of"},
		{"no key", chain, []byte("nonsense"), "is not the key of"},
		{"no certificate", []byte("nonsense"), key, "holds no certificate"},
		{"an incomplete chain", leafOnly, key, "the chain is incomplete: the certificate of CN=Qorgan local authority"},
		{"the chain of another", append(bytes.Clone(leafOnly), stranger...), key, "did not sign the one before it"},
		{"the certificate of another", strange, strangeKey, "is for other.example, none of which is a host of the site"},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := t.TempDir()
			p := Pair{filepath.Join(dir, "a.pem"), filepath.Join(dir, "a.key"), []string{"shop.example", "www.shop.example"}}
			writePair(t, p, c.chain, c.key)
			f := NewFiles(zerolog.Nop())
			defer f.Close()
			s, err := f.Prepare([]Pair{p})
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			f.Use(s)
			for name, there := range map[string]bool{"shop.example": true, "SHOP.example.": true, "www.shop.example": false, "other.example": false} {
				if (f.Find(name) != nil) != there {
					t.Errorf("%s: %v", name, f.Find(name))
				}
			}
		})
	}
}

// TestFilesTakesChanges: a good new pair is taken without anybody asking, a bad
// one is not, and says why.
func TestFilesTakesChanges(t *testing.T) {
	dir := t.TempDir()
	p := Pair{filepath.Join(dir, "a.pem"), filepath.Join(dir, "a.key"), []string{"shop.example"}}
	chain, key := pairOf(t, "shop.example")
	writePair(t, p, chain, key)
	var ahead time.Duration
	f := newFiles(zerolog.Nop(), time.Millisecond, func() time.Time { return time.Now().Add(ahead) })
	defer f.Close()
	s, err := f.Prepare([]Pair{p})
	if err != nil {
		t.Fatal(err)
	}
	f.Use(s)
	first := f.Find("shop.example")
	wait := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	if err := os.WriteFile(p.Key, []byte("half a"), 0o600); err != nil {
		t.Fatal(err)
	}
	wait("a bad key is noticed", func() bool { return f.Status()[0].State == Late })
	if f.Find("shop.example") != first || !strings.Contains(f.Status()[0].Error, "is not the key") {
		t.Errorf("%+v", f.Status())
	}
	chain, key = pairOf(t, "shop.example")
	writePair(t, p, chain, key)
	wait("a good pair is taken", func() bool { return f.Find("shop.example") != first && f.Status()[0].State == Valid })
	f.mu.Lock()
	ahead = leafLife + time.Hour
	f.mu.Unlock()
	if got := f.Status()[0]; got.State != Expired {
		t.Errorf("%+v", got)
	}
}
