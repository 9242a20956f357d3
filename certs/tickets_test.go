package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// clock is a time that a test sets.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// ticketEdge is an edge's tickets on a clock of the test's, looked at when the
// test says.
func ticketEdge(t *testing.T, s Storage, c *clock, log zerolog.Logger) *Tickets {
	t.Helper()
	e := newTickets(s, log, time.Hour, c.now)
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// visit is a handshake with a server that has the keys in force at e, over TLS
// of a version, and reports whether it resumed.
func visit(t *testing.T, e *Tickets, version uint16, client *tls.Config) bool {
	t.Helper()
	chain, key := pairOf(t, "shop.example")
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	server := ServerConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil })
	server.SetSessionTicketKeys(e.Keys())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			defer c.Close()
			_, err = tls.Server(c, server).Write([]byte("x"))
		}
		served <- err
	}()
	config := client.Clone()
	config.MinVersion, config.MaxVersion = version, version
	c, err := tls.Dial("tcp", l.Addr().String(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); err != nil { // with it comes the ticket
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	return c.ConnectionState().DidResume
}

func visitor() *tls.Config {
	return &tls.Config{ServerName: "shop.example", ClientSessionCache: tls.NewLRUClientSessionCache(8), InsecureSkipVerify: true,
		VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error { return nil }}
}

// TestTicketsAreShared: a session that began at one edge is resumed at another
// of the same storage, after the key was replaced and after a restart, and not
// when its key is too old or of another storage.
func TestTicketsAreShared(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			c := &clock{t: time.Now()}
			s := Folder(t.TempDir())
			a, b := ticketEdge(t, s, c, zerolog.Nop()), ticketEdge(t, s, c, zerolog.Nop())
			v := visitor()
			if visit(t, a, version, v) {
				t.Fatal("the first visit resumed something")
			}
			if !visit(t, b, version, v) {
				t.Error("not resumed at the second edge")
			}
			if visit(t, ticketEdge(t, Folder(t.TempDir()), c, zerolog.Nop()), version, v) {
				t.Error("resumed where the keys are others")
			}
			v = visitor()
			visit(t, a, version, v)
			sealing := a.Keys()[0]
			c.forward(ticketPeriod + time.Minute)
			b.look(t.Context()) // it rotates, and a does not know yet
			if b.Keys()[0] == sealing {
				t.Fatal("the key was not replaced")
			}
			if !visit(t, b, version, v) {
				t.Error("not resumed after a rotation")
			}
			a.look(t.Context())
			if !visit(t, a, version, v) {
				t.Error("not resumed where a rotation arrived later")
			}
			if !visit(t, ticketEdge(t, s, c, zerolog.Nop()), version, v) {
				t.Error("not resumed after a restart")
			}
			v = visitor()
			visit(t, a, version, v)
			c.forward(ticketPeriod + ticketLife + time.Minute)
			a.look(t.Context())
			if visit(t, a, version, v) {
				t.Error("resumed with a key that is too old")
			}
		})
	}
}

// TestTicketsRotate: whatever the edges' clocks and rest, the key that seals is
// at most a day old and opens for two, and the next one is known to all before
// it is used.
func TestTicketsRotate(t *testing.T) {
	c := &clock{t: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)}
	s := Folder(t.TempDir())
	a, b := ticketEdge(t, s, c, zerolog.Nop()), ticketEdge(t, s, c, zerolog.Nop())
	sealed := map[[32]byte]time.Time{} // last use
	for range 24 * 9 {
		c.forward(time.Hour)
		a.look(t.Context())
		keys := a.Keys()
		sealed[keys[0]] = c.now()
		if len(keys) > 4 {
			t.Fatalf("%d keys", len(keys))
		}
		known := false
		for _, k := range b.Keys() { // has not looked for up to four hours
			known = known || k == keys[0]
		}
		if !known {
			t.Fatalf("at %s the other edge does not know the key that seals", c.now())
		}
		for _, k := range keys[1:] {
			if last, used := sealed[k]; used && c.now().Sub(last) > ticketPeriod+ticketLife {
				t.Fatalf("a key opens %s after its last use", c.now().Sub(last))
			}
		}
		if c.now().Hour()%4 == 0 {
			b.look(t.Context())
		}
	}
	if n := len(sealed); n < 8 || n > 11 {
		t.Errorf("%d keys in nine days", n)
	}
	c.forward(-5 * 24 * time.Hour)
	a.look(t.Context())
	b.look(t.Context())
	if a.Keys()[0] != b.Keys()[0] || len(a.Keys()) != 1 {
		t.Errorf("after the clock was set back: %d and %d keys", len(a.Keys()), len(b.Keys()))
	}
}

