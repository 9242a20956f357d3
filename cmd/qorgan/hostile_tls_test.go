package main

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// crumbling sends what the handshake begins with in records of a few bytes,
// each byte in a write of its own.
type crumbling struct {
	net.Conn
	size  int
	begun bool
}

func (c *crumbling) Write(p []byte) (int, error) {
	if c.begun || len(p) < 5 {
		return c.Conn.Write(p)
	}
	c.begun = true
	var out []byte
	for rest := p[5:]; len(rest) > 0; {
		n := min(c.size, len(rest))
		out = append(out, p[0], p[1], p[2], byte(n>>8), byte(n))
		out = append(out, rest[:n]...)
		rest = rest[n:]
	}
	for i := range out {
		if _, err := c.Conn.Write(out[i : i+1]); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// TestHostileHandshakes is about how a TLS connection begins and goes on.
func TestHostileHandshakes(t *testing.T) {
	f := newFortress(t, twoSites)
	for _, size := range []int{1, 7, 100} {
		t.Run(fmt.Sprintf("a greeting in records of %d bytes", size), func(t *testing.T) {
			f.served(t, f.greet(t, "shop.example.kz", func(c net.Conn) net.Conn { return &crumbling{Conn: c, size: size} }))
		})
	}
	t.Run("a greeting without a name", func(t *testing.T) {
		c, err := tls.Dial("tcp", f.secure, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if names := c.ConnectionState().PeerCertificates[0].DNSNames; len(names) > 0 {
			t.Errorf("the certificate of %q", names)
		}
		f.served(t, c)
	})
	t.Run("a greeting that is none", func(t *testing.T) {
		for _, text := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff" + strings.Repeat("a", 70000), "\x16\x03\x01\x00\x00", "\x80\x2e\x01\x00\x02"} {
			c, err := net.Dial("tcp", f.secure)
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.WriteString(c, text) }()
			if got := readAll(t, c); strings.Contains(got, " 200 ") {
				t.Errorf("%.20q was answered %.80q", text, got)
			}
			_ = c.Close()
		}
	})
	t.Run("names of no site, in a flood", f.floodOfNames)
	t.Run("new keys without end", f.floodOfKeys)
	t.Run("a handshake within the connection", f.renegotiation)
}

// greet connects and shakes hands over a connection that wrap may change.
func (f *fortress) greet(t *testing.T, name string, wrap func(net.Conn) net.Conn) *tls.Conn {
	t.Helper()
	c, err := net.Dial("tcp", f.secure)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	tc := tls.Client(wrap(c), &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	return tc
}

// served demands an answer to a harmless request.
func (f *fortress) served(t *testing.T, c net.Conn) {
	t.Helper()
	_, _ = io.WriteString(c, ask("/"))
	if line, err := bufio.NewReader(c).ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 200 ") {
		t.Errorf("answered %q, %v", line, err)
	}
}

// files are the names below the data folder.
func (f *fortress) files(t *testing.T) (list []string) {
	t.Helper()
	if err := filepath.WalkDir(f.conf.Data, func(path string, _ fs.DirEntry, err error) error {
		list = append(list, path)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// Names nobody serves cost no certificate and no file, and visitors of the
// sites are served meanwhile.
func (f *fortress) floodOfNames(t *testing.T) {
	f.served(t, f.greet(t, "shop.example.kz", func(c net.Conn) net.Conn { return c }))
	before := f.files(t)
	const clients, each = 8, 250
	var flood sync.WaitGroup
	for i := range clients {
		flood.Go(func() {
			for j := range each {
				c, err := net.DialTimeout("tcp", f.secure, 20*time.Second)
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				if err := tls.Client(c, &tls.Config{ServerName: fmt.Sprintf("%d-%d.evil.example", i, j), InsecureSkipVerify: true}).Handshake(); err == nil {
					t.Error("a handshake for a name of no site went well")
				}
				_ = c.Close()
			}
		})
	}
	over := make(chan struct{})
	go func() {
		flood.Wait()
		close(over)
	}()
	for more := true; more; {
		f.served(t, f.greet(t, "shop.example.kz", func(c net.Conn) net.Conn { return c }))
		select {
		case <-over:
			more = false
		default:
		}
	}
	if after := f.files(t); len(after) != len(before) {
		t.Errorf("%d files before, %d after %d names of no site", len(before), len(after), clients*each)
	}
	if e := f.drain(); len(e) > 0 {
		t.Errorf("%d events", len(e))
	}
}

// floodOfKeys sends more changes of keys than anybody needs, over TLS 1.3 with
// records of the test's own making: Go's client can send none.
func (f *fortress) floodOfKeys(t *testing.T) {
	raw, err := net.Dial("tcp", f.secure)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(20 * time.Second))
	var secrets bytes.Buffer
	c := tls.Client(raw, &tls.Config{ServerName: "shop.example.kz", InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, KeyLogWriter: &secrets})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if c.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skip("another cipher suite was agreed on")
	}
	var secret []byte
	for line := range strings.Lines(secrets.String()) {
		if w := strings.Fields(line); len(w) == 3 && w[0] == "CLIENT_TRAFFIC_SECRET_0" {
			if secret, err = hex.DecodeString(w[2]); err != nil {
				t.Fatal(err)
			}
		}
	}
	sent := 0
	for ; sent < 10000; sent++ {
		if _, err := raw.Write(keyUpdate(t, secret)); err != nil {
			break
		}
		secret = expand(t, secret, "traffic upd", 32)
	}
	// What the edge had to say before it went, and its end.
	if _, err := io.Copy(io.Discard, raw); err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			t.Errorf("the connection stays open after %d changes of keys", sent)
		}
	}
	f.served(t, f.greet(t, "shop.example.kz", func(c net.Conn) net.Conn { return c }))
}

