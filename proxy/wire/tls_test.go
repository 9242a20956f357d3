package wire

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// secure accepts TLS and wraps what comes out of it.
type secure struct {
	net.Listener
	conf *tls.Config
}

func (l secure) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return NewConn(tls.Server(c, l.conf), Limits{}), nil
}

func TestOverTLS(t *testing.T) {
	borrowed := httptest.NewUnstartedServer(nil) // for its certificate
	borrowed.StartTLS()
	defer borrowed.Close()
	conf := &tls.Config{Certificates: borrowed.TLS.Certificates, NextProtos: []string{"http/1.1"}}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{addr: ln.Addr().String(), closed: make(chan struct{})}
	e.Server = &http.Server{Handler: e.handler(nil), ConnContext: ConnContext}
	go func() {
		defer close(e.closed)
		_ = e.Serve(secure{ln, conf})
	}()
	defer func() {
		_ = e.Close()
		<-e.closed
	}()

	trust := borrowed.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	trust.ServerName = "example.com"
	tc, err := tls.Dial("tcp", e.addr, trust)
	if err != nil {
		t.Fatal(err)
	}
	c := client{Conn: tc, t: t}
	defer c.Close()
	c.br = bufio.NewReader(tc)
	c.send(chnk + "3\r\nabc\r\n0\r\n\r\n" + get + "Transfer-Encoding: x\r\n\r\n" + next)
	if resp, body := c.answer(); resp.StatusCode != 200 || body != "abc" {
		t.Errorf("first answer %s %q", resp.Status, body)
	}
	if resp, body := c.answer(); resp.StatusCode != 400 || body != CodingUnknown+"\n" {
		t.Errorf("second answer %s %q", resp.Status, body)
	}
	c.ended()
}

// What the server sends from a file goes to the socket's own ReadFrom.
func TestFilesAreSent(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	name := filepath.Join(t.TempDir(), "file.bin")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	e := serve(t, Limits{}, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) })
	for _, step := range []int64{0, 512} { // with the socket's ReadFrom and without
		e.step.Store(step)
		c := dial(t, e)
		c.send(next)
		if _, body := c.answer(); body != string(content) {
			t.Errorf("%d of %d bytes", len(body), len(content))
		}
	}
	var _ io.ReaderFrom = (*Conn)(nil)
}
