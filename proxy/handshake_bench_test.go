package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/certs"
	"github.com/qorgan/qorgan/config"
)

// namesServed is how many names the edge of the benchmark has certificates for.
const namesServed = 200

// BenchmarkHandshakes compares what a handshake costs an edge, with two hundred
// names in storage, with what it costs a bare Go server with the same in a map:
// rounds of each take turns, the client's own time is taken off, and the ratio
// of medians is what is reported (1 is as many handshakes a second of a
// processor, below 1 is fewer). Resumed ones are measured beside whole ones.
func BenchmarkHandshakes(b *testing.B) {
	m, pairs := manager(b)
	bare, edge := bareServer(b, pairs), servedEdge(b, m)
	for i := range namesServed { // what is loaded once is not counted
		greetServer(b, edge, &tls.Config{InsecureSkipVerify: true}, i)
	}
	for _, resumed := range []bool{false, true} {
		b.Run(map[bool]string{false: "whole", true: "resumed"}[resumed], func(b *testing.B) {
			var costs [2][]time.Duration
			const round = 400
			for b.Loop() {
				for i, at := range []string{bare, edge} {
					costs[i] = append(costs[i], serverTime(b, at, round, resumed))
				}
			}
			for i := range costs {
				slices.Sort(costs[i])
			}
			one, other := costs[0][len(costs[0])/2]/round, costs[1][len(costs[1])/2]/round
			b.ReportMetric(float64(one.Nanoseconds())/1e3, "bare-µs")
			b.ReportMetric(float64(other.Nanoseconds())/1e3, "edge-µs")
			b.ReportMetric(float64(one)/float64(other), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// clientsAtOnce keep the processors busy: an idle one's search for work is not
// a handshake's cost.
const clientsAtOnce = 8

// serverTime does handshakes and returns the processor's time that others than
// the clients spent.
func serverTime(b *testing.B, at string, n int, resumed bool) time.Duration {
	began := spentBy(b, syscall.RUSAGE_SELF)
	var own atomic.Int64
	var all sync.WaitGroup
	for range clientsAtOnce {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			before := spentBy(b, thread)
			c := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
			if resumed {
				c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				takeTicket(b, at, c)
			}
			for i := range n / clientsAtOnce {
				greetServer(b, at, c, i)
			}
			own.Add(int64(spentBy(b, thread) - before))
		})
	}
	all.Wait()
	return spentBy(b, syscall.RUSAGE_SELF) - began - time.Duration(own.Load())
}

const thread = 1 // RUSAGE_THREAD of getrusage(2)

func spentBy(b *testing.B, who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		b.Error(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// greetServer is a handshake.
func greetServer(b *testing.B, at string, c *tls.Config, i int) {
	c.ServerName = fmt.Sprintf("n%d.example", i%namesServed)
	if c.ClientSessionCache != nil {
		c.ServerName = "n0.example"
	}
	conn, err := tls.Dial("tcp", at, c)
	if err != nil {
		b.Error(err)
		return
	}
	if resumed := conn.ConnectionState().DidResume; resumed != (c.ClientSessionCache != nil) {
		b.Errorf("resumed: %t", resumed)
	}
	_ = conn.Close()
}

// takeTicket is a visit that is answered, and so brings a ticket.
func takeTicket(b *testing.B, at string, c *tls.Config) {
	c.ServerName = "n0.example"
	conn, err := tls.Dial("tcp", at, c)
	if err != nil {
		b.Error(err)
		return
	}
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: n0.example\r\nConnection: close\r\n\r\n")
	for buf := make([]byte, 4096); err == nil; {
		_, err = conn.Read(buf)
	}
	_ = conn.Close()
}

func bareServer(b *testing.B, pairs map[string]*tls.Certificate) string {
	c := certs.ServerConfig(nil)
	c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return pairs[hello.ServerName], nil }
	s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ErrorLog: serverLog(zerolog.Nop())}
	l, err := tls.Listen("tcp", "127.0.0.1:0", c)
	if err != nil {
		b.Fatal(err)
	}
	over := make(chan struct{})
	go func() { defer close(over); _ = s.Serve(l) }()
	b.Cleanup(func() { _ = s.Close(); <-over })
	return l.Addr().String()
}

// manager has a public authority's certificates of two hundred names in
// storage.
func manager(b *testing.B) (*certs.ACME, map[string]*tls.Certificate) {
	folder, from := b.TempDir(), b.TempDir()
	local, err := certs.NewLocal(b.TempDir(), func(string) bool { return true })
	if err != nil {
		b.Fatal(err)
	}
	pairs := map[string]*tls.Certificate{}
	for i := range namesServed {
		name := fmt.Sprintf("n%d.example", i)
		c, err := local.Certificate(&tls.ClientHelloInfo{ServerName: name})
		if err != nil {
			b.Fatal(err)
		}
		pairs[name] = &tls.Certificate{Certificate: c.Certificate[:1], PrivateKey: c.PrivateKey, Leaf: c.Leaf}
		key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
		if err != nil {
			b.Fatal(err)
		}
		chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
		for ending, text := range map[string][]byte{".crt": chain, ".key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})} {
			if err := os.WriteFile(filepath.Join(from, name+ending), text, 0o600); err != nil {
				b.Fatal(err)
			}
		}
	}
	authorities := []certs.Authority{{Directory: "https://127.0.0.1:1/dir"}}
	if _, err := certs.OpenStock(certs.Folder(folder), authorities).Import(b.Context(), from); err != nil {
		b.Fatal(err)
	}
	all := func(string) bool { return true }
	m, err := certs.NewACME(certs.ACMEOptions{Dir: folder, Authorities: authorities, Serves: all, Written: all, Logger: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = m.Close() })
	return m, pairs
}

func servedEdge(b *testing.B, m *certs.ACME) string {
	cms := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	b.Cleanup(cms.Close)
	conf := oneSite(cms.URL)
	conf.HTTP, conf.HTTPS, conf.Log = nil, []string{"127.0.0.1:0"}, config.Log{}
	s, err := New(Options{Config: conf, TLS: m.ServerConfig()})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		b.Fatal(err)
	}
	_, secure := s.Addrs()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.WithoutCancel(b.Context())) }()
	b.Cleanup(func() { s.Close(); <-ended })
	return secure[0].String()
}