// keyUpdate is the first record under a secret: a KeyUpdate that asks for one
// in return (RFC 8446, 4.6.3 and 5.2).
func keyUpdate(t *testing.T, secret []byte) []byte {
	block, err := aes.NewCipher(expand(t, secret, "key", 16))
	if err != nil {
		t.Fatal(err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	inner := []byte{24, 0, 0, 1, 1, 22} // the message and its content type
	head := []byte{23, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(head[3:], uint16(len(inner)+seal.Overhead()))
	return append(head, seal.Seal(nil, expand(t, secret, "iv", 12), inner, head)...)
}

// expand is HKDF-Expand-Label without a context (RFC 8446, 7.1).
func expand(t *testing.T, secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := append(binary.BigEndian.AppendUint16(nil, uint16(n)), byte(len(label)))
	out, err := hkdf.Expand(sha256.New, secret, string(append(info, label+"\x00"...)), n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// renegotiation asks for a new handshake within a connection of TLS 1.2, as
// only OpenSSL's client does.
func (f *fortress) renegotiation(t *testing.T) {
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	cmd := exec.Command(program, "s_client", "-connect", f.secure, "-servername", "shop.example.kz", "-tls1_2", "-legacy_renegotiation")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		// The last line about the session; what is typed after it is a command.
		if strings.Contains(lines.Text(), "Extended master secret") {
			_, _ = io.WriteString(in, "R\n")
		}
		if strings.HasPrefix(lines.Text(), "RENEGOTIATING") {
			_ = in.Close()
		}
	}
	err = cmd.Wait()
	if text := said.String(); !strings.Contains(text, "RENEGOTIATING") || !strings.Contains(text, "no renegotiation") && !strings.Contains(text, "alert") && err == nil {
		t.Errorf("OpenSSL ended with %v and said\n%s", err, text)
	}
	f.served(t, f.greet(t, "shop.example.kz", func(c net.Conn) net.Conn { return c }))
}
