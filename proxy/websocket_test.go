package proxy

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

const handshake = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

const accepted = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

// echoUpstream accepts the handshake, says hello, and echoes.
func echoUpstream(t *testing.T) string {
	return rawUpstream(t, func(c net.Conn, r *bufio.Reader) {
		head, err := readHead(r)
		if err != nil || !strings.Contains(head, "Upgrade: websocket\r\n") || !strings.Contains(head, "Connection: Upgrade\r\n") {
			return
		}
		io.WriteString(c, accepted+"hello")
		_, _ = io.Copy(c, r)
	})
}

func expect(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q (%v), want %q", got[:n], err, want)
	}
}

func TestWebSocketEchoes(t *testing.T) {
	e := newEdge(t, Options{Config: oneSite(echoUpstream(t))})
	c, r := e.dial()
	io.WriteString(c, handshake+"early") // a client may speak before it has read the answer
	head, err := readHead(r)
	if err != nil || !strings.HasPrefix(head, "HTTP/1.1 101 ") || one(head, "Sec-Websocket-Accept")+one(head, "Sec-WebSocket-Accept") == "<><>" {
		t.Fatalf("head %q, %v", head, err)
	}
	expect(t, r, "helloearly")
	for range 100 {
		frame := strings.Repeat("\x82\x7f", 500)
		io.WriteString(c, frame)
		expect(t, r, frame)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("after the visitor's end: %q, %v", rest, err)
	}
}

func TestWebSocketRefusedByUpstream(t *testing.T) {
	up := rawUpstream(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := readHead(r); err == nil {
			io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
		}
	})
	e := newEdge(t, Options{Config: oneSite(up)})
	c, r := e.dial()
	io.WriteString(c, handshake)
	head, err := readHead(r)
	if err != nil || !strings.HasPrefix(head, "HTTP/1.1 403 ") {
		t.Fatalf("head %q, %v", head, err)
	}
	expect(t, r, "no")
}

// Without the upstream's 101 there is no tunnel: what follows is a request and
// is treated as one.
func TestOtherUpgradesAreNoTunnel(t *testing.T) {
	for _, protocol := range []string{"foo", "h2c", "TLS/1.0", "websocket, foo"} {
		up := rawUpstream(t, func(c net.Conn, r *bufio.Reader) {
			for {
				head, err := readHead(r)
				if err != nil {
					return
				}
				if strings.Contains(head, "Upgrade:") {
					io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n")
					continue
				}
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Line: "+strings.Fields(head)[1]+"\r\n\r\n")
			}
		})
		e := newEdge(t, Options{Config: oneSite(up)})
		answer := e.raw("GET /first HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n" +
			"GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if strings.Contains(answer, " 101 ") || !strings.Contains(answer, "X-Line: /first") || !strings.Contains(answer, "X-Line: /second") {
			t.Errorf("Upgrade: %s answered %q", protocol, answer)
		}
		if lines := strings.Count(e.log.String(), `"message":"request"`); lines != 2 {
			t.Errorf("Upgrade: %s: %d requests were seen, want 2", protocol, lines)
		}
	}
}

func TestWebSocketIsClosedOnDrain(t *testing.T) {
	c := oneSite(echoUpstream(t))
	c.Drain = 50 * time.Millisecond
	e := newEdge(t, Options{Config: c})
	sock, r := e.dial()
	io.WriteString(sock, handshake)
	if _, err := readHead(r); err != nil {
		t.Fatal(err)
	}
	expect(t, r, "hello")
	e.stop()
	if rest, _ := io.ReadAll(r); len(rest) > 0 {
		t.Errorf("read %q", rest)
	}
	err := <-e.ended
	e.ended <- nil
	if err != nil {
		t.Errorf("Run returned %v", err)
	}
}
