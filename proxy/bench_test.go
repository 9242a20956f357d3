package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/rs/zerolog"
)

// BenchmarkPath compares a small request's whole way over real sockets: the
// edge with its site table, exchange, access line and metrics, but nothing
// judging, against a bare httputil.ReverseProxy.
func BenchmarkPath(b *testing.B) {
	page := make([]byte, 1<<10)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		_, _ = w.Write(page)
	}))
	defer up.Close()
	target, err := url.Parse(up.URL)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("reverseproxy", func(b *testing.B) {
		front := httptest.NewServer(&httputil.ReverseProxy{
			Rewrite:   func(pr *httputil.ProxyRequest) { pr.SetURL(target); pr.SetXForwarded() },
			Transport: &http.Transport{MaxIdleConnsPerHost: idleInBenchmark, DisableCompression: true},
		})
		defer front.Close()
		requests(b, front.Listener.Addr().String())
	})
	b.Run("edge", func(b *testing.B) {
		s, err := New(Options{Config: oneSite(up.URL), Logger: zerolog.New(io.Discard)})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Listen(); err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		plain, _ := s.Addrs()
		requests(b, plain[0].String())
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
}

const idleInBenchmark = 256

// requests sends one request after the other on one connection, as cheaply as
// it can, so that the proxy is most of what is measured.
func requests(b *testing.B, addr string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	request := []byte("GET /2026/11/a-post/?utm=x HTTP/1.1\r\nHost: shop.example.kz\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/145.0\r\n" +
		"Accept: text/html,application/xhtml+xml\r\nAccept-Language: ru,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n" +
		"Cookie: a=b; c=d\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nReferer: http://shop.example.kz/\r\n\r\n")
	r := bufio.NewReader(c)
	ask := &http.Request{Method: http.MethodGet}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		resp, err := http.ReadResponse(r, ask)
		if err != nil {
			b.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK {
			b.Fatal(resp.Status)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			b.Fatal(err)
		}
	}
}
