package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
)

// What a hostile client may send, byte for byte, over a real socket to the
// whole edge; what it is answered; and what of it the upstream gets to see.
// docs/hostile.md lists every case with the test that holds it.

// hostileRules are rules of an owner beside those built in.
const hostileRules = `
SecRule ARGS:user_id "@streq 7" "id:9001,phase:2,deny,status:403,msg:'a virtual patch by a parameter name'"
SecRule REMOTE_ADDR "@ipMatch 2001:db8:bad::/48,192.0.2.0/24" "id:9002,phase:1,deny,status:403,msg:'an address range'"
`

// fortress is the edge as run builds it, on a socket, in front of an upstream
// that keeps what it gets.
type fortress struct {
	edge         *edge
	addr, secure string
	up           *recordingUpstream
	log          *lockedText
	events       chan event.Event
	conf         *config.Config
}

// newFortress starts one with the configuration text, where $UPSTREAM stands
// for the recording upstream and $DIR for a folder of the test.
func newFortress(t *testing.T, text string) *fortress {
	t.Helper()
	f := &fortress{up: newRecordingUpstream(t), log: &lockedText{}, events: make(chan event.Event, 10000)}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		text = strings.NewReplacer("$UPSTREAM", f.up.url(), "$DIR", dir).Replace(text)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("own.conf", hostileRules)
	c, err := config.Load(write("qorgan.yaml", text))
	if err != nil {
		t.Fatal(err)
	}
	f.conf = c
	mask := event.NewRedactor([]byte("0123456789abcdef0123456789abcdef"))
	record := func(e event.Event) { f.events <- e }
	if f.edge, err = buildEdge(t.Context(), c, stateOf(c), zerolog.New(f.log), prometheus.NewRegistry(),
		eventSink{mask: mask, masked: record, record: record}); err != nil {
		t.Fatal(err)
	}
	if err := f.edge.server.Listen(); err != nil {
		t.Fatal(err)
	}
	plain, encrypted := f.edge.server.Addrs()
	f.addr = plain[0].String()
	if len(encrypted) > 0 {
		f.secure = encrypted[0].String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.edge.server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		f.edge.server.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := f.edge.close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

const twoSites = `
data: $DIR/data
http: 127.0.0.1:0
https: 127.0.0.1:0
console: {listen: "off"}
trusted: {proxies: [127.0.0.9/32]}
rules: {extra: [$DIR/own.conf]}
sites:
  - {name: shop, hosts: [shop.example.kz], upstreams: $UPSTREAM}
  - {name: other, hosts: [other.example.kz], upstreams: $UPSTREAM}
`

// lockedText takes log lines from several goroutines.
type lockedText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// recordingUpstream keeps every request as it came, byte for byte.
type recordingUpstream struct {
	ln net.Listener
	mu sync.Mutex
	b  bytes.Buffer
}

func newRecordingUpstream(t *testing.T) *recordingUpstream {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &recordingUpstream{ln: ln}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "welcome")
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(tapped{ln, u}) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return u
}

func (u *recordingUpstream) url() string { return "http://" + u.ln.Addr().String() }

// take returns what arrived since it was asked last.
func (u *recordingUpstream) take() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.b.String()
	u.b.Reset()
	return s
}

type tapped struct {
	net.Listener
	u *recordingUpstream
}

func (l tapped) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tappedConn{c, l.u}, nil
}

type tappedConn struct {
	net.Conn
	u *recordingUpstream
}

func (c tappedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.u.mu.Lock()
	defer c.u.mu.Unlock()
	c.u.b.Write(p[:n])
	return n, err
}

// hostileCase is one thing a client may send.
type hostileCase struct {
	name   string
	send   string // all bytes of the connection
	status string // of the answers, in order, separated by spaces; "closed" for none at all; "400|403" for either
	event  string // the reason of the event, or the rule "rule 942100"; "-" for no event, "+" for any, empty for don't care
	seen   string // what the upstream must have got, byte for byte; empty for nothing at all
	unseen string // what must not be in it
	open   bool   // the connection may stay open after the last answer
}