// TestTicketsAtRest: the keys are encrypted with the storage's key, and a
// storage that can not be read, is locked up or damaged costs visitors a
// handshake and nothing else.
func TestTicketsAtRest(t *testing.T) {
	c := &clock{t: time.Now()}
	folder := Folder(t.TempDir())
	secret := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	sealedStorage, err := Sealed(folder, secret)
	if err != nil {
		t.Fatal(err)
	}
	a := ticketEdge(t, sealedStorage, c, zerolog.Nop())
	b, err := folder.Load(t.Context(), ticketName)
	if err != nil || !bytes.Contains(b, []byte(sealedType)) || bytes.Contains(b, []byte(`"key"`)) {
		t.Fatalf("at rest: %s, %v", b, err)
	}
	if other := ticketEdge(t, sealedStorage, c, zerolog.Nop()); other.Keys()[0] != a.Keys()[0] {
		t.Error("another edge with the key does not read them")
	}
	var said bytes.Buffer
	without := ticketEdge(t, folder, c, zerolog.New(&said))
	if without.Keys()[0] == a.Keys()[0] || !strings.Contains(said.String(), "tls.storage_key is not set") {
		t.Errorf("without the key: %s", &said)
	}
	if after, err := folder.Load(t.Context(), ticketName); err != nil || !bytes.Equal(after, b) {
		t.Error("an edge without the key wrote over the others' keys")
	}
	for _, damaged := range []string{"nonsense", `[{"from":"2026-01-01T00:00:00Z","key":"AAAA"}]`, ""} {
		plain := Folder(t.TempDir())
		if err := plain.Store(t.Context(), ticketName, []byte(damaged)); err != nil {
			t.Fatal(err)
		}
		said.Reset()
		d := ticketEdge(t, plain, c, zerolog.New(&said))
		if !strings.Contains(said.String(), "are damaged") {
			t.Errorf("%q: said %s", damaged, &said)
		}
		if other := ticketEdge(t, plain, c, zerolog.Nop()); other.Keys()[0] != d.Keys()[0] {
			t.Errorf("%q: new keys did not take their place", damaged)
		}
	}
}

// brokenStorage gives up when it is told to.
type brokenStorage struct {
	Storage
	broken bool
}

func (s *brokenStorage) Load(ctx context.Context, name string) ([]byte, error) {
	if s.broken {
		return nil, errors.New("the disk is gone")
	}
	return s.Storage.Load(ctx, name)
}

// TestTicketsWithoutStorage: keys go on being replaced while the storage does
// not work, that is said once, and the shared ones are back with it.
func TestTicketsWithoutStorage(t *testing.T) {
	c := &clock{t: time.Now()}
	s := &brokenStorage{Storage: Folder(t.TempDir())}
	var said bytes.Buffer
	a := ticketEdge(t, s, c, zerolog.New(&said))
	shared := a.Keys()[0]
	s.broken = true
	for range 3 {
		c.forward(ticketPeriod)
		a.look(t.Context())
	}
	if a.Keys()[0] == shared || len(a.Keys()) > 4 {
		t.Errorf("%d keys, replaced %t", len(a.Keys()), a.Keys()[0] != shared)
	}
	if n := strings.Count(said.String(), "the disk is gone"); n != 1 {
		t.Errorf("said %d times: %s", n, &said)
	}
	s.broken = false
	a.look(t.Context())
	if b := ticketEdge(t, s.Storage, c, zerolog.Nop()); b.Keys()[0] != a.Keys()[0] {
		t.Error("the keys are not shared again")
	}
	none := ticketEdge(t, nil, c, zerolog.Nop())
	if first := none.Keys()[0]; first == ([32]byte{}) {
		t.Error("without a storage there is no key")
	}
}