func (tc hostileCase) run(t *testing.T, f *fortress, dial func(*testing.T) net.Conn) {
	f.up.take()
	f.drain()
	c := dial(t)
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	go func() { _, _ = io.WriteString(c, tc.send) }() // an edge may answer before it has read all
	var got []string
	want := strings.Fields(tc.status)
	r := bufio.NewReader(c)
	for {
		if tc.open && len(got) == len(want) {
			break
		}
		resp, err := http.ReadResponse(r, &http.Request{Method: method(tc.send)})
		if err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Error("the connection stays open")
			}
			break
		}
		if resp.StatusCode < 200 {
			continue
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			got = append(got, "cut")
			break
		}
		got = append(got, fmt.Sprint(resp.StatusCode))
	}
	if len(got) == 0 {
		got = []string{"closed"}
	}
	right := len(got) == len(want)
	for i := 0; right && i < len(got); i++ {
		right = slices.Contains(strings.Split(want[i], "|"), got[i])
	}
	if !right {
		t.Errorf("answered %v, want %s", got, tc.status)
	}
	seen := f.up.take()
	switch {
	case tc.seen == "" && seen != "":
		t.Errorf("the upstream got %.300q", seen)
	case !strings.Contains(seen, tc.seen):
		t.Errorf("the upstream got %.600q, want %q in it", seen, tc.seen)
	case tc.unseen != "" && strings.Contains(strings.ToLower(seen), strings.ToLower(tc.unseen)):
		t.Errorf("the upstream got %.600q, with %q in it", seen, tc.unseen)
	}
	tc.checkEvent(t, f.drain())
}

func (tc hostileCase) checkEvent(t *testing.T, events []event.Event) {
	t.Helper()
	var said []string
	found := false
	for _, e := range events {
		said = append(said, e.Reason)
		found = found || e.Reason == tc.event
		for _, m := range e.Matches {
			said = append(said, fmt.Sprint("rule ", m.Rule))
			found = found || tc.event == fmt.Sprint("rule ", m.Rule)
		}
	}
	switch tc.event {
	case "":
	case "-":
		if len(events) > 0 {
			t.Errorf("events %q, want none", said)
		}
	case "+":
		if len(events) == 0 {
			t.Error("no event")
		}
	default:
		if !found {
			t.Errorf("events %q, want %s", said, tc.event)
		}
	}
}

func method(raw string) string {
	m, _, _ := strings.Cut(strings.TrimLeft(raw, "\r\n"), " ")
	return m
}

// drain returns the events so far.
func (f *fortress) drain() []event.Event {
	var list []event.Event
	for {
		select {
		case e := <-f.events:
			list = append(list, e)
		default:
			return list
		}
	}
}

func (f *fortress) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// dialFrom connects from another address of the loopback network.
func (f *fortress) dialFrom(addr string) func(*testing.T) net.Conn {
	return func(t *testing.T) net.Conn {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
		c, err := d.Dial("tcp", f.addr)
		if err != nil {
			t.Skip("this machine lets nobody connect from ", addr)
		}
		return c
	}
}

func (f *fortress) dialTLS(name string) func(*testing.T) net.Conn {
	return func(t *testing.T) net.Conn {
		t.Helper()
		c, err := tls.Dial("tcp", f.secure, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

func (f *fortress) run(t *testing.T, cases []hostileCase) {
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, f, f.dial) })
	}
}

const hostHead = "Host: shop.example.kz\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n"

// get is a whole request of its own connection.
func ask(target string, lines ...string) string {
	return "GET " + target + " HTTP/1.1\r\n" + hostHead + joined(lines) + "Connection: close\r\n\r\n"
}

func joined(lines []string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	return b.String()
}

// post is a whole request with a body; without a type when that is empty.
func post(contentType, body string, lines ...string) string {
	if contentType != "" {
		lines = append(lines, "Content-Type: "+contentType)
	}
	return "POST / HTTP/1.1\r\n" + hostHead + joined(lines) + fmt.Sprintf("Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
}

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
	partType = "multipart/form-data; boundary=A"
	script   = "<script>alert(1)</script>"
	sqli     = "1' UNION SELECT user_pass FROM wp_users-- -"
	escaped  = "%3Cscript%3Ealert(1)%3C/script%3E"
)

// onePart is a multipart body of one part with boundary A.
func onePart(head, content string) string {
	return "--A\r\n" + head + "\r\n\r\n" + content + "\r\n--A--\r\n"
}

// readAll reads until the other side ends the connection.
func readAll(t *testing.T, c net.Conn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	b, err := io.ReadAll(c)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Error("the connection stays open")
	}
	return string(b)
}
